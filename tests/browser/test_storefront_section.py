"""The section on storefront events: what it says, and a member of staff who marks their own browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.test_admin import visit
from tests.live_product import VIEWER, LiveProduct
from tests.pixel_bundle import built
from tests.test_storefront_events import PERSON, rows, until, visitor_of

pytestmark = pytest.mark.browser


@pytest.fixture
def context(browser: Browser, product: LiveProduct) -> Iterator[BrowserContext]:
    built()
    found = browser.new_context(
        base_url=product.stack.devstore_url, user_agent=PERSON, viewport={"width": 1280, "height": 900}
    )
    found.set_default_timeout(10_000)
    yield found
    found.close()


def test_staff_mark_their_own_browser(context: BrowserContext, product: LiveProduct) -> None:
    shop = context.new_page()
    shop.goto("/")
    visitor = visitor_of(shop)
    counts = "select excluded from features_storefront_event where visitor = %s"
    assert until(lambda: rows(product, counts, visitor))[0] == (None,)
    page = context.new_page()
    app = visit(page, product, "/data")
    section = app.locator("s-section", has=app.get_by_role("heading", name="Storefront events"))
    expect(section.get_by_text(re.compile("Shoppers did [0-9,]+ things?"))).to_be_visible()
    section.get_by_role("button", name="Make a link for my browser").click()
    link = section.get_by_role("link", name=re.compile("This is my browser"))
    address = str(link.evaluate("node => node.href || node.getAttribute('href')"))
    shop.goto(address)
    shop.reload()  # a link to the page that is open only moves to its #
    until(lambda: {row[0] for row in rows(product, counts, visitor)} == {"staff"})
    page.reload()
    expect(section.get_by_text("Browsers of your own people")).to_be_visible()
    section.get_by_role("button", name=f"Count visits of {visitor} again").click()
    expect(section.get_by_text(visitor)).to_have_count(0)


def test_a_viewer_sees_and_changes_nothing(context: BrowserContext, product: LiveProduct) -> None:
    page: Page = context.new_page()
    app = visit(page, product, "/data", staff=VIEWER)
    section = app.locator("s-section", has=app.get_by_role("heading", name="Storefront events"))
    expect(section.get_by_role("heading", name="Visits that do not count")).to_be_visible()
    expect(section.get_by_role("button", name="Make a link for my browser")).to_have_count(0)
