"""The supervisor: brings back the dead, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from shopify_app.local.processes import Process, Supervisor

# A parent with a child in its group, as a worker with its pool.
FAMILY = "import subprocess,sys,time; p=subprocess.Popen([sys.executable,'-c','import time; time.sleep(60)']); print(p.pid, flush=True); time.sleep(60)"


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
    assert not (tmp_path / "run" / "processes.json").exists()
