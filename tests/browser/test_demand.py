"""The page of demand as the merchant meets it, on the running product."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_admin import visit
from tests.live_product import VIEWER, LiveProduct

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert not complaints


@pytest.fixture(scope="module")
def demand(product: LiveProduct) -> dict[str, Any]:
    """The facts, once the forecast that the import asked for is live."""
    deadline = time.monotonic() + 120
    while True:
        found: dict[str, Any] = product.merchant().ask("demand?sort=forecast")
        if found["whole"] is not None and found["training"]["state"] == "done":
            return found
        assert time.monotonic() < deadline, found["training"]
        time.sleep(1)


def test_the_import_leads_to_a_forecast_that_the_page_shows(
    page: Page, product: LiveProduct, demand: dict[str, Any]
) -> None:
    app = visit(page, product, "/demand")
    expect(app.get_by_role("heading", name="The next four weeks")).to_be_visible()
    expect(app.get_by_text("Measured on your own past weeks", exact=False)).to_be_visible()
    expect(app.locator("[role=img] svg.main-svg").first).to_be_visible()
    expect(app.get_by_role("heading", name=f"{demand['found']:,} products")).to_be_visible()
    expect(app.get_by_text("MASE", exact=False)).to_have_count(0)


def test_search_and_sorting_are_asked_of_the_server(
    page: Page, product: LiveProduct, demand: dict[str, Any]
) -> None:
    best = demand["rows"][0]
    app = visit(page, product, "/demand")
    app.get_by_label("Find a product, SKU or vendor").fill(best["sku"] or best["title"])
    expect(app.get_by_role("link", name=best["title"]).first).to_be_visible()
    app.get_by_label("Find a product, SKU or vendor").fill("no such thing")
    expect(app.get_by_role("heading", name="No product fits")).to_be_visible()


def test_a_product_shows_its_days_and_what_to_order(
    page: Page, product: LiveProduct, demand: dict[str, Any]
) -> None:
    best = demand["rows"][0]
    app = visit(page, product, f"/demand/{best['variant_id']}")
    expect(app.locator("[role=img] svg.main-svg").first).to_be_visible()
    expect(app.get_by_text("Order when below")).to_be_visible()
    app.get_by_text("Show as a table").press("Enter")
    assert app.get_by_role("row").count() > 28
    missing = visit(page, product, "/demand/999999999")
    expect(missing.get_by_text("knows no such product", exact=False)).to_be_visible()


def test_a_promotion_is_entered_and_taken_out(
    page: Page, product: LiveProduct, demand: dict[str, Any]
) -> None:
    begin = date.fromisoformat(demand["today"]) + timedelta(days=5)
    app = visit(page, product, "/demand")
    app.get_by_label("Name of the promotion").fill("Spring sale")
    for label, value in (("First day", begin), ("Last day", begin + timedelta(days=2))):
        app.get_by_label(label).fill(value.isoformat())
        app.get_by_label(label).press("Enter")
    app.get_by_label("Discount", exact=True).fill("20")
    app.get_by_role("button", name="Enter promotion").click()
    expect(app.get_by_text("Spring sale: 20 % off everything", exact=False)).to_be_visible()
    app.get_by_role("button", name="Take out Spring sale").click()
    expect(app.get_by_text("None is entered.")).to_be_visible()


def test_the_order_list_is_a_file_and_viewers_change_nothing(
    page: Page, product: LiveProduct, demand: dict[str, Any]
) -> None:
    app = visit(page, product, "/demand", staff=VIEWER)
    with page.expect_download() as taken:
        app.get_by_role("button", name="Download order list").click()
    assert taken.value.suggested_filename == "purchase-order.csv"
    expect(
        app.get_by_role("button", name=re.compile("Forecast anew|Save terms|Enter promotion"))
    ).to_have_count(0)


def test_on_a_phone_nothing_is_cut_off(
    browser: Browser, product: LiveProduct, demand: dict[str, Any]
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    opened = context.new_page()
    app = visit(opened, product, "/demand")
    expect(app.get_by_role("heading", name="The next four weeks")).to_be_visible()
    frame = opened.frames[-1]
    assert frame.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth + 1")
    context.close()
