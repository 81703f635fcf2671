"""Days on which the shop changed: marked in every picture over days, and told in words that the keyboard reaches."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Locator, expect

from tests.browser.test_admin import visit
from tests.live_product import LiveProduct
from tests.pixel_bundle import built
from tests.test_storefront_events import PERSON, rows, until, visitor_of

pytestmark = pytest.mark.browser
NOTE = "Hung new lamps in the window"


@pytest.fixture
def context(browser: Browser, product: LiveProduct) -> Iterator[BrowserContext]:
    built()
    found = browser.new_context(base_url=product.stack.devstore_url, user_agent=PERSON)
    found.set_default_timeout(10_000)
    yield found
    found.close()


@pytest.fixture(scope="module")
def noted(product: LiveProduct) -> None:
    """A note of today."""
    product.merchant().press("markers", text=NOTE)


def told(section: Locator) -> None:
    """What the section's list says of its marks, opened by keyboard."""
    summary = section.locator("summary", has_text=re.compile(r"^What changed: \d+ marked days?$"))
    summary.focus()
    summary.press("Enter")
    expect(section.locator(".marks li", has_text=NOTE)).to_be_visible()


def marked(app: FrameLocator, heading: str) -> None:
    section = app.locator("s-section", has=app.get_by_role("heading", name=heading, exact=True))
    picture = section.locator(".plot", has=section.page.locator("svg.main-svg")).first
    expect(picture.locator(".shapelayer path").first).to_be_attached()
    expect(picture.locator("[role=img]")).to_have_attribute("aria-label", re.compile("The shop changed on"))
    told(section)
    section.get_by_text("Show as a table").first.press("Enter")
    expect(picture.get_by_role("columnheader", name="What changed")).to_be_visible()
    expect(picture.get_by_role("cell").filter(has_text=NOTE)).to_have_count(1)


@pytest.mark.usefixtures("noted")
def test_every_picture_over_days_is_marked(context: BrowserContext, product: LiveProduct) -> None:
    shop = context.new_page()
    shop.goto("/")
    seen = "select 1 from features_storefront_event where visitor = %s"
    until(lambda: rows(product, seen, visitor_of(shop)))
    page = context.new_page()
    overview = visit(page, product)
    for heading in ("What shoppers saw", "What followed"):
        marked(overview, heading)
    data = visit(page, product, "/data")
    marked(data, "Storefront events")
    passing = data.locator("s-section", has=data.get_by_role("heading", name="Data quality"))
    expect(passing.locator("svg.sparkline line").first).to_be_attached()
    told(passing)
    marked(visit(page, product, "/data/quality"), "How much passes")


@pytest.mark.usefixtures("noted")
def test_it_is_said_when_nothing_could_be_marked(context: BrowserContext, product: LiveProduct) -> None:
    page = context.new_page()
    page.route(re.compile("/api/markers"), lambda route: route.abort())
    app = visit(page, product, "/data/quality")
    expect(app.get_by_text("What changed in the shop could not be read just now")).to_be_visible()
    expect(app.locator("[role=img] svg.main-svg").first).to_be_visible()
