"""Compares everything kept of a shop with Shopify, repairs the difference, and says what it was.

Exit codes: 0 all agrees now, 1 a resource could not be compared, 3 something still differs.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from shopify_app.sync import reconcile
from shopify_app.sync.differences import Findings
from shopify_app.sync.models import OPEN_SWEEPS, Sweep, SweepState
from tenancy.models import Shop, ShopState
from tenancy.scope import scope

FAILED, DIFFERS = 1, 3
PAUSE_S = 0.2


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("shop", help="name.myshopify.com")
        parser.add_argument(
            "--since", type=_moment, help="look at all that changed since this day or time (ISO 8601, UTC)"
        )
        parser.add_argument("--patience", type=float, default=3600.0, help="give up after so many seconds")

    def handle(self, *args: Any, **options: Any) -> None:
        shop = Shop.objects.filter(domain=options["shop"]).first()
        if shop is None or shop.state == ShopState.UNINSTALLED:
            raise CommandError(f"{options['shop']} has not installed the app", returncode=FAILED)
        with scope(shop):
            begun = reconcile.start(shop, now=timezone.now(), since=options["since"])
            if not begun:
                raise CommandError(
                    "nothing to compare: the import is not done. Wait for it, or restart it.",
                    returncode=FAILED,
                )
            self._finish([each.pk for each in begun], shop, options["patience"])
            sweeps = list(Sweep.objects.filter(pk__in=[each.pk for each in begun]).order_by("pk"))
        code = max(self._report(each) for each in sweeps)
        if code:
            sys.exit(code)

    def _finish(self, ids: list[int], shop: Shop, patience_s: float) -> None:
        until = time.monotonic() + patience_s
        told: dict[int, str] = {}
        while waiting := list(Sweep.objects.filter(pk__in=ids, state__in=OPEN_SWEEPS).order_by("pk")):
            if time.monotonic() > until:
                raise CommandError(
                    f"not done after {patience_s:g} s: {waiting[0].problem or 'it goes on by itself'}",
                    returncode=FAILED,
                )
            moved = [reconcile.step(shop, each.pk) for each in waiting]
            if not any(moved):
                time.sleep(PAUSE_S)  # a worker has them, or Shopify asked us to wait
            for each in waiting:
                each.refresh_from_db()
                line = _progress(each)
                if each.state in OPEN_SWEEPS and told.get(each.pk) != line:
                    told[each.pk] = line
                    self.stdout.write(line)

    def _report(self, sweep: Sweep) -> int:
        findings = Findings.read(sweep.found)
        if sweep.problem:
            self.stdout.write(f"{sweep.resource}: not compared. {sweep.problem}")
            return FAILED
        if findings.left or findings.unsettled:
            self.stdout.write(f"{sweep.resource}: {findings.told(sweep.resource)}")
            return DIFFERS
        refreshed = findings.behind + findings.in_time
        told = f"{sum(findings.missing.values())} missing, {sum(findings.wrong.values())} wrong,"
        told += f" {sum(findings.gone.values())} deleted, {refreshed} refreshed"
        self.stdout.write(
            f"{sweep.resource}: agrees with Shopify ({findings.compared} compared; repaired: {told})"
        )
        return 0


def _progress(sweep: Sweep) -> str:
    findings = Findings.read(sweep.found)
    what = (
        f"{findings.compared} compared"
        if sweep.state == SweepState.WALKING
        else f"{len(sweep.todo)} periods left"
    )
    return f"{sweep.resource}: {sweep.state}, {what}, {findings.repaired} repaired. {sweep.problem}".rstrip()


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
