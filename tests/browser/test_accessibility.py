"""What axe-core (Deque's rules for WCAG 2 A and AA) finds on every page: nothing serious, nothing critical."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from tests.live_product import OWNER, VIEWER, LiveProduct

pytestmark = pytest.mark.browser
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
APP = "/admin/apps/shelfwise"
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
GRAVE = ("serious", "critical")


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=request.param)
    yield context.new_page()
    context.close()


def faults(frame: Frame) -> list[str]:
    """The grave findings of one document, its shadow roots included; frames inside it are looked at by themselves."""
    frame.evaluate(AXE.read_text())
    found: dict[str, Any] = frame.evaluate("axe.run(document, {iframes: false})")
    assert found["passes"], "axe looked at nothing"
    return [
        f"{rule['id']}: {rule['help']} at {node['target']}"
        for rule in found["violations"]
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]


def open_app(page: Page, product: LiveProduct, path: str = "", *, staff: int = OWNER) -> Frame:
    page.goto(f"{product.stack.devstore_url}{APP}{path}?staff={staff}")
    app = page.frame_locator("iframe")
    expect(app.get_by_role("heading").first).to_be_visible()
    expect(app.locator("s-spinner")).to_have_count(0)
    return page.frames[1]


@pytest.mark.parametrize(
    "path",
    ["", "/versions", "/data", "/data/quality", "/data/features", "/privacy", "/audit", "/team", "/nowhere"],
)
def test_pages_of_the_admin(page: Page, product: LiveProduct, path: str) -> None:
    app = open_app(page, product, path)
    for summary in app.locator("summary").all():
        summary.press("Enter")
    assert faults(app) == []


def test_the_page_of_a_version(page: Page, product: LiveProduct) -> None:
    newest = product.merchant().ask("versions")["versions"][0]
    assert faults(open_app(page, product, f"/versions/{newest['id']}")) == []


def test_the_dialog_that_changes_what_is_live(page: Page, product: LiveProduct) -> None:
    app = open_app(page, product)
    app.get_by_role("button", name=re.compile(r"Roll back to version \d+: Cart")).click()
    dialog = app.locator("s-modal[accessibilitylabel='Roll back: Cart']")
    dialog.get_by_role("button", name="Roll back", exact=True).click()
    expect(dialog.get_by_text("Say why in a few words")).to_be_visible()
    assert faults(app) == []


def test_what_a_viewer_and_a_lost_connection_show(page: Page, product: LiveProduct) -> None:
    assert faults(open_app(page, product, staff=VIEWER)) == []
    assert faults(open_app(page, product, "/team", staff=VIEWER)) == []
    page.route(re.compile("/api/"), lambda route: route.abort())
    app = open_app(page, product)
    expect(app.get_by_role("button", name="Try again").first).to_be_visible()
    assert faults(app) == []


@pytest.mark.parametrize("path", ["/", "/cart", "product"])
def test_the_storefront_with_its_block(page: Page, product: LiveProduct, path: str) -> None:
    shop = product.stack.devstore_url
    page.goto(f"{shop}/")
    if path == "product":
        handle = page.locator("a[href*='/products/']").first.get_attribute("href")
        path = handle or "/"
    page.goto(f"{shop}{path}")
    block = page.locator("shelfwise-recommendations")
    block.scroll_into_view_if_needed()
    expect(block).to_have_attribute("data-state", "shown")
    assert faults(page.main_frame) == []


@pytest.mark.parametrize("path", [APP, "/admin/orders", "/admin/settings/apps"])
def test_the_frame_around_the_app(page: Page, product: LiveProduct, path: str) -> None:
    page.goto(f"{product.stack.devstore_url}{path}")
    assert faults(page.main_frame) == []
