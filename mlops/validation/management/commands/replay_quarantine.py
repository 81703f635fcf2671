"""Sends rows that were held back through the gate again; those that still cannot be true stay held.

Exit codes: 0 all arrived (or nothing was held), 3 some are still held.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mlops.validation import decisions
from mlops.validation.defaults import RESOURCES
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scope

STILL_HELD = 3
SHOWN = 20


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("shop", help="name.myshopify.com")
        parser.add_argument("--resource", choices=RESOURCES, help="only rows of this kind")
        parser.add_argument(
            "--id", type=int, action="append", dest="ids", help="only this row; may be repeated"
        )
        parser.add_argument(
            "--accept",
            action="store_true",
            help="the batch they came in is right: judge each row by itself",
        )
        parser.add_argument("--list", action="store_true", help="show what is held and send nothing")
        parser.add_argument("--reason", default="replayed from the shell", help="kept in the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        shop = Shop.objects.filter(domain=options["shop"]).first()
        if shop is None:
            raise CommandError(f"{options['shop']} has not installed the app", returncode=1)
        if options["list"]:
            self._list(shop, options)
            return
        done = decisions.replay(
            shop,
            ids=options["ids"],
            resource=options["resource"],
            accepted=options["accept"],
            actor="system:shell",
            reason=options["reason"],
            now=timezone.now(),
        )
        told = f"{done.arrived} arrived, {done.held} still held, {done.unreadable} cannot be replayed (import again)"
        self.stdout.write(told)
        if done.held or done.unreadable:
            sys.exit(STILL_HELD)

    def _list(self, shop: Shop, options: dict[str, Any]) -> None:
        with scope(shop), reading(actor="system:shell", purpose=Purpose.QUALITY):
            rows = decisions.find(shop, ids=options["ids"], resource=options["resource"])
            for row in rows.order_by("id")[:SHOWN]:
                place = f"line {row.line_number}" if row.line_number else row.delivery or row.subject_id
                self.stdout.write(f"{row.pk}  {row.resource} {place}: {row.reason}")
            count = rows.count()
        self.stdout.write(f"{count} held" + (f", the first {SHOWN} shown" if count > SHOWN else ""))
