"""From Shopify's requests, through the running product's worker and clock, to what the owner downloads."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from playwright.sync_api import Browser, expect

from tenancy.crypto import MAGIC
from tests.live_product import OWNER, VIEWER, LiveProduct

pytestmark = pytest.mark.browser
NUMBER = 7_303_303_303_303


def request(product: LiveProduct, topic: str, payload: dict[str, Any], webhook_id: str) -> None:
    body = json.dumps(payload).encode()
    signature = base64.b64encode(hmac.digest(product.stack.secret.encode(), body, hashlib.sha256)).decode()
    answer = httpx.post(
        f"{product.stack.app_url}/webhooks/compliance",
        content=body,
        headers={
            "X-Shopify-Hmac-Sha256": signature, "X-Shopify-Topic": topic, "X-Shopify-Shop-Domain": product.shop,
            "X-Shopify-Webhook-Id": webhook_id, "X-Shopify-Event-Id": webhook_id, "Content-Type": "application/json",
            "X-Shopify-Triggered-At": "2026-11-20T10:00:00Z", "X-Shopify-API-Version": "2026-10",
        },
    )  # fmt: skip
    assert answer.status_code == 200


def wait_for(product: LiveProduct, what: str, seconds: float = 45.0) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found: dict[str, Any] = product.merchant().ask("privacy")
        if any(each.get("state") == "certified" for each in found[what]) or (
            what == "requests" and found[what]
        ):
            return found
        time.sleep(1)
    raise AssertionError(f"no {what} after {seconds} s: {product.merchant().ask('privacy')}")


@pytest.fixture
def spoilt() -> Iterator[None]:
    """A file that does not open, in the folder of the tests that run without the product: none of its business."""
    file = Path(settings.ARTEFACT_DIR) / "1" / "artefact" / "spoilt.sealed"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(MAGIC + b"spoilt")
    yield
    file.unlink()


@pytest.mark.usefixtures("spoilt")
def test_requests_are_shown_searched_and_downloaded(product: LiveProduct, browser: Browser) -> None:
    request(
        product, "customers/data_request", {"customer": {"id": NUMBER + 1}, "data_request": {"id": 77}}, "p-1"
    )
    request(product, "customers/redact", {"customer": {"id": NUMBER}, "orders_to_redact": []}, "p-2")
    wait_for(product, "requests")
    wait_for(product, "redactions")
    context = browser.new_context(viewport={"width": 1280, "height": 1400}, accept_downloads=True)
    page = context.new_page()
    page.goto(f"{product.stack.devstore_url}/admin/apps/shelfwise/privacy?staff={OWNER}")
    app = page.frame_locator("iframe")
    expect(app.get_by_text("Nothing found")).to_be_visible()
    expect(app.get_by_text("Ready, not downloaded")).to_be_visible()
    with page.expect_download() as waiting:
        app.get_by_role("button", name="Download the export of request 77").click()
    export = json.loads(waiting.value.path().read_text())
    assert export["customer_id"] == NUMBER + 1
    expect(app.get_by_text("Downloaded", exact=False).first).to_be_visible()
    with page.expect_download() as waiting:
        app.get_by_role("button", name="Download certificate").click()
    made = json.loads(waiting.value.path().read_text())
    assert made["clean"]
    assert str(NUMBER) not in json.dumps(made)
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/privacy.png")
        page.set_viewport_size({"width": 390, "height": 844})
        page.wait_for_timeout(500)
        page.screenshot(path=f"{folder}/privacy-phone.png")
    page.goto(f"{product.stack.devstore_url}/admin/apps/shelfwise/privacy?staff={VIEWER}")
    expect(app.get_by_text("Only an owner may download it.")).to_be_visible()
    context.close()
