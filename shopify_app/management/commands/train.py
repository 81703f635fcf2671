"""Trains a shop's models and shows how far it is; joins a training that is under way.

With --status it only shows. The workers of a running app do the same work; this command helps them, and works alone where there
are none. --promotion says how the version is compared with the one before: improves (at least 2 % better, for continuous
integration), not_worse, or as the shop chose.

Exit codes: 0 a version was trained and serves, or there is nothing to learn from yet; 1 it failed; 2 wrong usage; 3 a version was
trained and does not serve, because a gate refused it; 4 not done within --patience (it goes on by itself where workers run).
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mlops.registry.models import UseCase
from mlops.training import run as training
from mlops.training.gates import Promotion
from mlops.training.models import FINAL, RunState, TrainingRun
from mlops.training.pipelines import pipeline
from mlops.training.progress import progress
from shopify_app.local.terminal import Terminal
from tenancy.models import Shop, ShopState
from tenancy.scope import scope

FAILED, REFUSED, NOT_DONE = 1, 3, 4
PAUSE_S = 0.5


class Command(BaseCommand):
    help = __doc__

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("shop", help="name.myshopify.com")
        parser.add_argument("--use-case", choices=UseCase.values, default=UseCase.RECOMMENDATIONS.value)
        parser.add_argument("--status", action="store_true", help="show the newest training, and end")
        parser.add_argument(
            "--promotion", choices=[Promotion.IMPROVES.value, Promotion.NOT_WORSE.value], help="for this version alone"
        )  # fmt: skip
        parser.add_argument("--reason", default="manage.py train", help="kept in the change log")
        parser.add_argument("--patience", type=float, default=3600.0, help="seconds to wait at most (3600)")

    def handle(self, *args: Any, **options: Any) -> None:
        shop = Shop.objects.filter(domain=options["shop"]).first()
        if shop is None or shop.state == ShopState.UNINSTALLED:
            raise CommandError(f"{options['shop']} has not installed the app", returncode=FAILED)
        use_case = UseCase(options["use_case"])
        with scope(shop):
            if not options["status"]:
                promotion = Promotion(options["promotion"]) if options["promotion"] else None
                try:
                    run = training.request(
                        shop, reason=options["reason"], actor="system:shell", now=timezone.now(),
                        use_case=use_case, promotion=promotion,
                    )  # fmt: skip
                except training.TrainingHalted as error:
                    raise CommandError(f"{error.message} {error.next_step}", returncode=FAILED) from error
                self._follow(shop, run.pk, options["patience"])
            code = self._report(use_case)
        if code:
            sys.exit(code)

    def _follow(self, shop: Shop, run_id: int, patience_s: float) -> None:
        until, terminal = time.monotonic() + patience_s, Terminal()
        while (run := TrainingRun.objects.get(pk=run_id)).state not in FINAL:
            terminal.progress(_line(run))
            if time.monotonic() > until:
                terminal.end()
                raise CommandError(f"not done after {patience_s:g} s", returncode=NOT_DONE)
            if not training.advance(shop, now=timezone.now()):
                time.sleep(PAUSE_S)  # a worker has it, or it waits for its next try
        terminal.end()

    def _report(self, use_case: UseCase) -> int:
        run = TrainingRun.objects.filter(use_case=use_case).order_by("-id").first()
        if run is None:
            self.stdout.write("nothing was trained yet")
            return 0
        told = run.work.get("sufficiency")
        if told:
            self.stdout.write(
                f"history: {told['level']} ({told['orders']:,} orders, {told['customers']:,} customers,"
                f" {told['products']:,} products, {told['days']:,.0f} days)"
            )
            self.stdout.write(f"  {told['told']}")
            for each in told["unlocks"]:
                self.stdout.write(f"  the next level needs {each}")
        if run.state not in FINAL:
            self.stdout.write(_line(run))
            return NOT_DONE
        seconds = sum(run.work.get("steps", {}).values())
        version = f"version {run.version.number}" if run.version is not None else "no version"
        self.stdout.write(f"{run.state}: {version}, {seconds:,.1f} s of computing")
        for slot, measured in ((run.work.get("metrics") or {}).get("slots") or {}).items():
            if measured.get("queries"):
                found = measured["ndcg@10"]
                ahead = found["difference"]
                self.stdout.write(
                    f"  {slot}: NDCG@10 {found['value']:.4f}, popularity {found['baseline']:.4f}"
                    f" (ahead by {ahead['value']:+.4f}, {ahead['low']:+.4f} to {ahead['high']:+.4f};"
                    f" {measured['queries']:,} queries)"
                )
        if run.message:
            self.stdout.write(f"  {run.message}")
        if run.state == RunState.FAILED:
            return FAILED
        return REFUSED if run.code in ("shelved", "staging") else 0


def _line(run: TrainingRun) -> str:
    earlier = TrainingRun.objects.filter(use_case=run.use_case, state=RunState.DONE, version__isnull=False)
    at = progress(run, pipeline(run.use_case), earlier.order_by("-id").first())
    if at is None:
        return str(run.state)
    left = "" if at.eta_s is None else f", about {max(at.eta_s, 1):,.0f} s left"
    failed = f"; it failed ({run.message}) and is tried again" if run.retry_at is not None else ""
    return f"step {at.step} of {at.steps}: {at.told}{left}{failed}"
