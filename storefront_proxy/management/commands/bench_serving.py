"""`manage.py bench_serving`: what a signed answer costs on this machine, beside two floors.

Five questions are measured in turn at each concurrency, in one run, on the same two web workers and through the same
middleware: a view that returns a constant; the same constant behind the verification of signature, time and shop;
recommendations, 10 products out of 200 candidates, for who is not known; those of signed-in customers; and those of
sessions. Then versions of both sizes are loaded and asked in a process of their own. The load generator shares the machine's cores. It keeps its connections
alive and checks each body; anything but a good 200 is counted as failed, and one failure fails the run.

Postgres and Valkey are the run's own, under <var>/bench, and stop at the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import platform
import random
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mlops.features.models import Exposure
from mlops.predictors import artefact
from shopify_app.verify.signatures import proxy_message
from storefront_proxy import exposures
from storefront_proxy.bench import inference, recommender, report, shop
from storefront_proxy.bench.inference import Cost
from storefront_proxy.bench.load import Measured, Plan
from storefront_proxy.bench.report import ANSWERS, CUSTOMER, FLOOR, FULL, SESSION, VERIFIED, Row, Targets
from tenancy.embedded import Embedded
from tenancy.scope import unscoped

INSIDE = "SHELFWISE_BENCH_INSIDE"
PAGE = "docs/benchmarks.md"
SHOWN = 10
WARM_S = 1.0
MOST_ASKED = 20_000


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--seconds", type=_seconds, default=5.0, help="length of each measured window (5)"
        )
        parser.add_argument(
            "--concurrency",
            type=_numbers,
            default=(1, 8, 32),
            help="connections, with commas between (1,8,32)",
        )
        parser.add_argument("--products", type=int, default=4732, help="size of the catalogue (4732)")
        parser.add_argument(
            "--sizes",
            type=_sizes,
            default=(5_000, 50_000),
            help="products of the versions that are loaded and asked (5000,50000)",
        )
        parser.add_argument("--workers", type=int, default=2, help="web workers (2)")
        parser.add_argument(
            "--json", action="store_true", help="print the figures as JSON instead of a table"
        )
        parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE} too")
        parser.add_argument(
            "--targets", action="store_true", help="fail when a latency target at 8 connections is missed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if os.environ.get(INSIDE):
            self._measure(options)
            return
        # Settings name the services when they are read, so the measuring itself is a process with a folder of its own.
        folder = settings.VAR_DIR / "bench"
        folder.mkdir(parents=True, exist_ok=True)
        services = Embedded(folder)
        environment = {
            **os.environ,
            INSIDE: "1",
            "SHELFWISE_VAR": str(folder),
            "SHELFWISE_LOCAL": "1",
            "DATABASE_URL": services.database_url,
            "REDIS_URL": services.redis_url,
            "LOG_LEVEL": "WARNING",
        }
        services.start()
        try:
            done = subprocess.run([sys.executable, *sys.argv], env=environment, check=False)
        finally:
            services.stop()
        if done.returncode:
            raise CommandError("the measurement failed; see above", returncode=done.returncode)

    def _measure(self, options: dict[str, Any]) -> None:
        call_command("migrate", verbosity=0)
        domain = shop.make(products=options["products"], now=timezone.now()).domain
        _flush()  # what a run that was cut short left behind
        before = _in_postgres()
        rows: list[Row] = []
        answered = 1
        self._say(options, report.head())
        with _web(workers=options["workers"]) as (server, port):
            _check(port, domain)
            for clients in options["concurrency"]:
                for path in (FLOOR, VERIFIED, *ANSWERS):
                    row, good = self._window(server, port, domain, path, clients, rows, options)
                    answered += good if path in ANSWERS else 0
                    rows.append(row)
                    self._say(options, report.line(row))
        # The web server has ended in order: what its workers still held is in the stream.
        _flush()
        kept = _in_postgres() - before
        self._say(options, f"exposures: {answered:,} answers, {kept:,} rows in Postgres")
        missed = Targets().missed(rows)
        self._say(options, "targets at 8 connections: " + ("; ".join(missed) or "kept"))
        costs = [_cost(products) for products in options["sizes"]]
        self._say(options, inference.markdown(costs))
        if options["json"]:
            figures = {
                "rows": [asdict(each) for each in rows],
                "answers": answered,
                "exposures": kept,
                "versions": [asdict(each) for each in costs],
            }
            self.stdout.write(json.dumps(figures, indent=2))
        if options["write"]:
            page = settings.BASE_DIR / PAGE
            page.write_text(
                report.replaced(
                    page.read_text(),
                    report.markdown(rows, _about(options, kept)) + "\n" + inference.markdown(costs),
                )
            )
        failed = sum(each.failed for each in rows)
        if failed or kept != answered:
            raise CommandError(f"{failed} failed requests; {answered} answers left {kept} exposures")
        if missed and options["targets"]:
            raise CommandError("targets missed: " + "; ".join(missed), returncode=3)

    def _say(self, options: dict[str, Any], text: str) -> None:
        if not options["json"]:
            self.stdout.write(text)
            self.stdout.flush()

    def _window(
        self,
        server: int,
        port: int,
        domain: str,
        path: str,
        clients: int,
        rows: Sequence[Row],
        options: dict[str, Any],
    ) -> tuple[Row, int]:
        part, times = (b'"product_id":', SHOWN) if path in ANSWERS else (b'"canned":', 1)
        signed = _signed_queries(domain, options["products"], path)
        targets = {
            FLOOR: ["/bench/constant"],
            VERIFIED: [f"/bench/verified?{each}" for each in signed],
        }.get(path, [f"/proxy/recommendations?{each}" for each in signed])
        spent = _cpu_s(server)
        found = _load(Plan(port, targets, part.decode(), times, clients, WARM_S, options["seconds"]))
        now_spent = _cpu_s(server)
        floor = next((each for each in rows if each.path == FLOOR and each.clients == clients), None)
        row = report.row(
            path,
            clients,
            found,
            floor_per_s=floor.requests_per_s if floor else None,
            cpu_s=now_spent - spent if now_spent is not None and spent is not None else None,
            answered=found.good,
        )
        return row, found.good


def _seconds(text: str) -> float:
    if not 0.2 <= (found := float(text)) <= 60:
        raise ArgumentTypeError("from 0.2 to 60: signatures are good for 90 seconds")
    return found


def _numbers(text: str) -> tuple[int, ...]:
    found = tuple(int(each) for each in text.split(","))
    if not found or not all(1 <= each <= 256 for each in found):
        raise ArgumentTypeError("numbers from 1 to 256 with commas between")
    return found


def _sizes(text: str) -> tuple[int, ...]:
    found = tuple(int(each) for each in text.split(","))
    if not found or not all(10 <= each <= 200_000 for each in found):
        raise ArgumentTypeError("numbers from 10 to 200000 with commas between")
    return found


def _cost(products: int) -> Cost:
    """What a version of this size costs, in a process of its own."""
    # A table of 50,000 products is never as full as one of 5,000: few of the pairs were ever bought together.
    kept = shop.NEIGHBOURS if products <= 20_000 else shop.NEIGHBOURS // 3
    path = Path(settings.VAR_DIR) / "version.bin"
    path.write_bytes(artefact.pack(recommender.made(products=products, kept=kept), {}))
    done = subprocess.run(
        [sys.executable, "-m", "storefront_proxy.bench.inference", str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=settings.BASE_DIR,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    path.unlink()
    if done.returncode:
        raise CommandError(f"the version could not be measured:\n{done.stderr[-1500:]}")
    return Cost(**json.loads(done.stdout))


def _check(port: int, domain: str) -> None:
    """One request by hand: a fast answer that recommends nothing would be worth nothing; nor one that asks no proof."""
    query = _signed_queries(domain, 10)[0]
    answer = httpx.get(f"http://127.0.0.1:{port}/proxy/recommendations?{query}").json()
    if answer.get("served_by") != "item_to_item" or len(answer["products"]) != SHOWN:
        raise CommandError(f"the path does not recommend: {answer}")
    forged = query.replace("slot=product_page", "slot=home")
    for path in ("proxy/recommendations", "bench/verified"):
        if httpx.get(f"http://127.0.0.1:{port}/{path}?{forged}").status_code != 401:
            raise CommandError(f"/{path} does not verify")


def _signed_queries(domain: str, products: int, path: str = FULL) -> list[str]:
    """Signed queries, two thirds for product pages, the rest for carts and the home page. Valid for 90 s.

    300 of them, of nobody; or more than are asked in a window, so that each is another customer's or session's.
    """
    drawn = random.Random(1)  # noqa: S311 not cryptography
    queries = []
    for number in range(300 if path not in (CUSTOMER, SESSION) else MOST_ASKED):
        ask: dict[str, str] = {"slot": "product_page", "product_id": str(drawn.randint(1, products))}
        if number % 6 == 4:
            ask = {"slot": "cart", "cart": ",".join(str(drawn.randint(1, products)) for _ in range(4))}
        if number % 6 == 5:
            ask = {"slot": "home"}
        if path == SESSION:
            ask["recent"] = ",".join(str(drawn.randint(1, products)) for _ in range(3))
        ask |= {
            "limit": str(SHOWN),
            "visitor": f"visitor-{number:08d}",
            "shop": domain,
            "logged_in_customer_id": str(drawn.randint(1, products)) if path == CUSTOMER else "",
            "path_prefix": "/apps/shelfwise",
            "timestamp": str(int(time.time())),
        }
        message = proxy_message({name: [value] for name, value in ask.items()})
        ask["signature"] = hmac.new(
            settings.SHOPIFY_API_SECRET.encode(), message.encode(), hashlib.sha256
        ).hexdigest()
        queries.append(urlencode(ask))
    return queries


def _load(plan: Plan) -> Measured:
    done = subprocess.run(
        [sys.executable, "-m", "storefront_proxy.bench.load"],
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        check=False,
        cwd=settings.BASE_DIR,
    )
    if done.returncode:
        raise CommandError(f"the load generator failed:\n{done.stderr[-1500:]}")
    return Measured(**json.loads(done.stdout))


def _flush() -> None:
    while exposures.flush(consumer="bench", now=timezone.now()):
        pass


def _in_postgres() -> int:
    with unscoped(why="the measured shop is the only one here"):
        return Exposure.objects.count()


def _cpu_s(server: int) -> float | None:
    """CPU seconds of the web server's workers so far; None where /proc does not tell."""
    try:
        ticks = 0
        for found in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = found.read_text().rpartition(")")[2].split()
                if int(fields[1]) == server:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK") if ticks else None
    except (OSError, ValueError):
        return None


def _about(options: dict[str, Any], kept: int) -> list[str]:
    return [
        f"{timezone.now():%Y-%m-%d}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores shared by"
        f" {options['workers']} web workers, Valkey and the load generator, Python {platform.python_version()};"
        f" {options['products']:,} products, {shop.NEIGHBOURS} candidates a product, {SHOWN} shown;"
        f" {options['seconds']:g} s a window; {kept:,} exposures, one for each answer.",
    ]


@contextlib.contextmanager
def _web(*, workers: int) -> Iterator[tuple[int, int]]:
    """The web server as it runs in production, on a free port: its process id and the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    log = Path(settings.VAR_DIR) / "web.log"
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
        "--workers", str(workers), "--blocking-threads", "4", "--backpressure", "256", "--log-level", "warning",
        "--workers-kill-timeout", "6", "storefront_proxy.bench.wsgi:application",
    ]  # fmt: skip
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, cwd=settings.BASE_DIR)
        try:
            for _ in range(300):
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=1).status_code == 200:
                        break
                time.sleep(0.1)
            else:
                raise CommandError(f"the web server did not start; see {log}")
            yield server.pid, port
        finally:
            server.terminate()
            server.wait(timeout=20)
