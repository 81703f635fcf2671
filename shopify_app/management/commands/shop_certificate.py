"""Prints the certificate of an erased shop as JSON: every store was searched for it. Without a domain, lists all erased shops.

Exit codes: 0 nothing of the shop was found, 1 no such shop was erased, 3 something was found, 4 the search is still to come.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from shopify_app.privacy import shop_erasures
from shopify_app.privacy.models import RedactionState, ShopErasure

UNKNOWN, FOUND, PENDING = 1, 3, 4


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain", nargs="?", help="name.myshopify.com; it is not kept, only recognised")
        parser.add_argument("--number", type=int, help="our number of the shop, as listed")
        parser.add_argument("--now", action="store_true", help="search now if the search is still to come")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = ShopErasure.objects.order_by("-erased_at", "-pk")
        if options["domain"] is None and options["number"] is None:
            for each in rows:
                told = "-" if each.certified_at is None else each.certified_at.isoformat(timespec="seconds")
                erased = each.erased_at.isoformat(timespec="seconds")
                self.stdout.write(f"{each.shop_number}\terased {erased}\t{each.state}\t{told}")
            return
        if options["number"] is not None:
            rows = rows.filter(shop_number=options["number"])
        if options["domain"] is not None:
            rows = rows.filter(mark=shop_erasures.mark(options["domain"]))
        found = rows.first()
        if found is None:
            raise CommandError("no such shop was erased here", returncode=UNKNOWN)
        if options["now"] and found.state == RedactionState.ERASED:
            self.stderr.write("searching Postgres, Redis, files and logs ...")
            found = shop_erasures.certify(found, now=timezone.now())
        if found.certificate is None:
            raise CommandError(
                f"erased at {found.erased_at.isoformat(timespec='seconds')}, searched {found.tries} times; "
                "the search is still to come or goes on (--now searches at once)",
                returncode=PENDING,
            )
        self.stdout.write(json.dumps(found.certificate, indent=2))
        if not found.certificate["clean"]:
            sys.exit(FOUND)
