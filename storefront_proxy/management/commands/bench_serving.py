"""`manage.py bench_serving`: requests per second and latency of the full signed path, beside a constant view.

Runs on services of its own under <var>/bench, with two web workers, and stops them at the end. Each row is one window of
one concurrency; both addresses are measured in turn in the same run, because the load generator shares the machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from shopify_app.verify.signatures import proxy_message
from storefront_proxy import bench_shop, exposures
from storefront_proxy.load import Measured, Plan
from tenancy.embedded import Embedded

CONCURRENCIES = (1, 8, 32)
INSIDE = "SHELFWISE_BENCH_INSIDE"


class Command(BaseCommand):
    help = "Measure the storefront path on this machine, beside a view that returns a constant."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seconds", type=float, default=5.0, help="length of each measured window")
        parser.add_argument("--products", type=int, default=5000, help="size of the catalogue")
        parser.add_argument("--workers", type=int, default=2, help="web workers")
        parser.add_argument("--json", action="store_true", help="print the figures as JSON too")

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
            raise CommandError("the measurement failed", returncode=done.returncode)

    def _measure(self, options: dict[str, Any]) -> None:
        call_command("migrate", verbosity=0)
        shop = bench_shop.make(products=options["products"], now=timezone.now())
        figures = []
        asked = 0
        with _web(workers=options["workers"]) as port:
            self._check(port, shop.domain)
            waited = exposures.waiting()
            self.stdout.write(
                f"{options['products']} products, {options['workers']} web workers,"
                f" {options['seconds']:g} s a window, {os.cpu_count()} cores shared with the load generator\n"
            )
            self.stdout.write(
                f"{'clients':>7} {'path':<16} {'requests/s':>10} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'other than 200':>15}"
            )
            for clients in CONCURRENCIES:
                for name in ("constant view", "recommendations"):
                    targets = (
                        ["/healthz"]
                        if name == "constant view"
                        else _signed_targets(shop.domain, options["products"])
                    )
                    found = _load(Plan(port, targets, clients, 1.0, options["seconds"]))
                    row = _figures(name, clients, found)
                    figures.append(row)
                    asked += found.answered if name == "recommendations" else 0
                    self.stdout.write(
                        f"{clients:>7} {name:<16} {row['requests_per_s']:>10.0f} {row['p50_ms']:>8.2f}"
                        f" {row['p95_ms']:>8.2f} {row['p99_ms']:>8.2f} {row['other']:>15}"
                    )
                floor, full = figures[-2], figures[-1]
                self.stdout.write(
                    f"{'':>7} full path / constant: p50 x{full['p50_ms'] / floor['p50_ms']:.1f},"
                    f" requests x{full['requests_per_s'] / floor['requests_per_s']:.2f}"
                )
        queued = exposures.waiting() - waited
        began = time.monotonic()
        while exposures.waiting():
            exposures.flush(consumer="bench", now=timezone.now())
        self.stdout.write(
            f"exposures: {asked} answers, {queued} queued, in Postgres after {time.monotonic() - began:.1f} s"
        )
        if options["json"]:
            self.stdout.write(json.dumps(figures))
        if queued != asked:
            raise CommandError(f"{asked} answers left {queued} exposures")

    def _check(self, port: int, domain: str) -> None:
        """One request by hand: a fast answer that recommends nothing would be worth nothing."""
        target = _signed_targets(domain, 10)[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{target}", timeout=10) as response:
            answer = json.load(response)
        if answer["served_by"] != "item_to_item" or len(answer["products"]) != 8:
            raise CommandError(f"the path does not recommend: {answer}")
        self.stdout.write(f"one answer: {answer['served_by']}, version {answer['version']}, 8 products")
        exposures.flush(consumer="bench", now=timezone.now())


def _signed_targets(domain: str, products: int) -> list[str]:
    """300 signed requests, two thirds for product pages, the rest for carts and the home page. Valid for 90 s."""
    drawn = random.Random(1)  # noqa: S311 not cryptography
    targets = []
    for number in range(300):
        ask: dict[str, str] = {"slot": "product_page", "product_id": str(drawn.randint(1, products))}
        if number % 6 == 4:
            ask = {"slot": "cart", "cart": ",".join(str(drawn.randint(1, products)) for _ in range(4))}
        if number % 6 == 5:
            ask = {"slot": "home"}
        ask |= {
            "visitor": f"visitor-{number:08d}",
            "shop": domain,
            "logged_in_customer_id": "",
            "path_prefix": "/apps/shelfwise",
            "timestamp": str(int(time.time())),
        }
        message = proxy_message({name: [value] for name, value in ask.items()})
        ask["signature"] = hmac.new(
            settings.SHOPIFY_API_SECRET.encode(), message.encode(), hashlib.sha256
        ).hexdigest()
        targets.append(f"/proxy/recommendations?{urlencode(ask)}")
    return targets


def _load(plan: Plan) -> Measured:
    done = subprocess.run(
        [sys.executable, "-m", "storefront_proxy.load"],
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        check=True,
        cwd=settings.BASE_DIR,
    )
    return Measured(**json.loads(done.stdout))


def _figures(name: str, clients: int, found: Measured) -> dict[str, Any]:
    ordered = sorted(found.latencies_us)

    def percentile(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000

    return {
        "path": name,
        "clients": clients,
        "requests_per_s": len(ordered) / found.seconds,
        "p50_ms": percentile(0.50),
        "p95_ms": percentile(0.95),
        "p99_ms": percentile(0.99),
        "other": sum(count for status, count in found.statuses.items() if status != "200"),
    }


@contextlib.contextmanager
def _web(*, workers: int) -> Iterator[int]:
    """The web server as it runs in production, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    log = Path(settings.VAR_DIR) / "web.log"
    command = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--workers", str(workers), "--blocking-threads", "1", "--log-level", "warning"]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "shopify_app.wsgi:application"], stdout=out, stderr=out, cwd=settings.BASE_DIR
        )
        try:
            for _ in range(300):
                with contextlib.suppress(OSError):
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1):
                        break
                time.sleep(0.1)
            else:
                raise CommandError(f"the web server did not start; see {log}")
            yield port
        finally:
            server.terminate()
            server.wait(timeout=20)
