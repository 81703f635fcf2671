"""Runs the product's processes on one machine: starts them, brings back the dead, stops them all.

Each process is its own session and writes to ``<var>/log/<name>.log``. One supervisor works in a folder at a time. All of
its processes carry a mark in their environment, by which a later one finds and ends what a killed one left behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

RESTART_AFTER_S = (0.2, 0.5, 1.0, 2.0, 5.0)  # a process that keeps dying is tried ever more slowly
STEADY_AFTER_S = 30.0
STOP_WITHIN_S = 8.0
LOOK_EVERY_S = 0.25
MARK = "SHELFWISE_STARTED_IN"


class FolderInUse(RuntimeError):
    """Another demo or run works in the folder; the message says which process and what to do."""


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
    due_at: float = 0.0
    quick_deaths: int = 0
    refusal: OSError | None = None
    peak_mb: float = 0.0


@dataclass(slots=True)
class Service:
    """A server that runs by itself and is brought back when it dies.

    Args:
        runs: whether its process is there; asked four times a second.
        start: starts it if it does not run and returns when it answers, or raises.
    """

    name: str
    runs: Callable[[], bool]
    start: Callable[[], None]
    restarts: int = 0


class Supervisor:
    """Keeps a set of processes running until `stop`.

    Args:
        folder: where logs go, and what no other supervisor may use meanwhile.
        say: receives one line for each restart.

    Raises:
        FolderInUse: another supervisor lives in the folder.
    """

    def __init__(self, folder: Path, *, say: Callable[[str], None] = lambda line: None) -> None:
        self.folder = folder
        self.processes: list[Process] = []
        self.services: list[Service] = []
        self._say = say
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        for each in (folder / "log", folder / "run"):
            each.mkdir(parents=True, exist_ok=True)
        self._claim = _claim(folder)
        _end_all_marked(folder)
        # Processes are started in these threads alone: Ctrl-C, which strikes the main thread, cannot lose one.
        self._threads = [
            threading.Thread(target=work, name=work.__name__, daemon=True)
            for work in (self._watch_processes, self._watch_services)
        ]
        for thread in self._threads:
            thread.start()

    def start(self, process: Process) -> Process:
        """Start the process and keep it running; returns when it was started the first time.

        Raises:
            OSError: it cannot be started at all.
        """
        with self._changed:
            self.processes.append(process)
            self._changed.notify_all()
            self._changed.wait_for(lambda: process.started_at or process.refusal or self._stopping.is_set())
        if process.refusal is not None:
            raise process.refusal
        return process

    def watch(self, service: Service) -> None:
        """Bring back a server that runs by now, whenever it dies."""
        self.services.append(service)

    def stop(self) -> None:
        """Ask every process to end, newest first; kill what has not ended in 8 s. Safe to repeat."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(1.0)
        for process in reversed(self.processes):
            _signal(process.handle, signal.SIGTERM)
        deadline = time.monotonic() + STOP_WITHIN_S
        for process in reversed(self.processes):
            if process.handle is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.handle.wait(max(0.1, deadline - time.monotonic()))
            _signal(process.handle, signal.SIGKILL)
        _end_all_marked(self.folder)
        self._claim.close()

    def log_of(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"

    def restarts(self) -> dict[str, int]:
        """How often each process and service was brought back."""
        found = {process.name: process.restarts for process in self.processes}
        return found | {service.name: service.restarts for service in self.services}

    def marked(self) -> dict[str, str]:
        """The mark, for a command of one's own that must not outlive this run."""
        return {MARK: str(self.folder)}

    def _watch_processes(self) -> None:
        measured_at = 0.0
        while not self._stopping.is_set():
            with self._changed:
                for process in self.processes:
                    self._look_after(process)
                self._changed.notify_all()
                self._changed.wait(LOOK_EVERY_S)
            if time.monotonic() - measured_at > 1.0:
                measured_at = time.monotonic()
                self._measure()

    def _look_after(self, process: Process) -> None:
        now = time.monotonic()
        if process.handle is None:
            if now >= process.due_at and not self._stopping.is_set():
                try:
                    self._launch(process)
                except OSError as error:
                    process.refusal, process.due_at = error, now + RESTART_AFTER_S[-1]
            return
        code = process.handle.poll()
        if code is None:
            return
        # The rest of the group (pool children of a killed worker) must not go on beside its replacement.
        _signal(process.handle, signal.SIGKILL)
        if now - process.started_at > STEADY_AFTER_S:
            process.quick_deaths = 0
        process.due_at = now + RESTART_AFTER_S[min(process.quick_deaths, len(RESTART_AFTER_S) - 1)]
        process.quick_deaths += 1
        process.restarts += 1
        process.handle = None
        self._say(f"{process.name} ended ({code}); starting it again")

    def _launch(self, process: Process) -> None:
        with self.log_of(process.name).open("ab") as log:
            process.handle = subprocess.Popen(
                list(process.command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **process.environment, **self.marked()}, start_new_session=True,
            )  # fmt: skip
        process.started_at = time.monotonic()

    def _watch_services(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            for service in self.services:
                if not service.runs() and not self._stopping.is_set():
                    self._bring_back(service)

    def _bring_back(self, service: Service) -> None:
        self._say(f"{service.name} ended; starting it again")
        began = time.monotonic()
        try:
            service.start()
        except Exception as error:
            # Whatever it was, the next look tries once more.
            self._say(f"{service.name} does not start: {error}")
            self._stopping.wait(2.0)
            return
        service.restarts += 1
        self._say(f"{service.name} is back after {time.monotonic() - began:.1f} s")

    def _measure(self) -> None:
        for process in self.processes:
            if process.handle is not None:
                process.peak_mb = max(process.peak_mb, _memory_mb(process.handle.pid))


def end_leftovers(folder: Path) -> bool:
    """Stop the supervisor that works in this folder, or end what a killed one left; False if one does not stop."""
    for _ in range(200):
        try:
            claim = _claim(folder)
        except FolderInUse:
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((folder / "run" / "supervisor.lock").read_text().split()[0]), signal.SIGTERM)
            time.sleep(0.1)
            continue
        _end_all_marked(folder)
        claim.close()
        return True
    return False


def _claim(folder: Path) -> IO[str]:
    """Hold the folder until the file is closed or this process dies.

    Raises:
        FolderInUse: another process holds it.
    """
    path = folder / "run" / "supervisor.lock"
    claim = path.open("a+")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        claim.seek(0)
        holder = claim.read().strip() or "unknown"
        claim.close()
        raise FolderInUse(
            f"process {holder} runs Shelfwise in {folder} already: stop it (Ctrl-C there, or `make stop`), "
            "or give this one a folder of its own with SHELFWISE_VAR"
        ) from None
    claim.truncate(0)
    claim.write(str(os.getpid()))
    claim.flush()
    return claim


def _end_all_marked(folder: Path) -> None:
    """End every process that carries the mark of this folder, and wait until it is gone (Linux only)."""
    mark = f"{MARK}={folder}".encode()
    for _ in range(50):
        found = [pid for pid in _processes() if mark in _environment(pid).split(b"\0")]
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return
        time.sleep(0.05)


def _processes() -> list[int]:
    with contextlib.suppress(OSError):
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return []


def _environment(pid: int) -> bytes:
    """Empty for strangers' processes and for the dead that wait to be reaped."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes()
    return b""


def _signal(handle: subprocess.Popen[bytes] | None, number: int) -> None:
    if handle is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(handle.pid, number)


def family_of(leader: int) -> list[int]:
    """A supervised process and its descendants (Linux only)."""
    return [pid for pid in _processes() if _session(pid) == leader]


def _memory_mb(leader: int) -> float:
    """MiB that a supervised process and its descendants take, pages that they share counted once (Linux only)."""
    return sum(_pss_kib(pid) for pid in family_of(leader)) / 1024


def _session(pid: int) -> int:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return -1


def _pss_kib(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return 0
