"""The demo as a command: what it refuses, what it says, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shopify_app.local.processes import Supervisor
from shopify_app.local.stack import ROOT, Stack, free_port
from shopify_app.local.terminal import Terminal


def _demo(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "shopify_app.local.demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "SHELFWISE_VAR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_folder_without_exports_is_refused_and_nothing_is_erased(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    kept = tmp_path / "var" / "devstore" / "birch-and-co.myshopify.com.sqlite3"
    kept.parent.mkdir(parents=True)
    kept.write_text("an earlier store")
    demo = _demo(tmp_path / "var", "--store", str(tmp_path / "exports"))
    _, said = demo.communicate(timeout=30)
    assert demo.returncode == 1
    assert "holds no products_export.csv" in said
    assert "Nothing was erased" in said
    assert "Traceback" not in said
    assert kept.read_text() == "an earlier store"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    demo = _demo(tmp_path / "var", "--store", str(tmp_path / "typo"))
    assert f"{tmp_path / 'typo'} is not a folder" in demo.communicate(timeout=30)[1]
    assert demo.returncode == 2


def test_a_second_demo_in_the_same_folder_says_who_is_there(tmp_path: Path) -> None:
    first = Supervisor(tmp_path)
    try:
        demo = _demo(tmp_path)
        _, said = demo.communicate(timeout=30)
    finally:
        first.stop()
    assert demo.returncode == 1
    assert f"process {os.getpid()} runs Shelfwise in {tmp_path} already" in said
    assert "make stop" in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_demo_and_all_that_it_started(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    demo = _demo(tmp_path, "--orders", "300", "--port", "18100", "--devstore-port", "18150")
    log = tmp_path / "log" / "postgres.log"
    deadline = time.monotonic() + 30
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    began = time.monotonic()
    demo.send_signal(number)
    _, said = demo.communicate(timeout=30)
    assert demo.returncode == code, said
    assert "Traceback" not in said
    assert time.monotonic() - began < 15
    assert not Stack(tmp_path, 0).embedded.runs("postgres")
    assert not _mentioning(str(tmp_path))


def _mentioning(word: str) -> list[str]:
    """Command lines of living processes with this word in them or in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if word.encode() in told:
            found.append((entry / "cmdline").read_bytes().decode(errors="replace"))
    return found


def test_taken_ports_are_passed_over_and_told(tmp_path: Path) -> None:
    said: list[str] = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        stack = Stack(tmp_path, port, port).on_free_ports(said.append)
    assert stack.devstore_port is not None
    assert len({port, stack.app_port, stack.devstore_port}) == 3
    assert said == [f"port {port} is taken: using {found}" for found in (stack.app_port, stack.devstore_port)]
    assert free_port(stack.app_port, besides=stack.app_port) != stack.app_port


def test_a_line_that_did_not_change_is_not_said_again(capsys: pytest.CaptureFixture[str]) -> None:
    said = Terminal(news_every_s=0.0)
    for line in ("training: choose", "training: choose", "training: fit"):
        time.sleep(0.01)
        said.progress(line)
    assert capsys.readouterr().err.split("\n") == ["    training: choose", "    training: fit", ""]
