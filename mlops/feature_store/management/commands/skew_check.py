"""Compares online with offline feature vectors at random moments; exit code 1 when any differs."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mlops.feature_store import skew
from tenancy.models import Shop


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domains", nargs="*", help="shops; all when none is named")
        parser.add_argument("--pairs", type=int, default=10_000, help="random (entity, time) pairs per shop")
        parser.add_argument("--moments", type=int, default=40, help="different moments among them")
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["pairs"] < 1 or options["moments"] < 1:
            raise CommandError("--pairs and --moments begin at 1", returncode=2)
        shops = Shop.objects.order_by("domain")
        if options["domains"]:
            shops = shops.filter(domain__in=options["domains"])
            if unknown := set(options["domains"]) - {each.domain for each in shops}:
                raise CommandError(f"no such shop: {', '.join(sorted(unknown))}", returncode=2)
        wrong = 0
        for shop in shops:
            self.stdout.write(f"{shop.domain}")
            self.stdout.write(
                f"  {'view':<22}{'way':<9}{'pairs':>8}{'numbers':>10}{'differ':>8}{'worst':>11}"
            )
            found = skew.check(
                shop, pairs=options["pairs"], moments=options["moments"], seed=options["seed"], now=timezone.now()
            )  # fmt: skip
            for each in found:
                self.stdout.write(
                    f"  {each.view:<22}{each.way:<9}{each.pairs:>8}{each.filled:>10}{each.differing:>8}{each.worst:>11.1e}"
                )
            drawn = sum(each.pairs for each in found if each.way != "stored")
            bad = sum(each.differing for each in found)
            self.stdout.write(f"  {drawn} pairs drawn, {bad} differ by more than {skew.TOLERANCE:g}")
            wrong += bad
        if wrong:
            sys.exit(1)
