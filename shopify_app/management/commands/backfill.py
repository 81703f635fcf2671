"""Imports a shop's history and shows how far it is; joins an import that is under way.

With --status it only shows. With --restart it begins anew: what is there stays, and nothing counts twice. The workers of a
running app do the same work; this command helps them, and works alone where there are none.

Exit codes: 0 all is in, 1 the import could not begin or a resource failed, 2 wrong usage, 3 all is in but for lines that
were refused, 4 not done within --patience (it goes on by itself where workers run).
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from shopify_app.local.terminal import Terminal
from shopify_app.sync import backfill
from shopify_app.sync.models import OPEN_STATES, ImportJob, JobState, Resource
from shopify_app.sync.progress import ResourceProgress, import_progress
from tenancy.audit import record
from tenancy.models import Shop, ShopState
from tenancy.scope import scope

FAILED, REFUSED, NOT_DONE = 1, 3, 4
PAUSE_S = 0.2
SHOWN_REFUSALS = 20
_PHASES = {
    JobState.WAITING: "waits", JobState.EXPORTING: "Shopify writes", JobState.READING: "read",
    JobState.WRITING: "kept", JobState.DONE: "in", JobState.FAILED: "failed after",
}  # fmt: skip


class Command(BaseCommand):
    help = __doc__

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("shop", help="name.myshopify.com")
        parser.add_argument("--status", action="store_true", help="show how far the import is, and end")
        parser.add_argument("--restart", action="store_true", help="begin anew")
        parser.add_argument(
            "--only", type=_resources, help=f"with --restart: these alone, with commas: {','.join(Resource.values)}"
        )  # fmt: skip
        parser.add_argument(
            "--patience", type=float, default=6 * 3600.0, help="seconds to wait at most (21600)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        shop = Shop.objects.filter(domain=options["shop"]).first()
        if shop is None or shop.state == ShopState.UNINSTALLED:
            raise CommandError(f"{options['shop']} has not installed the app", returncode=FAILED)
        if options["only"] and not options["restart"]:
            raise CommandError("--only goes with --restart", returncode=2)
        with scope(shop):
            if not options["status"]:
                self._begin(shop, restart=options["restart"], only=options["only"])
                self._follow(shop, options["patience"])
            code = self._report(shop)
        if code:
            sys.exit(code)

    def _begin(self, shop: Shop, *, restart: bool, only: tuple[Resource, ...] | None) -> None:
        now = timezone.now()
        begun = ImportJob.objects.exists()
        if begun and not restart:
            return
        backfill.restart(shop, now=now, resources=only or tuple(Resource))
        record(shop, actor="system:shell", action="import.restarted", now=now, reason="manage.py backfill")

    def _follow(self, shop: Shop, patience_s: float) -> None:
        until = time.monotonic() + patience_s
        terminal = Terminal()
        while open_ones := list(ImportJob.objects.filter(state__in=OPEN_STATES).order_by("pk")):
            if time.monotonic() > until:
                raise CommandError(
                    f"not done after {patience_s:g} s: {open_ones[0].problem or 'it goes on where workers run'}",
                    returncode=NOT_DONE,
                )
            moved = False
            for job in open_ones:
                moved |= backfill.step(shop, job.pk)
                terminal.progress(_line(import_progress(shop, now=timezone.now())))
            if not moved:
                time.sleep(PAUSE_S)  # Shopify writes, or a worker has them
        terminal.end()

    def _report(self, shop: Shop) -> int:
        told = import_progress(shop, now=timezone.now())
        if not told:
            self.stdout.write("no import has begun")
            return FAILED
        for each in told:
            self.stdout.write(_told(each))
            for words in (each.problem, each.note):
                if words:
                    self.stdout.write(f"  {words}")
        self._refusals()
        states = {each.state for each in told}
        if JobState.FAILED in states:
            return FAILED
        if states & set(OPEN_STATES):
            return NOT_DONE
        return REFUSED if any(each.rows_skipped for each in told) else 0

    def _refusals(self) -> None:
        for job in ImportJob.objects.filter(lines_skipped__gt=0).order_by("pk"):
            for each in job.refused[:SHOWN_REFUSALS]:
                self.stdout.write(f"  {job.resource} line {each['line']}: {each['reason']}")
                self.stdout.write(f"    {each['row'][:160]}")
            if job.lines_skipped > SHOWN_REFUSALS:
                self.stdout.write(f"  ... {job.lines_skipped:,} {job.resource} lines in all")


def _line(told: list[ResourceProgress]) -> str:
    return "  ".join(_told(each) for each in told if each.state != JobState.WAITING) or "waiting for Shopify"


def _told(each: ResourceProgress) -> str:
    total = f" of {each.rows_total:,}" if each.rows_total and each.state in OPEN_STATES else ""
    rate = f", {each.rows_per_s:,.0f}/s" if each.rows_per_s and each.state != JobState.EXPORTING else ""
    eta = f", {each.eta_s:,.0f} s left" if each.eta_s and each.state in OPEN_STATES else ""
    skipped = f", {each.rows_skipped:,} refused" if each.rows_skipped else ""
    return f"{each.resource}: {_PHASES[JobState(each.state)]} {each.rows_done:,}{total}{rate}{eta}{skipped}"


def _resources(text: str) -> tuple[Resource, ...]:
    return tuple(Resource(each.strip()) for each in text.split(","))
