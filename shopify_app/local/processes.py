"""Runs the product's processes on one machine: starts them, brings back the dead, stops them all.

Each process is its own session and writes to ``<var>/log/<name>.log``. A file of process ids lets a later run clear away
what a killed supervisor left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

RESTART_AFTER_S = (0.2, 0.5, 1.0, 2.0, 5.0)  # a process that keeps dying is tried ever more slowly
STOP_WITHIN_S = 12.0


@dataclass(slots=True)
class Process:
    """One command to keep alive.

    Args:
        environment: variables added to the supervisor's own.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    handle: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    started_at: float = 0.0
    peak_rss_mb: float = 0.0


class Supervisor:
    """Keeps a set of processes running until `stop`.

    Args:
        folder: where logs and the file of process ids go.
        say: receives one line for each restart.
    """

    def __init__(self, folder: Path, *, say: Callable[[str], None] = lambda line: None) -> None:
        self.folder = folder
        self.processes: list[Process] = []
        self._say = say
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._pids = folder / "run" / "processes.json"
        (folder / "log").mkdir(parents=True, exist_ok=True)
        self._pids.parent.mkdir(parents=True, exist_ok=True)
        self._clear_leftovers()
        threading.Thread(target=self._watch, name="supervisor", daemon=True).start()

    def start(self, process: Process) -> Process:
        with self._lock:
            self._launch(process)
            self.processes.append(process)
            self._remember()
        return process

    def stop(self) -> None:
        """Ask every process to end, newest first; kill what has not ended in 12 s. Safe to repeat."""
        self._stopping.set()
        with self._lock:
            for process in reversed(self.processes):
                _signal(process.handle, signal.SIGTERM)
            deadline = time.monotonic() + STOP_WITHIN_S
            for process in reversed(self.processes):
                if process.handle is not None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.handle.wait(max(0.1, deadline - time.monotonic()))
                _signal(process.handle, signal.SIGKILL)
            self._pids.unlink(missing_ok=True)

    def log_of(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"

    def _launch(self, process: Process) -> None:
        with self.log_of(process.name).open("ab") as log:
            process.handle = subprocess.Popen(
                list(process.command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **process.environment}, start_new_session=True,
            )  # fmt: skip
        process.started_at = time.monotonic()

    def _watch(self) -> None:
        ticks = 0
        while not self._stopping.wait(0.25):
            ticks += 1
            with self._lock:
                for process in self.processes:
                    self._look_after(process)
                if ticks % 4 == 0:
                    self._measure()

    def _measure(self) -> None:
        memory = rss_mb_by_session()
        for process in self.processes:
            if process.handle is not None:
                process.peak_rss_mb = max(process.peak_rss_mb, memory.get(process.handle.pid, 0.0))

    def _look_after(self, process: Process) -> None:
        if self._stopping.is_set() or process.handle is None:
            return
        code = process.handle.poll()
        if code is None:
            return
        wait_s = RESTART_AFTER_S[min(process.restarts, len(RESTART_AFTER_S) - 1)]
        if time.monotonic() - process.started_at > 30:
            process.restarts = 0
        process.restarts += 1
        # The rest of the group (pool children of a killed worker) must not go on beside its replacement.
        _signal(process.handle, signal.SIGKILL)
        self._say(f"{process.name} ended ({code}); starting it again")
        time.sleep(wait_s)
        self._launch(process)
        self._remember()

    def _remember(self) -> None:
        alive = {p.name: p.handle.pid for p in self.processes if p.handle is not None}
        self._pids.write_text(json.dumps(alive))

    def _clear_leftovers(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for pid in json.loads(self._pids.read_text()).values():
                if _is_ours(int(pid)):
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(int(pid), signal.SIGKILL)


def _signal(handle: subprocess.Popen[bytes] | None, number: int) -> None:
    if handle is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(handle.pid, number)


def _is_ours(pid: int) -> bool:
    """True when that process id still belongs to a command of this checkout, not to a stranger who got the number."""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return any(word in command for word in (b"granian", b"celery", b"devstore"))
    return False


def rss_mb_by_session() -> dict[int, float]:
    """Resident memory in MiB of each session, i.e. of each supervised process with its descendants (Linux only)."""
    total: dict[int, float] = {}
    with contextlib.suppress(OSError):
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                session = _session(int(entry.name))
                total[session] = total.get(session, 0.0) + _rss_mb(int(entry.name))
    return total


def _session(pid: int) -> int:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return -1


def _rss_mb(pid: int) -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0
