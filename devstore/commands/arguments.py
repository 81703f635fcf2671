"""Arguments that several commands share, and progress on the terminal."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devstore.store import shop_path

Subparsers = Any  # argparse._SubParsersAction has no public name
DEFAULT_DATA = Path("var/devstore")
DEFAULT_SHOP = "birch-and-co.myshopify.com"


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, help="folder of the shop files (%(default)s)"
    )


def shop_domain(text: str) -> str:
    """An argparse type: a `<name>.myshopify.com` domain. Raises ArgumentTypeError."""
    try:
        shop_path(Path(), text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def moment(text: str) -> datetime:
    """An argparse type: an ISO 8601 time, in UTC when it has no zone."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 2026-11-20T12:00:00Z") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


class ProgressLine:
    """Done-of-total on stderr, at most five times a second; one line that is rewritten on a terminal."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started = self._said = time.monotonic()
        self._live = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        tick = time.monotonic()
        finished = done >= total
        if not finished and tick - self._said < (0.2 if self._live else 5):
            return
        self._said = tick
        rate = done / max(tick - self._started, 1e-9)
        left = (total - done) / max(rate, 1e-9)
        text = f"{self._what}: {done:,} of {total:,} ({rate:,.0f}/s, {left:.0f} s left)"
        sys.stderr.write(f"\r{text:<78}" if self._live else f"{text}\n")
        if finished and self._live:
            sys.stderr.write("\n")
        sys.stderr.flush()
