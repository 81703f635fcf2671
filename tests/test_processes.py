"""The supervisor: brings back the dead, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shopify_app.local.processes import FolderInUse, Process, Service, Supervisor
from shopify_app.local.stack import ROOT

# A parent with a child in its group, as a worker with its pool.
FAMILY = "import subprocess,sys,time; p=subprocess.Popen([sys.executable,'-c','import time; time.sleep(60)']); print(p.pid, flush=True); time.sleep(60)"

KILLED_SUPERVISOR = """
import os, signal, sys
from pathlib import Path
from shopify_app.local.processes import Process, Supervisor
Supervisor(Path(sys.argv[1])).start(Process("family", [sys.executable, "-c", sys.argv[2]]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def _until(check: Callable[[], bool], seconds: float = 8.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.05)
    return False


def _gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_a_killed_process_comes_back_without_its_orphans(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(tmp_path, say=said.append)
    try:
        process = supervisor.start(Process("family", [sys.executable, "-c", FAMILY]))
        log = supervisor.log_of("family")
        assert _until(lambda: log.read_text().strip() != "")
        first, child = process.handle, int(log.read_text().split()[0])
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        assert _until(lambda: len(log.read_text().split()) == 2), "the process was not started again"
        assert _until(lambda: _gone(child)), "the killed process's child works on beside its replacement"
        assert process.restarts == 1
        assert said == [f"family ended (-{signal.SIGKILL.value}); starting it again"]
    finally:
        supervisor.stop()


def test_stop_ends_the_whole_family_and_is_safe_to_repeat(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    process = supervisor.start(Process("family", [sys.executable, "-c", FAMILY]))
    log = supervisor.log_of("family")
    assert _until(lambda: log.read_text().strip() != "")
    supervisor.stop()
    supervisor.stop()
    assert process.handle is not None
    assert _gone(process.handle.pid)
    assert _until(lambda: _gone(int(log.read_text().split()[0])))


def test_one_supervisor_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    first = Supervisor(tmp_path)
    with pytest.raises(FolderInUse, match=f"process {os.getpid()} runs Shelfwise in {tmp_path} already"):
        Supervisor(tmp_path)
    first.stop()
    Supervisor(tmp_path).stop()


def test_what_a_killed_supervisor_left_is_ended_by_the_next(tmp_path: Path) -> None:
    killed = [sys.executable, "-c", KILLED_SUPERVISOR, str(tmp_path), FAMILY]
    assert subprocess.run(killed, check=False, cwd=ROOT).returncode == -signal.SIGKILL
    log = tmp_path / "log" / "family.log"
    assert _until(lambda: log.read_text().strip() != "")
    orphan = int(log.read_text().split()[0])
    assert not _gone(orphan)
    supervisor = Supervisor(tmp_path)
    try:
        assert _gone(orphan)
    finally:
        supervisor.stop()


def test_a_dead_service_is_brought_back_and_told(tmp_path: Path) -> None:
    said: list[str] = []
    alive = threading.Event()
    supervisor = Supervisor(tmp_path, say=said.append)
    try:
        supervisor.watch(Service("books", alive.is_set, alive.set))
        assert _until(alive.is_set)
        assert _until(lambda: len(said) == 2)
        assert said[0] == "books ended; starting it again"
        assert supervisor.restarts() == {"books": 1}
    finally:
        supervisor.stop()


def test_a_program_that_does_not_exist_is_refused_at_once(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    try:
        with pytest.raises(FileNotFoundError):
            supervisor.start(Process("nothing", [str(tmp_path / "nothing")]))
    finally:
        supervisor.stop()
