"""`backtest shop` on a folder of exports: the report is whole, honest, and safe against what a shop calls its products."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser, Page

from tests.mlops.backtest.exports import order, themed_store, write

HOSTILE = (
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"><svg onload=document.title='owned'>",
    "<a href='javascript:document.title=1'>Tea</a>",
    '=HYPERLINK("http://evil.example")',
    "Caf\u00e9 \u202e\u0007 \U0001f375 & <b>bold</b>",
    "<!-- " + "x" * 300,
)
TITLES = [HOSTILE[k] if k < len(HOSTILE) else f"Product {k}" for k in range(30)]


def backtest(*arguments: object) -> str:
    told = StringIO()
    call_command("backtest", "shop", *[str(each) for each in arguments], stderr=told)
    return told.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = themed_store(tmp_path_factory.mktemp("store"), titles=TITLES)
    out = folder / "report.html"
    backtest("--store", folder, "--out", out, "--json", folder / "report.json", "--origins", 1)
    return folder


@pytest.fixture(scope="module")
def found(made: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((made / "report.json").read_text())
    return told


def test_each_slot_is_measured_beside_what_costs_nothing(found: dict[str, Any]) -> None:
    slots = {each["slot"]: each for each in found["recommendations"]["slots"]}
    assert {"home", "new", "page", "cart"} <= set(slots)
    page = {each["name"]: each["metrics"]["ndcg@10"] for each in slots["page"]["systems"]}
    assert set(page) == {"Shelfwise", "bestsellers", "bestsellers lately", "own repeats", "bought together"}
    # Baskets keep to a theme, so that bestsellers know nothing, and whoever looks at what goes together knows much.
    assert page["Shelfwise"]["value"] > page["bestsellers"]["high"]
    assert page["bought together"]["value"] > page["bestsellers"]["high"]
    against = {each["name"]: each for each in slots["page"]["against"]}
    assert against["bestsellers"]["difference"]["low"] > 0
    for slot in slots.values():
        for each in slot["systems"]:
            for measure in each["metrics"].values():
                assert 0 <= measure["low"] <= measure["value"] <= measure["high"] <= 1


def test_forecasts_are_measured_beside_rules(found: dict[str, Any]) -> None:
    told = found["forecasts"]
    systems = {each["name"]: each["measures"] for each in told["systems"]}
    assert set(systems) == {
        "Shelfwise",
        "seasonal naive",
        "mean of 28 days",
        "mean of 8 same weekdays",
        "TSB",
    }
    assert systems["Shelfwise"]["wape_total"] < systems["seasonal naive"]["wape_total"]
    assert {each["name"] for each in told["levels"]} == {"total", "type", "vendor", "item", "wrmsse"}
    assert [each["name"] for each in told["coverage"]] == ["50 %", "90 %"]
    assert len(told["total"]["days"]) == len(told["total"]["sold"]) == len(told["total"]["forecast"])
    assert sum(each["series"] for each in told["classes"]) == told["series"]


def test_three_customers_are_shown_with_reasons(found: dict[str, Any]) -> None:
    customers = found["recommendations"]["customers"]
    assert [each["name"] for each in customers] == ["Customer A", "Customer B", "Customer C"]
    for each in customers:
        assert each["bought_last"]
        assert len(each["recommended"]) == 6
        for one in each["recommended"]:
            assert one["reasons"]
            assert one["reasons"][0]["reason"]


def test_newcomers_and_customers_of_few_orders_are_told_apart(found: dict[str, Any]) -> None:
    told = {each["name"]: each for each in found["recommendations"]["cold_start"]}
    assert "6 orders or more" in told
    for each in told.values():
        assert set(each["ndcg@10"]) >= {"Shelfwise", "bestsellers", "bestsellers lately"}


def test_nobody_is_named(made: Path) -> None:
    for name in ("report.html", "report.json"):
        text = (made / name).read_text()
        text = text[: text.find("plotly.js v")] if name.endswith("html") else text
        assert "lovelace" not in text.lower()
        assert "person" not in text.lower().replace("personal", "")
        assert "example.com" not in text


def test_the_same_files_and_seed_give_the_same_numbers(
    made: Path, tmp_path: Path, found: dict[str, Any]
) -> None:
    backtest("--store", made, "--out", tmp_path / "r.html", "--json", tmp_path / "r.json", "--origins", 1)
    again = json.loads((tmp_path / "r.json").read_text())
    assert again == found


WRONG: list[str] = []  # what the browser complained of


@pytest.fixture(scope="module")
def page(made: Path, browser: Browser) -> Iterator[Page]:
    WRONG.clear()
    context = browser.new_context(viewport={"width": 390, "height": 800}, offline=True)
    page = context.new_page()
    page.on("console", lambda told: WRONG.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda told: WRONG.append(str(told)))
    page.goto((made / "report.html").as_uri())
    for figure in page.locator(".figure").all():
        figure.scroll_into_view_if_needed()
        figure.locator("svg.main-svg").first.wait_for()
    yield page
    context.close()


def test_the_report_opens_offline_and_draws_every_figure(page: Page) -> None:
    assert WRONG == []
    assert page.locator(".figure svg.main-svg").count() >= 3
    assert page.locator("h1").inner_text().startswith("What the models would have done for ")


def test_titles_are_shown_as_text_and_never_run(page: Page) -> None:
    assert page.title() != "owned"
    assert page.locator("main script, main img, main svg[onload], main a[href^=javascript]").count() == 0
    shown = page.locator("main").inner_text()
    assert sum(each.split("\u202e")[0] in shown for each in HOSTILE) >= 3


def test_the_page_fits_a_phone_and_tables_take_the_keyboard(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".scroll:not([tabindex='0'])").count() == 0
    assert page.locator("table:not(:has(caption))").count() == 0
    levels = [
        int(name[1])
        for name in page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(e => e.tagName)")
    ]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_nothing_is_loaded_from_anywhere_and_plotly_stands_in_it_once(made: Path) -> None:
    text = (made / "report.html").read_text()
    assert "default-src 'none'" in text
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=", text[: text.find("plotly.js v")])
    assert text.count("* plotly.js v") == 1


@pytest.mark.parametrize(
    ("name", "why"),
    [("report.pdf", "the name must end in .html or .htm"), ("no/such/report.html", "there is no folder")],
)
def test_a_report_that_could_not_be_written_is_refused_before_anything_is_read(
    tmp_path: Path, name: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        backtest("--store", tmp_path / "nowhere", "--out", tmp_path / name)
    assert ended.value.code == 2


def test_a_fault_leaves_no_part_of_a_report(tmp_path: Path) -> None:
    rows = order("#1", "2025-03-01 12:00:00 +0000", [("A", "A", 1, "2")])
    rows[0]["Lineitem price"] = "cheap"
    write(tmp_path / "orders_export.csv", rows)
    with pytest.raises(SystemExit) as ended:
        backtest("--store", tmp_path, "--out", tmp_path / "r.html", "--json", tmp_path / "r.json")
    assert ended.value.code == 2
    assert {each.name for each in tmp_path.iterdir()} == {"orders_export.csv"}


@pytest.mark.parametrize("orders", [1, 3, 25])
def test_a_shop_that_has_just_begun_gets_an_honest_report(tmp_path: Path, orders: int) -> None:
    rows = [
        row
        for k in range(orders)
        for row in order(
            f"#{k}", f"2025-03-{1 + k:02d} 12:00:00 +0000", [("A", "Tea", 1, "2")], email="a@x.org"
        )
    ]
    write(tmp_path / "orders_export.csv", rows)
    backtest("--store", tmp_path, "--out", tmp_path / "r.html", "--json", tmp_path / "r.json")
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["sufficiency"]["orders"] == orders
    assert found["sufficiency"]["level"] == ("next to none" if orders < 20 else "little")
    assert found["forecasts"] is None
    assert "too short to measure a forecast" in (tmp_path / "r.html").read_text()


def _odd(kind: str) -> list[dict[str, object]]:
    """240 orders over 120 days, odd in one way."""
    rows: list[dict[str, object]] = []
    for k in range(240):
        at = f"2025-{3 + k // 60:02d}-{1 + (k // 2) % 28:02d} 12:{k % 60:02d}:00 +0000"
        goods: list[tuple[str, str, object, object]]
        goods = [(f"S{(k + j) % 12}", f"Thing {(k + j) % 12}", 1 + k % 3, 4.0) for j in range(1 + k % 3)]
        email = f"c{k % 20}@x.org"
        if kind == "one moment":
            at = "2025-03-01 12:00:00 +0000"
        elif kind == "one product":
            goods = [("S1", "Thing", 1, 4.0)]
        elif kind == "one customer":
            email = "a@x.org"
        elif kind == "guests":
            email = ""
        elif kind == "wild prices":
            priced: tuple[object, ...] = ("", 1e7, 0, 4)
            goods = [(sku, title, count, priced[k % 4]) for sku, title, count, _ in goods]
        elif kind == "wild quantities":
            goods = [(sku, title, 10**8 if k == 100 else count, price) for sku, title, count, price in goods]
        elif kind == "no skus":
            goods = [("", title, count, price) for _, title, count, price in goods]
        elif kind == "silence":
            at = at if k < 200 else "2026-01-01 00:00:00 +0000"
        rows += order(f"#{k}", at, goods, email=email)
    return rows


@pytest.mark.parametrize(
    "kind",
    [
        "one moment", "one product", "one customer", "guests", "wild prices", "wild quantities", "no skus", "silence",
    ],
)  # fmt: skip
def test_an_odd_shop_gets_a_report_too(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "orders_export.csv", _odd(kind))
    backtest("--store", tmp_path, "--out", tmp_path / "r.html", "--json", tmp_path / "r.json", "--origins", 1)
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["sufficiency"]["orders"] == 240
    assert found["limits"]
    assert "NaN" not in (tmp_path / "r.json").read_text()
