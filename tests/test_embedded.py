"""The private servers: started twice, killed without warning, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tenancy.embedded import LONGEST_SOCKET_FOLDER, Embedded


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    # A deep folder, so that the sockets must move to a short path.
    found = Embedded(tmp_path_factory.mktemp("services") / ("d" * LONGEST_SOCKET_FOLDER))
    found.start()
    yield found
    found.stop()


def _pids(embedded: Embedded) -> dict[str, int]:
    postmaster = (embedded.folder / "postgres" / "postmaster.pid").read_text().splitlines()[0]
    listed = subprocess.run(["pgrep", "-f", f"unixsocket {embedded.sockets}|{embedded.sockets}/valkey.sock"],
                            capture_output=True, text=True, check=False).stdout.split()  # fmt: skip
    return {"postgres": int(postmaster), "valkey": int(listed[0])}


def test_sockets_fit_the_limit_of_unix_paths(embedded: Embedded) -> None:
    assert len(str(embedded.sockets)) <= LONGEST_SOCKET_FOLDER
    assert embedded.status() == {"postgres": True, "valkey": True}


def test_starting_again_reuses_the_running_servers(embedded: Embedded) -> None:
    before = _pids(embedded)
    embedded.start()
    assert _pids(embedded) == before


def test_committed_rows_survive_a_kill_of_both_servers(embedded: Embedded) -> None:
    with psycopg.connect(embedded.database_url, autocommit=True) as connection:
        connection.execute("create table if not exists kept (n int)")
        connection.execute("insert into kept values (1)")
    for pid in _pids(embedded).values():
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    embedded.start()
    with psycopg.connect(embedded.database_url) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (1,)
    assert embedded.status() == {"postgres": True, "valkey": True}


def test_a_folder_left_half_made_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "half").write_text("killed in the middle of initdb")
    half = Embedded(tmp_path)
    with contextlib.closing(_Stopper(half)):
        half.start()
        assert half.status()["postgres"]


class _Stopper:
    def __init__(self, embedded: Embedded) -> None:
        self.embedded = embedded

    def close(self) -> None:
        self.embedded.stop()


def test_a_killed_postgres_comes_back_though_a_query_of_its_is_still_busy(tmp_path: Path) -> None:
    services = Embedded(tmp_path)
    with services.held("postgres"):
        with contextlib.closing(psycopg.connect(services.database_url, autocommit=True)) as busy:
            busy.pgconn.send_query(b"select count(*) from generate_series(1, 100000000000)")
            time.sleep(0.3)
            backend = busy.info.backend_pid
            os.kill(int((tmp_path / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
            deadline = time.monotonic() + 2.0
            while services.runs("postgres") and time.monotonic() < deadline:
                time.sleep(0.02)
            assert not services.runs("postgres")
            began = time.monotonic()
            services.start("postgres")
            assert time.monotonic() - began < 4.0
            title = Path(f"/proc/{backend}/cmdline")  # empty while a dead one waits to be reaped
            assert not title.exists() or not title.read_bytes(), "the orphan still computes"
        with psycopg.connect(services.database_url) as connection:
            assert connection.execute("select 1").fetchone() == (1,)


def test_the_last_holder_stops_the_servers(tmp_path: Path) -> None:
    services = Embedded(tmp_path)
    with services.held("valkey"):
        with services.held("valkey"):
            assert services.runs("valkey")
        assert services.runs("valkey"), "the first holder still needs it"
    assert not services.runs("valkey")


def test_a_pid_file_that_names_a_stranger_is_not_believed(tmp_path: Path) -> None:
    services = Embedded(tmp_path)
    with services.held("postgres"):
        pass
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    assert not services.runs("postgres")
    with services.held("postgres"):
        assert services.status()["postgres"]
