"""Sends a shop's dead letters (webhook deliveries that were given up) back to work; without --id or --all, lists them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from shopify_app.webhooks import dead_letters
from tenancy.models import Shop
from tenancy.scope import scope

LISTED = 100


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain", help="name.myshopify.com")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--id", dest="ids", type=int, nargs="+", default=[], help="numbers from the list")
        which.add_argument("--all", action="store_true", help="every one whose content is still there")
        parser.add_argument("--reason", default="replayed from the command line", help="for the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        shop = Shop.objects.filter(domain=options["domain"]).first()
        if shop is None:
            raise CommandError(f"{options['domain']} is not known here")
        with scope(shop):
            if not options["ids"] and not options["all"]:
                self._list(shop)
                return
            wanted = None if options["all"] else options["ids"]
            sent = dead_letters.replay(
                shop, wanted, actor="system:command", reason=options["reason"], now=timezone.now()
            )
        self.stdout.write(f"{sent} sent back to work")
        if wanted is not None and sent < len(set(wanted)):
            left = len(set(wanted)) - sent
            raise CommandError(
                f"{left} of them are not dead letters of {shop.domain}, or hold nothing any more"
            )

    def _list(self, shop: Shop) -> None:
        page = dead_letters.page(shop, limit=LISTED)
        for each in page.letters:
            self.stdout.write(f"{each.pk}  {each.received_at:%Y-%m-%d %H:%M}  {each.topic}  {each.problem}")
        shown = f", the newest {LISTED} shown" if page.next_before else ""
        self.stdout.write(f"{page.total} dead letters of {shop.domain}{shown}")
