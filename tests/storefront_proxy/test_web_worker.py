"""Web workers as they run in production: warm before their first answer, and never in the way of a new version."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from django.conf import settings
from django.db import connection

from mlops.features import store
from mlops.features.events import Source
from shopify_app.local.stack import free_port
from storefront_proxy import exposures
from storefront_proxy.bench.load import Measured, Plan
from tenancy.models import Shop
from tests.mlops.builders import NOON, line, order
from tests.mlops.shops import sell, stock, train
from tests.storefront_proxy.storefront import PATH, signed

pytestmark = pytest.mark.django_db(transaction=True)

SHOWN = 5


@pytest.fixture
def trained(shop: Shop) -> Shop:
    stock(shop)
    sell(shop, orders=60)
    train(shop)
    return shop


def environment() -> dict[str, str]:
    """Of a process that works on this test's database and keys."""
    url = urlsplit(settings.DATABASE_URL)
    return {
        **os.environ,
        "DATABASE_URL": urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}")),
        "REDIS_URL": settings.REDIS_URL,
        "REDIS_PREFIX": settings.REDIS_PREFIX,
        "ARTEFACT_DIR": str(settings.ARTEFACT_DIR),
        "DJANGO_SETTINGS_MODULE": "shopify_app.settings",
        "PYTHONPATH": str(settings.BASE_DIR),
    }


def targets(shop: Shop) -> list[str]:
    asks = [
        [("slot", "product_page"), ("product_id", "6")],
        [("slot", "cart"), ("cart", "2,4")],
        [("slot", "home"), ("visitor", "visitor-of-birch")],
    ]
    return [f"{PATH}?{signed(shop.domain, [*each, ('limit', str(SHOWN))])}" for each in asks]


FIRST_ANSWER = """
import io, json, sys, time
from shopify_app.wsgi import application

def ask(target):
    path, _, query = target.partition("?")
    status = []
    answer = application(
        {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "SERVER_NAME": "127.0.0.1",
         "SERVER_PORT": "80", "HTTP_HOST": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
         "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr},
        lambda found, headers: status.append(found))
    body = b"".join(answer)
    answer.close()
    return status[0], json.loads(body)

modules, cpu, wall = set(sys.modules), time.process_time(), time.perf_counter()
status, answer = ask(sys.argv[1])
print(json.dumps({
    "status": status, "served_by": answer.get("served_by"), "imported": sorted(set(sys.modules) - modules),
    "cpu_ms": (time.process_time() - cpu) * 1000, "wall_ms": (time.perf_counter() - wall) * 1000,
}))
"""


def first_answer(target: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", FIRST_ANSWER, target]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)


def test_the_first_answer_imports_nothing_and_takes_less_than_a_tenth_of_a_second(trained: Shop) -> None:
    found = json.loads(first_answer(targets(trained)[0], environment()).stdout)
    assert (found["status"], found["served_by"]) == ("200 OK", "item_to_item")
    assert found["imported"] == []
    # Nothing waits but for Redis, so the CPU time is the time it takes on a machine that is not busy otherwise.
    assert found["cpu_ms"] < 100


@pytest.mark.parametrize(
    "away",
    [
        {"REDIS_URL": "unix:///nowhere/valkey.sock"},
        {"DATABASE_URL": "postgresql://nobody@/shelfwise?host=/nowhere"},
    ],
)
def test_a_worker_starts_and_answers_liveness_without_its_services(shop: Shop, away: dict[str, str]) -> None:
    done = first_answer("/healthz", environment() | away)
    assert json.loads(done.stdout)["status"] == "200 OK"
    assert "storefront.starts_cold" in done.stderr


@contextmanager
def web_server() -> Iterator[int]:
    port = free_port(19600)
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "2",
        "--blocking-threads", "1", "--backpressure", "256", "--log-level", "warning", "--workers-kill-timeout", "6",
        "shopify_app.wsgi:application",
    ]  # fmt: skip
    server = subprocess.Popen(command, env=environment(), cwd=settings.BASE_DIR)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
                break
            except httpx.HTTPError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait(timeout=20)


def versions_of(port: int, target: str) -> set[str]:
    """What answers on 12 connections of their own, so that both workers are among them."""
    found = [httpx.get(f"http://127.0.0.1:{port}{target}").raise_for_status().json() for _ in range(12)]
    return {each["version"] for each in found}


def test_five_new_versions_under_load_fail_no_request_and_lose_no_exposure(trained: Shop) -> None:
    asked = targets(trained)
    by_hand = 0
    with web_server() as port:
        plan = Plan(port, asked, '"product_id":', SHOWN, connections=8, warm_s=0.0, measure_s=10.0)
        with subprocess.Popen(
            [sys.executable, "-m", "storefront_proxy.bench.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=settings.BASE_DIR,
        ) as load:
            assert load.stdin is not None
            assert load.stdout is not None
            json.dump(asdict(plan), load.stdin)
            load.stdin.close()
            for number in range(2, 7):
                lines = [line(9_000 + 2 * number, 2), line(9_001 + 2 * number, 2 * number)]
                new = order(9_000 + number, lines, ordered_at=NOON - timedelta(minutes=number))
                store.append(trained, [new], source=Source.WEBHOOK, now=NOON)
                train(trained)
                deadline = time.monotonic() + 2.0
                while True:
                    by_hand += 12
                    if versions_of(port, asked[1]) == {str(number)}:
                        break
                    assert time.monotonic() < deadline
            assert load.poll() is None, "the load ended before the last change"
            found = Measured(**json.loads(load.stdout.read()))
    assert found.failed == {}
    assert found.good > 500
    assert exposures.waiting() == found.good + by_hand


@pytest.mark.parametrize("after_s", [0.0, 0.4, 1.2])
def test_a_server_that_is_stopped_while_its_workers_start_ends(after_s: float) -> None:
    """Without a limit after which it would kill them, so that a worker which lost the signal keeps it for ever."""
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(free_port(19650)),
        "--workers", "2", "--log-level", "critical", "shopify_app.wsgi:application",
    ]  # fmt: skip
    server = subprocess.Popen(command, env=environment(), cwd=settings.BASE_DIR, start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        while not Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        # A forked worker is deaf until it has begun to load the door, some hundredths of a second.
        time.sleep(0.3 + after_s)
        server.terminate()
        server.wait(timeout=15)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=5)
