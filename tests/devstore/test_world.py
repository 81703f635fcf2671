"""The generated shop: exactly as large as asked, the same from the same seed, and true to its own truth."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from devstore.store import Store, utc_text, utc_time
from devstore.world import BadWorldError, WorldSize, generate

DOMAIN = "birch-and-co.myshopify.com"
NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """8,000 orders over 18 months."""
    return Store.open(
        generate(tmp_path_factory.mktemp("world"), DOMAIN, WorldSize(8_000, customers=2_500), now=NOW)
    )


@pytest.fixture(scope="module")
def truth(world: Store) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.values()["truth"])
    return found


def digest(store: Store) -> str:
    """One hash over every row of every table but the file's own."""
    sums = hashlib.sha256()
    tables = [
        r["name"] for r in store.read("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    for table in tables:
        if table not in {"file", "sqlite_stat1"}:
            for row in store.read(f"SELECT * FROM {table} ORDER BY 1, 2"):
                sums.update(repr(tuple(row)).encode())
    return sums.hexdigest()


def test_the_same_seed_gives_the_same_rows_and_another_seed_does_not(tmp_path: Path) -> None:
    made = [
        digest(Store.open(generate(tmp_path / str(i), DOMAIN, WorldSize(300, seed=seed), now=NOW)))
        for i, seed in enumerate((7, 7, 8))
    ]
    assert made[0] == made[1] != made[2]


@pytest.mark.parametrize(("orders", "months"), [(1, 1), (100, 18), (700, 3)])
def test_there_are_exactly_as_many_orders_as_asked(tmp_path: Path, orders: int, months: int) -> None:
    store = Store.open(generate(tmp_path, DOMAIN, WorldSize(orders, months=months), now=NOW))
    counts = store.counts()
    assert counts["orders"] == orders
    assert counts["lines"] >= orders
    assert counts["products"] >= 40


@pytest.mark.parametrize("size", [WorldSize(0), WorldSize(10, months=0), WorldSize(10, products=3)])
def test_a_size_that_makes_no_shop_is_refused_and_leaves_the_old_one(tmp_path: Path, size: WorldSize) -> None:
    path = generate(tmp_path, DOMAIN, WorldSize(100), now=NOW)
    with pytest.raises(BadWorldError):
        generate(tmp_path, DOMAIN, size, now=NOW)
    assert Store.open(path).counts()["orders"] == 100


def test_nothing_happens_after_now(world: Store) -> None:
    now = utc_text(NOW)
    for table, column in (
        ("orders", "created_at"),
        ("orders", "updated_at"),
        ("orders", "cancelled_at"),
        ("refunds", "created_at"),
        ("products", "created_at"),
        ("products", "updated_at"),
        ("variants", "updated_at"),
        ("customers", "updated_at"),
    ):
        row = world.one(f"SELECT max({column}) AS latest FROM {table}")
        assert row is not None
        assert row["latest"] < now, (table, column)


def test_newer_orders_have_higher_ids_and_distinct_tokens(world: Store) -> None:
    rows = world.read("SELECT id, number, created_at FROM orders ORDER BY id")
    assert all(a["created_at"] <= b["created_at"] and a["number"] < b["number"] for a, b in pairwise(rows))
    row = world.one("SELECT count(cart_token) AS n, count(DISTINCT cart_token) AS d FROM orders")
    assert row is not None
    assert row["n"] == row["d"] > 7_000


def test_money_and_quantities_add_up(world: Store) -> None:
    wrong = world.read(
        "SELECT o.id FROM orders o JOIN (SELECT order_id, sum(round(price * 100) * quantity - round(total_discount * 100))"
        " AS pence FROM order_lines GROUP BY 1) l ON l.order_id = o.id"
        " WHERE abs(pence - round(o.subtotal * 100)) > 0.5 OR"
        " abs(round(o.subtotal * 100) + round(o.total_shipping * 100) - round(o.total * 100)) > 0.5"
    )
    assert wrong == []
    wrong = world.read(
        "SELECT l.id FROM order_lines l LEFT JOIN (SELECT order_line_id, sum(quantity) AS back FROM refund_lines"
        " GROUP BY 1) r ON r.order_line_id = l.id WHERE l.current_quantity <> l.quantity - coalesce(back, 0)"
    )
    assert wrong == []
    wrong = world.read(
        "SELECT o.id FROM orders o LEFT JOIN (SELECT order_id, sum(round(amount * 100)) AS pence FROM refunds GROUP BY 1)"
        " r ON r.order_id = o.id WHERE abs(round(o.total_refunded * 100) - coalesce(pence, 0)) > 0.5"
        " OR (o.financial_status = 'PAID') <> (coalesce(pence, 0) = 0)"
    )
    assert wrong == []


def test_the_shop_has_every_kind_of_order_and_product(world: Store) -> None:
    for question in (
        "orders WHERE test = 1",
        "orders WHERE cancelled_at IS NOT NULL AND financial_status = 'REFUNDED'",
        "orders WHERE financial_status = 'PARTIALLY_REFUNDED'",
        "orders WHERE customer_id IS NULL",
        "orders WHERE discount_code IS NOT NULL AND total_discounts > 0",
        "orders WHERE source_name = 'pos' AND cart_token IS NULL",
        "orders WHERE fulfillment_status = 'UNFULFILLED' AND cancelled_at IS NULL",
        "products WHERE status = 'DRAFT' AND published_at IS NULL",
        "products WHERE status = 'ARCHIVED'",
        "products WHERE is_gift_card = 1",
        "products WHERE created_at > '2026-10-20'",
        "variants WHERE tracked = 1 AND available <= 0 AND inventory_policy = 'DENY'",
        "variants WHERE inventory_policy = 'CONTINUE'",
        "variants WHERE tracked = 0",
        "variants WHERE position = 3",
    ):
        row = world.one(f"SELECT count(*) FROM {question}")
        assert row is not None
        assert row[0] > 0, question


def test_drafts_never_sold_and_nothing_sold_before_it_existed(world: Store) -> None:
    assert (
        world.read(
            "SELECT 1 FROM order_lines l JOIN products p ON p.id = l.product_id WHERE p.status = 'DRAFT'"
        )
        == []
    )
    early = world.read(
        "SELECT 1 FROM order_lines l JOIN products p ON p.id = l.product_id JOIN orders o ON o.id = l.order_id"
        " WHERE date(o.created_at) < date(p.created_at)"
    )
    assert early == []


def test_complements_are_bought_together_as_the_truth_says(world: Store, truth: dict[str, Any]) -> None:
    baskets: defaultdict[int, set[int]] = defaultdict(set)
    for row in world.read("SELECT order_id, product_id FROM order_lines"):
        baskets[row["order_id"]].add(row["product_id"])
    bought = Counter(product for basket in baskets.values() for product in basket)
    expected = seen = 0.0
    for pair in truth["complements"]:
        if bought[pair["product_id"]] < 20:
            continue
        together = sum({pair["product_id"], pair["complement_id"]} <= basket for basket in baskets.values())
        expected += pair["probability"] * bought[pair["product_id"]]
        seen += together
    assert expected > 300
    assert 0.75 * expected < seen < 1.6 * expected


def test_what_runs_out_is_bought_again_after_its_cycle(world: Store, truth: dict[str, Any]) -> None:
    cycle = {row["product_id"]: row["cycle_days"] for row in truth["rhythms"]}
    times: defaultdict[tuple[int, int], list[datetime]] = defaultdict(list)
    for row in world.read(
        "SELECT o.customer_id AS c, l.product_id AS p, o.created_at AS at FROM orders o JOIN order_lines l"
        " ON l.order_id = o.id WHERE o.customer_id IS NOT NULL ORDER BY o.created_at"
    ):
        times[row["c"], row["p"]].append(utc_time(row["at"]))
    durable = repeated = near = 0
    for (_, product), moments in times.items():
        if product not in cycle:
            durable += len(moments) - 1
            continue
        for earlier, later in pairwise(moments):
            repeated += 1
            near += abs((later - earlier).days - cycle[product]) <= 0.3 * cycle[product] + 1
    assert repeated > 2 * durable
    assert near > 0.7 * repeated


def test_shelves_that_were_empty_sold_nothing(world: Store, truth: dict[str, Any]) -> None:
    checked = 0
    for out in truth["stock_outs"]:
        checked += 1
        sold = world.read(
            "SELECT 1 FROM order_lines l JOIN orders o ON o.id = l.order_id"
            " WHERE l.product_id = ? AND o.created_at >= ? AND o.created_at < ?",
            (out["product_id"], utc_text(utc_time(out["from"])), utc_text(utc_time(out["until"]))),
        )
        if utc_time(out["until"]) < NOW.replace(hour=0, minute=0):
            assert sold == []
    assert checked > 20


def test_customers_buy_what_they_like(world: Store, truth: dict[str, Any]) -> None:
    """The department a customer likes most gets far more of their lines than its share by chance."""
    departments = truth["departments"]
    favourite = {
        row["customer_id"]: departments[
            max(range(len(departments)), key=json.loads(row["departments"]).__getitem__)
        ]
        for row in world.read("SELECT * FROM true_tastes")
    }
    hits = total = 0
    for row in world.read(
        "SELECT o.customer_id AS c, p.category AS department FROM orders o JOIN order_lines l ON l.order_id = o.id"
        " JOIN products p ON p.id = l.product_id WHERE o.customer_id IS NOT NULL"
    ):
        total += 1
        hits += favourite[row["c"]] == row["department"]
    assert hits / total > 0.35


def test_a_price_drop_that_runs_today_shows_in_the_catalogue(tmp_path: Path) -> None:
    store = Store.open(generate(tmp_path, DOMAIN, WorldSize(60, months=6, seed=17), now=NOW))
    (running,) = [
        p
        for p in json.loads(store.values()["truth"])["promotions"]
        if utc_time(p["until"]) >= NOW.replace(hour=0)
    ]
    assert running["code"] is None
    lowered = store.read(
        "SELECT v.price, v.compare_at_price, p.category FROM variants v JOIN products p ON p.id = v.product_id"
        " WHERE v.compare_at_price IS NOT NULL"
    )
    assert lowered
    for row in lowered:
        wanted = float(row["compare_at_price"]) * (1 - running["percent"] / 100)
        assert wanted - 0.06 < float(row["price"]) <= wanted
        assert running["department"] in (None, row["category"])


def test_emails_belong_to_nobody(world: Store) -> None:
    assert world.read("SELECT 1 FROM customers WHERE email NOT LIKE '%@example.com'") == []


def test_a_new_order_number_and_id_follow_the_generated_ones(world: Store) -> None:
    latest = world.one("SELECT max(number) AS n, max(id) AS i FROM orders")
    assert latest is not None
    connection = world.connection()
    connection.execute("BEGIN")
    assert world.next_id(connection, "order_number") == latest["n"] + 1
    assert world.next_id(connection, "orders") > latest["i"]
    connection.execute("ROLLBACK")
