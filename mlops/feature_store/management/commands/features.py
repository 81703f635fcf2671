"""Shows the features of a shop: what there is, how a view is declared, how its values are distributed; ends old versions."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mlops.feature_store import catalogue, refresh, registered, statistics, versions
from mlops.features.days import day_of
from tenancy.errors import UserFixable
from tenancy.models import Shop

ACTOR = "system:shell"


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        for verb, told in (
            ("list", "every view: version, age, entities, models that stand on it"),
            ("show", "one view with its features"),
            ("statistics", "how a view's values were distributed on a day"),
            ("refresh", "compute everything of the shop now"),
            ("deprecate", "let no new model stand on a version"),
            ("delete", "forget a version that is not computed any more"),
        ):
            each = verbs.add_parser(verb, help=told, description=told)
            each.add_argument("shop", help="domain of the shop")
            if verb in ("show", "statistics", "deprecate", "delete"):
                each.add_argument("view")
            if verb in ("deprecate", "delete"):
                each.add_argument("digest")
                each.add_argument("--reason", default="", help="kept in the change log")
            if verb == "statistics":
                each.add_argument(
                    "--day", type=date.fromisoformat, help="of the shop, as 2026-11-20; today when absent"
                )

    def handle(self, *args: Any, **options: Any) -> None:
        shop = Shop.objects.filter(domain=options["shop"]).first()
        if shop is None:
            raise CommandError(f"there is no shop {options['shop']}", returncode=2)
        try:
            getattr(self, f"_{options['verb']}")(shop, options)
        except UserFixable as error:
            raise CommandError(f"{error.message}. {error.next_step}".strip(), returncode=1) from error

    def _list(self, shop: Shop, options: dict[str, Any]) -> None:
        self.stdout.write(f"{'view':<22}{'version':<18}{'state':<12}{'entities':>9}  {'computed':<26}models")
        for each in registered.known(shop):
            state = "deprecated" if each.deprecated_at else "current" if each.current else "old"
            computed = each.refreshed_at.isoformat(timespec="seconds") if each.refreshed_at else "never"
            self.stdout.write(
                f"{each.view:<22}{each.digest:<18}{state:<12}{each.entities:>9}  {computed:<26}{', '.join(each.models) or '-'}"
            )

    def _show(self, shop: Shop, options: dict[str, Any]) -> None:
        view = catalogue.view(shop, options["view"])
        self.stdout.write(f"{view.name} {versions.digest(view)}: {view.told}")
        self.stdout.write(f"entity {view.entity.value}, owner {view.owner}")
        for name, value in view.parameters.items():
            self.stdout.write(f"parameter {name} = {value}")
        for each in view.features:
            window = f"{each.window.days} d" if each.window else "-"
            self.stdout.write(
                f"  {each.name:<24}{each.dtype.value:<8}{window:>6}  {each.missing.value:<20} {each.told}"
            )

    def _statistics(self, shop: Shop, options: dict[str, Any]) -> None:
        view = catalogue.view(shop, options["view"])
        day = options["day"] or day_of(timezone.now(), shop.timezone)
        found = {
            each.feature: each for each in statistics.of(shop, view.name, day, digest=versions.digest(view))
        }
        if not found:
            raise CommandError(f"nothing was kept of {view.name} on {day}", returncode=1)
        self.stdout.write(f"{view.name} {versions.digest(view)} on {day}")
        for name in view.names:
            if name in found:
                each = found[name]
                shares = " ".join(f"{count / max(sum(each.counts), 1):.2f}" for count in each.counts)
                self.stdout.write(
                    f"  {name:<24}{each.rows:>9} rows {each.nulls / max(each.rows, 1):>7.1%} empty"
                    f" {each.distinct:>8} different  {shares}"
                )

    def _refresh(self, shop: Shop, options: dict[str, Any]) -> None:
        done = refresh.refresh(shop, now=timezone.now())
        told = ", ".join(f"{count} {entity}" for entity, count in done.entities.items())
        self.stdout.write(f"{told} in {done.seconds:.1f} s")

    def _deprecate(self, shop: Shop, options: dict[str, Any]) -> None:
        registered.deprecate(
            shop,
            options["view"],
            options["digest"],
            actor=ACTOR,
            reason=options["reason"],
            now=timezone.now(),
        )
        self.stdout.write(f"{options['view']} {options['digest']} is deprecated")

    def _delete(self, shop: Shop, options: dict[str, Any]) -> None:
        registered.delete(
            shop,
            options["view"],
            options["digest"],
            actor=ACTOR,
            reason=options["reason"],
            now=timezone.now(),
        )
        self.stdout.write(f"{options['view']} {options['digest']} is deleted")
