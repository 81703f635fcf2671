"""Simulated shoppers on the real storefront: what they were shown is what their orders carry."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs

import pytest

from devstore.__main__ import main
from devstore.shopper_tally import Tally
from devstore.shoppers import Plan, StorefrontError, run_shoppers
from devstore.store import Store
from devstore.world import WorldSize, generate
from tests.devstore.listening_app import Answer, ListeningApp, Received
from tests.devstore.running import DOMAIN, RunningDevstore, running_devstore

T = TypeVar("T")
QUICK = Plan(seconds=20, rate=40, seed=3, most=40)


@pytest.fixture(scope="module")
def storefront(
    _listening: ListeningApp, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningDevstore]:
    folder = tmp_path_factory.mktemp("shoppers")
    generate(folder, DOMAIN, WorldSize(200), now=datetime.now(UTC))
    with running_devstore(folder, application_url=_listening.url) as server:
        server.platform.install(DOMAIN)
        yield server


def shelf(store: Store) -> list[dict[str, object]]:
    """Eight products in stock, as the app's answer lists them."""
    rows = store.read(
        "SELECT p.id AS product_id, v.id AS variant_id, '/products/' || p.handle AS url FROM products p"
        " JOIN variants v ON v.product_id = p.id WHERE p.status = 'ACTIVE' AND p.published_at IS NOT NULL"
        " AND v.position = 1 AND (v.tracked = 0 OR v.available > 20) GROUP BY p.id LIMIT 8"
    )
    return [dict(row) for row in rows]


def recommending(products: list[dict[str, object]]) -> tuple[dict[str, str], Callable[[Received], Answer]]:
    """What the app answers, and the visitor each exposure was shown to."""
    shown: dict[str, str] = {}

    def answer(request: Received) -> Answer:
        if not request.path.endswith("/recommendations"):
            return Answer(202 if request.path.endswith("/clicks") else 200)
        exposure = f"exposure-{len(shown):08d}"
        shown[exposure] = parse_qs(request.query)["visitor"][0]
        body = {"served_by": "trending", "exposure": exposure, "products": products}
        return Answer(headers=(("Content-Type", "application/json"),), body=json.dumps(body).encode())

    return shown, answer


def apart(work: Callable[[], T]) -> T:
    """In a thread of its own: browser tests leave an event loop running in the main one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def go(storefront: RunningDevstore, plan: Plan = QUICK) -> Tally:
    return apart(lambda: asyncio.run(run_shoppers(storefront.url, plan, host=DOMAIN)))


def test_orders_carry_the_exposures_that_led_to_them(storefront: RunningDevstore, app: ListeningApp) -> None:
    store = storefront.platform.store(DOMAIN)
    before = store.counts()["orders"]
    shown, app.answer = recommending(shelf(store))
    tally = go(storefront)
    assert dict(tally.errors) == {}
    assert tally.sessions == 40
    assert tally.orders == store.counts()["orders"] - before > 0
    assert tally.statuses == Counter({200: len(shown)})
    assert tally.served_by["trending"] == len(shown)
    assert set(tally.slots) == {"home", "product_page", "cart"}
    assert tally.clicks[202] == sum(request.path.endswith("/clicks") for request in app.received) > 0
    assert len(tally.attributed) > 0
    for order in tally.attributed:
        row = store.one("SELECT name, attributes FROM orders WHERE id = ?", (order["order_id"],))
        assert row is not None
        assert row["name"] == order["order_name"]
        assert json.loads(row["attributes"]) == [{"key": "_ml_visitor", "value": order["visitor"]}]
        lines = store.read("SELECT properties FROM order_lines WHERE order_id = ?", (order["order_id"],))
        carried = {
            pair["value"]
            for line in lines
            for pair in json.loads(line["properties"])
            if pair["key"] == "_ml_rec"
        }
        assert set(order["exposures"]) <= carried
        assert {shown[exposure] for exposure in carried} == {order["visitor"]}


@pytest.mark.parametrize(
    "body", [b"not json", b"[]", b'{"products": 3}', b'{"products": [{}, 1], "exposure": 5}']
)
def test_shopping_goes_on_when_the_app_talks_nonsense(
    storefront: RunningDevstore, app: ListeningApp, body: bytes
) -> None:
    app.answer = lambda _: Answer(500, body=body)
    tally = go(storefront, Plan(seconds=5, rate=50, seed=1, most=6))
    assert tally.sessions == 6
    assert set(tally.statuses) == {500}
    assert sum(tally.clicks.values()) == 0
    assert tally.pages["product"] > 0


def test_the_same_seed_has_the_same_visitors(storefront: RunningDevstore, app: ListeningApp) -> None:
    seen = []
    for _ in range(2):
        app.reset()
        go(storefront, Plan(seconds=5, rate=50, seed=9, most=5))
        asked = [r for r in app.received if "slot=home" in r.query]
        seen.append({parse_qs(request.query)["visitor"][0] for request in asked})
    assert seen[0] == seen[1]
    assert seen[0]


def test_time_is_up_in_time(storefront: RunningDevstore, app: ListeningApp) -> None:
    tally = go(storefront, Plan(seconds=0.5, rate=10, seed=1))
    assert 1 <= tally.sessions <= 6
    assert tally.seconds < 5


def test_a_storefront_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StorefrontError):
        apart(lambda: asyncio.run(run_shoppers("http://127.0.0.1:9", QUICK)))
    assert apart(lambda: main(["shop", "--url", "http://127.0.0.1:9", "--seconds", "1"])) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_the_command_ends_with_its_summary(
    storefront: RunningDevstore, app: ListeningApp, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.received == []
    arguments = [
        "--url",
        storefront.url,
        "--shop",
        DOMAIN,
        "--seconds",
        "3",
        "--rate",
        "20",
        "--shoppers",
        "3",
    ]
    assert apart(lambda: main(["shop", *arguments])) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["sessions"] == 3
    assert told["recommendations"]["requests"] == len(
        [r for r in app.received if "/recommendations" in r.path]
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["shop", "--seconds", "0"],
        ["shop", "--rate", "x"],
        ["generate", "--shop", "nope"],
        ["generate", "--now", "x"],
    ],
)
def test_wrong_arguments_are_refused(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error" in capsys.readouterr().err
