"""Peak memory of each part of a running stack: processes with their descendants, shared pages counted once."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

LOOK_EVERY_S = 0.5


class Meter:
    """Looks twice a second, from `start` to `stop`.

    Args:
        leaders: name of each part to the pid of its first process; asked at each look, since processes come back.
    """

    def __init__(self, leaders: Callable[[], dict[str, int]]) -> None:
        self.peak_mb: dict[str, float] = {}
        self._leaders = leaders
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="meter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """The peaks in MiB so far; no further look is taken."""
        self._stopping.set()
        self._thread.join()
        return dict(self.peak_mb)

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            below = _children()
            for name, pid in self._leaders().items():
                found = sum(_pss_kib(each) for each in _family(pid, below)) / 1024
                self.peak_mb[name] = max(self.peak_mb.get(name, 0.0), found)


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # The name in parentheses may hold anything, spaces too.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                found[parent].append(int(entry.name))
    return found


def _family(leader: int, below: dict[int, list[int]]) -> list[int]:
    found = [leader]
    for pid in found:
        found += below.get(pid, ())
    return found


def _pss_kib(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return 0
