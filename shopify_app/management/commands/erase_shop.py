"""Erases one shop from this installation: rows, keys and artefacts. What `shop/redact` does 48 hours after an uninstall."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from shopify_app.privacy import redact
from tenancy.models import Shop


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain", help="name.myshopify.com")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        shop = Shop.objects.filter(domain=options["domain"]).first()
        if shop is None:
            self.stdout.write(f"{options['domain']} is not known here; nothing to erase")
            return
        if (
            not options["yes"]
            and input(f"Erase everything of {shop.domain}? Type its domain: ") != shop.domain
        ):
            raise CommandError("not confirmed; nothing was erased")
        redact.erase_shop(shop, now=timezone.now())
        self.stdout.write(
            f"{options['domain']} is erased; its certificate: manage.py shop_certificate {options['domain']}"
        )
