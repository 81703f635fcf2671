"""Measures both models on the sets of a data folder, beside others, and writes the tables. No database is needed.

Exit codes: 0 measured, 1 a floor was missed (`floors`, `recommend`), 2 the folder or a file cannot be used.
"""

from __future__ import annotations

import os
import platform
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from mlops.backtest.bench import parts
from mlops.backtest.bench.sets import Window
from mlops.backtest.commands import BadInput

PAGE = Path("docs/benchmarks.md")


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("parts", nargs="+", choices=sorted(parts.PARTS), help="what to measure")
        parser.add_argument("--data", type=Path, help="the folder of the sets (not needed by scaling)")
        parser.add_argument(
            "--window",
            choices=[each.value for each in Window],
            default=Window.VALIDATION.value,
            help="what is measured: choices are made on validation, test is looked at last (default: %(default)s)",
        )
        parser.add_argument("--sets", default="", help="names of sets, by commas; all by default")
        parser.add_argument(
            "--work",
            type=Path,
            default=Path("var/bench-models"),
            help="where answers are kept (default: %(default)s)",
        )
        parser.add_argument("--reuse", action="store_true", help="take answers that are there already")
        parser.add_argument("--peers", type=Path, help="Python of an environment with the group `peers`")
        parser.add_argument("--large", action="store_true", help="scaling: 5,000,000 order lines too")
        parser.add_argument(
            "--sizes", default="20,100,500,5000", help="floors: orders (default: %(default)s)"
        )
        parser.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
        parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE}")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = parts.Asked(
            data=options["data"],
            window=Window(options["window"]),
            sets=tuple(each for each in options["sets"].split(",") if each),
            work=options["work"].resolve(),
            reuse=options["reuse"],
            peers=options["peers"].absolute() if options["peers"] else None,
            large=options["large"],
            sizes=tuple(int(each) for each in options["sizes"].split(",")),
            seed=options["seed"],
        )
        failed = False
        for name in options["parts"]:
            try:
                found = parts.PARTS[name](asked, lambda line: self.stderr.write(line))
            except BadInput as error:
                self.stderr.write(str(error))
                sys.exit(2)
            about = f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
            text = "\n".join([f"{about}, {found.about}.", "", *found.lines])
            self.stdout.write(text)
            if options["write"]:
                page = PAGE.read_text(encoding="utf-8")
                PAGE.write_text(parts.replaced(page, text, mark=f"bench-models-{name}"), encoding="utf-8")
            failed = failed or found.failed
        if failed:
            sys.exit(1)
