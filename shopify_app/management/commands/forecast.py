"""Forecasts a shop's demand anew, and says what came of it.

Exit codes: 0 a new forecast serves, 1 it failed or was not begun, 3 it ended without one (nothing to learn from).
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mlops.registry.models import UseCase
from mlops.training import run as training
from mlops.training.models import FINAL, RunState, TrainingRun
from mlops.training.pipelines import pipeline
from mlops.training.progress import progress
from tenancy.models import Shop, ShopState
from tenancy.scope import scope

FAILED, NOTHING = 1, 3
PAUSE_S = 0.5


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("shop", help="name.myshopify.com")
        parser.add_argument("--reason", default="asked for in the terminal")
        parser.add_argument("--patience", type=float, default=3600.0, help="give up after so many seconds")

    def handle(self, *args: Any, **options: Any) -> None:
        shop = Shop.objects.filter(domain=options["shop"]).first()
        if shop is None or shop.state == ShopState.UNINSTALLED:
            raise CommandError(f"{options['shop']} has not installed the app", returncode=FAILED)
        try:
            run = training.request(
                shop,
                use_case=UseCase.DEMAND,
                reason=options["reason"],
                actor="system:terminal",
                now=timezone.now(),
            )
        except training.TrainingHalted as error:
            raise CommandError(f"{error.message} {error.next_step}", returncode=FAILED) from error
        with scope(shop):
            done = self._finish(run.pk, shop, time.monotonic() + options["patience"])
            if done.state == RunState.FAILED:
                raise CommandError(f"the run failed: {done.message}", returncode=FAILED)
            if done.version is None:
                self.stdout.write(done.message)
                sys.exit(NOTHING)
            told = done.version.metrics
            self.stdout.write(
                f"version {done.version.number}: {told['series']} variants, {told['by_naive']} of them by seasonal naive; "
                f"{told['knowledge']}; {_measures(told['demand'])}"
            )

    def _finish(self, run_id: int, shop: Shop, until: float) -> TrainingRun:
        told = ""
        while True:
            run = TrainingRun.objects.select_related("version").get(pk=run_id)
            if run.state in FINAL:
                return run
            if time.monotonic() > until:
                raise CommandError("not done yet; it goes on by itself", returncode=FAILED)
            # No worker may be running: a step is done here as well as there, and by one of them at a time.
            if not training.advance(shop, now=timezone.now()):
                time.sleep(PAUSE_S)
            at = progress(run, pipeline(run.use_case), None)
            if at is not None and at.told != told:
                told = at.told
                self.stdout.write(f"{at.step} of {at.steps}: {told}")


def _measures(found: dict[str, float]) -> str:
    if not found:
        return "too little history to measure it"
    return (
        f"WAPE {found['wape']:.3f} (seasonal naive {found['wape_naive']:.3f}), bias {found['bias']:+.3f}, "
        f"90 % intervals held {found['coverage_90']:.1%}"
    )
