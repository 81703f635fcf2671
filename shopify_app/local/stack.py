"""The product's processes and their environment on one machine, shared by `make run`, `make demo` and the tests."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx

from shopify_app.local.processes import Process, Service, Supervisor
from tenancy.embedded import Embedded

ROOT = Path(__file__).resolve().parent.parent.parent


# What is under way is answered and what was shown is sent (2 s at most each); shorter than the supervisor waits.
WEB_STOPS_WITHIN_S = 6


class DidNotStart(RuntimeError):
    """A process did not answer in time; the message names its log."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Where everything of one local run lives.

    Args:
        folder: var folder: services, logs, stores.
        app_port: the app's port.
        devstore_port: the local Shopify's port; None when the app runs against the real one.
        secret: the app's client secret, shared with the local Shopify.
    """

    folder: Path
    app_port: int
    devstore_port: int | None = None
    client_id: str = "shelfwise-local-client-id"
    secret: str = "shelfwise-local-secret"

    @property
    def app_url(self) -> str:
        return f"http://127.0.0.1:{self.app_port}"

    @property
    def devstore_url(self) -> str:
        return f"http://127.0.0.1:{self.devstore_port}"

    @property
    def embedded(self) -> Embedded:
        return Embedded(self.folder)

    def environment(self) -> dict[str, str]:
        """Variables for every process of the app."""
        found = {"SHELFWISE_VAR": str(self.folder), "DJANGO_SETTINGS_MODULE": "shopify_app.settings"}
        if self.devstore_port is None:
            return found
        return found | {
            "SHELFWISE_LOCAL": "1",
            "ARTEFACT_DIR": str(self.folder / "artefacts"),
            "LOG_DIRS": str(self.folder / "log"),
            "APP_URL": self.app_url,
            "SHOPIFY_API_KEY": self.client_id,
            "SHOPIFY_API_SECRET": self.secret,
            "SHOPIFY_SHOP_ORIGIN": self.devstore_url,
            "SHOPIFY_CDN_ORIGIN": f"{self.devstore_url}/cdn/shopifycloud",
            "SHOPIFY_FRAME_ANCESTORS": "https://{shop} https://admin.shopify.com "
            f"{self.devstore_url} http://localhost:{self.devstore_port} http://*.localhost:{self.devstore_port}",
        }

    @property
    def private_services(self) -> tuple[str, ...]:
        """Those that the environment does not name a real server for."""
        urls = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}
        return tuple(name for name, url in urls.items() if not os.environ.get(url))

    @contextlib.contextmanager
    def services(self, supervisor: Supervisor) -> Iterator[None]:
        """Postgres and Valkey in this block, with today's tables; the private ones are watched by the supervisor.

        Raises:
            EmbeddedServiceError, DidNotStart: a private server, or the migration, failed.
        """
        names = self.private_services
        with self.embedded.held(*names) if names else contextlib.nullcontext():
            try:
                for name in names:
                    start = partial(self.embedded.start, name)
                    supervisor.watch(Service(name, partial(self.embedded.runs, name), start))
                self.manage("migrate", "--verbosity", "0", marked=supervisor.marked())
                yield
            finally:
                supervisor.stop()  # before its servers go

    def on_free_ports(self, say: Callable[[str], None]) -> Stack:
        """The same on ports where nobody listens now; says so where that is not the wanted one."""
        app = free_port(self.app_port)
        store = self.devstore_port and free_port(self.devstore_port, besides=app)
        for wanted, found in ((self.app_port, app), (self.devstore_port, store)):
            if wanted != found:
                say(f"port {wanted} is taken: using {found}")
        return replace(self, app_port=app, devstore_port=store)

    def manage(self, *arguments: str, marked: Mapping[str, str] | None = None) -> str:
        """Run one manage.py command and return what it printed.

        Args:
            marked: the supervisor's mark, so that the command does not outlive its run.

        Raises:
            DidNotStart: the command failed; the message carries its last lines.
        """
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(
            command,
            env={**os.environ, **self.environment(), **(marked or {})},
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
            start_new_session=True,  # Ctrl-C is for us to handle
        )
        if done.returncode:
            raise DidNotStart(f"manage.py {arguments[0]} failed:\n{done.stderr.strip()[-1500:]}")
        return done.stdout

    def start_devstore(self, supervisor: Supervisor, data: Path) -> Process:
        process = supervisor.start(
            Process(
                "devstore",
                [
                    sys.executable, "-m", "devstore", "serve", "--port", str(self.devstore_port), "--data", str(data),
                    "--app-toml", str(ROOT / "shopify.app.toml"), "--extensions", str(ROOT / "extensions"),
                    "--client-id", self.client_id, "--client-secret", self.secret, "--app-url", self.app_url,
                ],
                {"PYTHONPATH": str(ROOT)},
            )
        )  # fmt: skip
        wait_for(f"{self.devstore_url}/_devstore/health", log=supervisor.log_of("devstore"))
        return process

    def start_app(
        self, supervisor: Supervisor, *, web_workers: int = 2, door: str = "shopify_app.wsgi:application"
    ) -> None:
        """Web server, three workers (quick work, long work, searches) and the clock that ticks them.

        Args:
            door: the WSGI application; a measurement has one with more addresses.
        """
        environment = {**self.environment(), "PYTHONPATH": str(ROOT)}
        celery = [sys.executable, "-m", "celery", "--app", "shopify_app.celery:app"]
        worker = [
            *celery,
            "worker",
            "--loglevel",
            "WARNING",
            "--without-gossip",
            "--without-mingle",
            "--concurrency",
            "1",
        ]
        # A webhook waits for the disk and an admin page for its queries: meanwhile the other threads answer.
        supervisor.start(
            Process(
                "web",
                [
                    sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.app_port),
                    "--workers", str(web_workers), "--blocking-threads", "4", "--backpressure", "256", "--log-level", "warning",
                    "--respawn-failed-workers", "--workers-kill-timeout", str(WEB_STOPS_WITHIN_S), door,
                ],
                environment,
            )
        )  # fmt: skip
        supervisor.start(
            Process(
                "worker-quick", [*worker, "--hostname", "quick@%h", "--queues", "webhooks,logs"], environment
            )
        )
        supervisor.start(
            Process("worker-long", [*worker, "--hostname", "long@%h", "--queues", "sync,train"], environment)
        )
        search = [*worker, "--pool", "solo", "--hostname", "search@%h", "--queues", "privacy"]
        supervisor.start(Process("worker-search", search, environment))
        beat = [*celery, "beat", "--loglevel", "WARNING", "--pidfile="]
        supervisor.start(Process("beat", beat, environment))
        wait_for(f"{self.app_url}/healthz", log=supervisor.log_of("web"))


def wait_for(url: str, *, log: Path, seconds: float = 40.0) -> None:
    """Return when the address answers 200.

    Raises:
        DidNotStart: it did not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2.0).status_code == 200:
                return
        time.sleep(0.1)
    tail = log.read_text(errors="replace")[-1500:] if log.exists() else ""
    raise DidNotStart(f"{url} did not answer within {seconds:.0f} s; the log {log} ends:\n{tail}")


def free_port(wanted: int, *, besides: int = 0) -> int:
    """`wanted` if nobody listens there, else the next free one of the 50 after it, else any; never `besides`."""
    for port in [*range(wanted, wanted + 50), 0]:
        if port and port == besides:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise DidNotStart("no free port on 127.0.0.1")
