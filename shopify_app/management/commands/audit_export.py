"""What is in a shop's CSV exports, and what the app could do with it, before anything is installed."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from shopify_app.exports import report as reports
from shopify_app.exports.audit import NothingToAudit, audit

NOTHING_READ = 2


class Command(BaseCommand):
    help = (
        "Audit Shopify's CSV exports (products_export*.csv, orders_export*.csv, customers_export*.csv, also .gz) in a folder:"
        " how full each column is, what the app would take in of it, and what it could do with the orders. Needs no database"
        " and keeps nothing. Exit code 0: all was read; 1: some records or files were put aside, each with its reason;"
        " 2: nothing could be read."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="the folder with the exports")
        parser.add_argument(
            "--csv", type=Path, metavar="FILE", help="also write one row per column to this file"
        )
        parser.add_argument(
            "--json", type=Path, metavar="FILE", help="also write everything, faults too, to this file"
        )

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        began = time.monotonic()
        try:
            found = audit(folder, progress=lambda told: self.stderr.write(told))
        except (NothingToAudit, OSError) as error:
            self.stderr.write(str(error))
            sys.exit(NOTHING_READ)
        for line in reports.lines(found):
            self.stdout.write(line)
        try:
            if options["csv"]:
                options["csv"].write_text(reports.as_csv(found), encoding="utf-8", newline="")
            if options["json"]:
                options["json"].write_text(reports.as_json(found), encoding="utf-8")
        except OSError as error:
            self.stderr.write(f"cannot write {error.filename}: {error.strerror}")
            sys.exit(NOTHING_READ)
        self.stderr.write(
            json.dumps({"seconds": round(time.monotonic() - began, 1), "peak_mib": _peak_mib()})
        )
        sys.exit(reports.exit_code(found))


def _peak_mib() -> float | None:
    """The most memory that this process held, where the system tells it."""
    try:
        told = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return round(int(told.partition("VmHWM:")[2].split()[0]) / 1024, 1)
