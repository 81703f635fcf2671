"""`backtest shop --shop`: an installed shop's own log is measured as its exports are, and nobody is named."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from mlops.backtest.commands import BadInput
from mlops.backtest.store.installed import read_shop
from mlops.features import store
from mlops.features.events import Source
from tenancy.models import AccessEntry, Shop
from tenancy.scope import scope
from tests.mlops.builders import NOON, line, order
from tests.mlops.shops import sell, stock


def read(shop: Shop) -> list[tuple[object, ...]]:
    found = read_shop(shop.domain, NOON, lambda told: None)
    return found.lines.select("customer_id", "day", "sku", "quantity", "cancelled").rows()


def test_only_what_was_bought_and_kept_before_is_read(shop: Shop) -> None:
    stock(shop, products=2)
    day = NOON - timedelta(days=3)
    events = [
        order(1, [line(11, 1, quantity=2)], ordered_at=day, customer_id=77),
        order(2, [line(21, 2)], ordered_at=day + timedelta(hours=1), customer_id=None),
        order(3, [line(31, 1)], ordered_at=day, customer_id=77, cancelled_at=day),
        order(4, [line(41, 1)], ordered_at=day, customer_id=77, test=True),
        order(5, [line(51, 1)], ordered_at=NOON + timedelta(days=1), customer_id=77),
    ]
    store.append(shop, events, source=Source.BACKFILL, now=NOON)
    assert read(shop) == [(1, day.date(), "1", 2.0, False), (None, day.date(), "2", 1.0, False)]


def test_the_report_of_a_shop_names_nobody_and_the_read_is_in_the_log(shop: Shop, tmp_path: Path) -> None:
    stock(shop)
    sell(shop, orders=300)
    out = tmp_path / "report.html"
    call_command(
        "backtest", "shop", "--shop", shop.domain, "--out", str(out), "--json", str(tmp_path / "r.json"),
        "--origins", "1", stderr=StringIO(),
    )  # fmt: skip
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["shop"] == shop.domain
    assert found["sufficiency"]["orders"] == 300
    assert {each["name"] for each in found["recommendations"]["customers"]} <= {
        f"Customer {x}" for x in "ABC"
    }
    with scope(shop):
        entry = AccessEntry.objects.get(shop=shop, actor="system:backtest")
    assert (entry.purpose, entry.rows) == ("operation", 1200)
    assert out.read_text().startswith("<!doctype html>")


def test_a_shop_that_is_not_there_is_refused(db: None, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nobody\.myshopify\.com: has not installed the app"):
        read_shop("nobody.myshopify.com", NOON, lambda told: None)


def test_a_shop_without_sales_is_refused(shop: Shop) -> None:
    with pytest.raises(BadInput, match="nothing to measure"):
        read(shop)
