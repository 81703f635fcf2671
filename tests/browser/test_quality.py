"""Data quality as the merchant meets it: a row that cannot be true, its reason, a bound changed, the row replayed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_admin import visit
from tests.live_product import VIEWER, LiveProduct

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert not complaints


def deliver(
    product: LiveProduct, payload: dict[str, Any], webhook_id: str, *, topic: str = "orders/create"
) -> None:
    body = json.dumps(payload).encode()
    digest = hmac.new(product.stack.secret.encode(), body, hashlib.sha256).digest()
    headers = {
        "X-Shopify-Hmac-Sha256": base64.b64encode(digest).decode(),
        "X-Shopify-Topic": topic,
        "X-Shopify-Shop-Domain": product.shop,
        "X-Shopify-Webhook-Id": webhook_id,
        "X-Shopify-Triggered-At": datetime.now(UTC).isoformat(),
        "Content-Type": "application/json",
    }
    httpx.post(f"{product.stack.app_url}/webhooks/shopify", content=body, headers=headers).raise_for_status()


def bad_order(number: int) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    line = {
        "id": number + 1,
        "product_id": None,
        "variant_id": None,
        "quantity": 1,
        "current_quantity": -4,
        "price": "9.00",
    }
    return {
        "id": number, "name": "#bad", "created_at": now, "updated_at": now, "currency": "GBP", "total_price": "9.00",
        "line_items": [line],
    }  # fmt: skip


def held(product: LiveProduct) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = product.merchant().ask("validation/quarantine")["rows"]
    return found


def test_a_row_that_cannot_be_true_is_shown_judged_anew_and_left_out(
    page: Page, product: LiveProduct
) -> None:
    for number in (880_001, 880_101):
        deliver(product, bad_order(number), f"quality-{number}")
    deadline = time.monotonic() + 30
    while len(held(product)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    overview = visit(page, product)
    expect(overview.get_by_text(re.compile(r"^\d+ incidents? (is|are) open$"))).to_be_visible()
    overview.get_by_role("link", name="Look at them on the Data page").click()
    expect(overview.get_by_role("heading", name="Incidents")).to_be_visible()
    app = visit(page, product, "/data/quality")
    expect(
        app.get_by_text("Current quantity of line 1 is -4; allowed: 0 to 2,147,483,647").first
    ).to_be_visible()
    expect(app.get_by_text("(quality-880101)")).to_be_visible()
    expect(app.locator("[role=img] svg.main-svg").first).to_be_visible()

    app.get_by_role("button", name="Edit: line: current quantity – lowest and highest").click()
    dialog = app.locator("s-modal[accessibilitylabel='Edit: line: current quantity – lowest and highest']")
    dialog.get_by_role("textbox", name="Lowest").fill("-10")
    dialog.get_by_role("textbox", name="Why?").fill("this shop counts backwards")
    dialog.get_by_role("button", name="Edit", exact=True).click()
    expect(
        app.get_by_text(
            "line: current quantity – lowest and highest: 0 to 2,147,483,647 → -10 to 2,147,483,647"
        )
    ).to_be_visible()

    app.get_by_role("button", name=re.compile(r"Replay: Orders: 880101")).click()
    again = app.locator("s-modal[heading*='880101'][heading^='Replay']")
    again.get_by_role("textbox", name="Why?").fill("it is right")
    again.get_by_role("button", name="Replay", exact=True).click()
    expect(app.get_by_text("(quality-880101)")).not_to_be_visible()
    assert [each["subject_id"] for each in held(product)] == [880_001]

    app.get_by_role("button", name=re.compile(r"Leave out: Orders: 880001")).click()
    out = app.locator("s-modal[heading*='880001'][heading^='Leave out']")
    out.get_by_role("textbox", name="Why?").fill("a test of ours")
    out.get_by_role("button", name="Leave out", exact=True).click()
    expect(app.get_by_text("None. Every row that came in could be true.")).to_be_visible()
    assert held(product) == []
    # The store never had this order: others compare its books with ours.
    deliver(product, {"id": 880_101}, "quality-end", topic="orders/delete")


def test_a_viewer_sees_reasons_and_cannot_decide(page: Page, product: LiveProduct) -> None:
    app = visit(page, product, "/data/quality", staff=VIEWER)
    change = app.get_by_role("button", name="Edit: line: quantity – lowest and highest")
    expect(change).to_be_disabled()


def test_the_data_page_shows_how_much_passes(page: Page, product: LiveProduct) -> None:
    app = visit(page, product, "/data")
    section = app.locator("s-section", has_text="Look at suites and held rows")
    expect(section.locator("svg.sparkline").first).to_be_visible()
    section.get_by_text("Look at suites and held rows").click()
    expect(app.get_by_role("heading", name="How much passes")).to_be_visible()
