"""Searches every store for one customer of a shop, prints the certificate as JSON and keeps it.

Exit codes: 0 nothing was found, 1 the shop is not known, 3 something was found or could not be opened.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from mlops.features import erase
from shopify_app.privacy import certificate
from shopify_app.privacy.models import Redaction
from shopify_app.privacy.needles import Needles
from tenancy import pseudonyms
from tenancy.models import Shop
from tenancy.scope import scope

UNKNOWN, FOUND = 1, 3


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("shop", help="name.myshopify.com")
        parser.add_argument("--customer", type=int, required=True, help="Shopify's number of the customer")
        parser.add_argument(
            "--visitor", action="append", default=[], help="a browser of theirs; repeat it for more"
        )
        parser.add_argument(
            "--order",
            type=int,
            action="append",
            default=[],
            help="an order of theirs, to learn more browsers from",
        )
        parser.add_argument("--dry-run", action="store_true", help="print the certificate, keep nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        shop = Shop.objects.filter(domain=options["shop"]).first()
        if shop is None:
            raise CommandError(f"{options['shop']} is not known here", returncode=UNKNOWN)
        if options["customer"] <= 0:
            raise CommandError("a customer's number is positive", returncode=2)
        now = timezone.now()
        with scope(shop):
            pseudonym = pseudonyms.of(shop).of_customer(options["customer"])
            person = erase.find(shop, pseudonym, order_ids=options["order"], visitors=options["visitor"])
        needles = Needles((options["customer"],), person.customers, person.visitors)
        self.stderr.write("searching Postgres, Redis, files and logs ...")
        made = certificate.make(shop, needles, now=now)
        if not options["dry_run"]:
            with transaction.atomic(), scope(shop):
                asked = Redaction.objects.create(
                    shop=shop, asked_at=now, erased_at=now, counts={"asked by": "command"}
                )
                certificate.keep(asked, made, now=now)
        self.stdout.write(json.dumps(made, indent=2))
        if not made["clean"]:
            sys.exit(FOUND)
