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

    What a part sets aside for all its processes at its start (Postgres' buffers) counts whole: it fills with whatever is
    read, whether there are ten rows or a million.

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
                aside = _set_aside_kib(pid)
                own = sum(_pss_kib(each, shared=not aside) for each in _family(pid, below))
                found = (own + aside) / 1024
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


def _pss_kib(pid: int, *, shared: bool) -> int:
    """Proportional memory; without `shared`, less what lies in memory shared with others on purpose."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        found = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in rollup)}
        return found["Pss"] - (0 if shared else found["Pss_Shmem"])
    return 0


def _set_aside_kib(pid: int) -> int:
    """Anonymous memory that a process shares with its children, at its full size."""
    found = 0
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if line.endswith("/dev/zero (deleted)"):
                begin, _, end = line.split(" ", 1)[0].partition("-")
                found += int(end, 16) - int(begin, 16)
    return found // 1024
