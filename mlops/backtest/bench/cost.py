"""A command in a process of its own, and what it took."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Sums depend on the number of threads, and so does the time.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Args:
    cpu_s: user and system time of the process and its children.
    peak_mib: largest resident set.
    wall_s: of a machine that may do other things.
    """

    cpu_s: float
    peak_mib: float
    wall_s: float


class Failed(RuntimeError):
    """The command ended with an error; the message holds the end of what it said."""


def measured(command: Sequence[str | Path]) -> Cost:
    """Run it from the root of the repository, one thread for each library.

    Raises:
        Failed: its exit code is not 0.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            [str(each) for each in command],
            cwd=ROOT,
            env={**os.environ, **ONE_THREAD},
            stdout=told,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            told.seek(0)
            end = told.read()[-2_000:].decode(errors="replace")
            raise Failed(f"{' '.join(str(each) for each in command)} ended with {process.returncode}: {end}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, time.monotonic() - began)


def manage(*arguments: str | Path) -> list[str | Path]:
    """`manage.py` with these arguments."""
    return [sys.executable, ROOT / "manage.py", *arguments]
