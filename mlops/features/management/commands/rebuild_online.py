"""`manage.py rebuild_online [domain ...]`: write the Redis copy of the catalogue anew from Postgres."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mlops.features import online
from tenancy.models import Shop


class Command(BaseCommand):
    help = "Write the Redis copy of shops and product cards anew from Postgres; safe at any time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("domains", nargs="*", help="shops to rebuild; all when none is named")

    def handle(self, *args: Any, **options: Any) -> None:
        shops = Shop.objects.order_by("domain")
        if options["domains"]:
            shops = shops.filter(domain__in=options["domains"])
        for shop in shops:
            self.stdout.write(f"{shop.domain}: {online.rebuild(shop)} products")
