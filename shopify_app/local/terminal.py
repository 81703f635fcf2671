"""What the demo says on the terminal: numbered steps, one progress line that renews itself, a summary."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

REPEAT_EVERY_S = 60.0


class Terminal:
    """Writes to stderr. A progress line is rewritten in place on a terminal; elsewhere it is printed when it has changed,
    now and then, and once a minute when it has not, as a sign of life.

    Args:
        news_every_s: the least time between two printed progress lines.
    """

    def __init__(self, *, news_every_s: float = 5.0) -> None:
        self._news_every_s = news_every_s
        self._live = sys.stderr.isatty()
        self._last = 0.0
        self._progress = ""
        self._open_line = False
        self._steps = 0
        self._lock = threading.RLock()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self._steps += 1
        self._last = time.monotonic()
        self._write(f"{self._steps:>2}. {title}")
        started = time.monotonic()
        yield
        self._write(f"    done in {time.monotonic() - started:.1f} s")

    def progress(self, line: str) -> None:
        with self._lock:
            now = time.monotonic()
            if self._live:
                sys.stderr.write(f"\r\033[K    {line}")
                sys.stderr.flush()
                self._open_line = True
            elif now - self._last > (REPEAT_EVERY_S if line == self._progress else self._news_every_s):
                self._last, self._progress = now, line
                self._write(f"    {line}")

    def end(self) -> None:
        """Leave the progress line as it stands."""
        with self._lock:
            if self._open_line:
                sys.stderr.write("\n")
                self._open_line = False

    def note(self, line: str) -> None:
        self._write(f"    {line}")

    def summary(self, facts: dict[str, Any]) -> None:
        where = facts["addresses"]
        self._write("")
        self._write(f"  Admin       {where['admin']}")
        self._write(f"  Storefront  {where['storefront']}")
        self._write("  The same facts for scripts: demo.json in the var folder")
        self._write("")

    def _write(self, line: str) -> None:
        with self._lock:
            if self._open_line:
                sys.stderr.write("\n")
                self._open_line = False
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
