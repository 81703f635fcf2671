"""The page of features as the merchant meets it: states, one view from inside, its days, by keyboard and on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_admin import visit
from tests.live_product import VIEWER, LiveProduct

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert not complaints


def test_features_are_shown_with_their_freshness_and_days(page: Page, product: LiveProduct) -> None:
    app = visit(page, product, "/data", staff=VIEWER)
    app.get_by_role("link", name="Features", exact=True).click()
    expect(
        app.get_by_text(re.compile(r"^\d+ features in \d+ views\. All of them are fresh\.$"))
    ).to_be_visible()
    expect(app.get_by_text("What a product costs, how long it could be bought")).to_be_visible()
    expect(app.get_by_text("Fresh", exact=True).first).to_be_visible()

    app.get_by_role("combobox", name="View").select_option("product_offer")
    expect(app.get_by_text("nothing: the item is left out").first).to_be_visible()
    expect(app.locator("[role=img] svg.main-svg").first).to_be_visible()
    expect(app.get_by_role("img", name=re.compile(r"^Price: .* on average on"))).to_be_visible()
    app.get_by_role("combobox", name="Feature", exact=True).select_option("units_28d")
    expect(app.get_by_role("img", name=re.compile(r"^Units, 28 days: .* on average on"))).to_be_visible()

    app.get_by_role("combobox", name="View").select_option("copurchase")
    expect(app.get_by_text("Of pairs no distribution is kept", exact=False)).to_be_visible()
    with page.expect_download() as saved:
        app.get_by_role("button", name="Download as CSV").click()
    assert saved.value.suggested_filename == "features.csv"


def test_without_an_answer_the_page_says_so_and_asks_again(page: Page, product: LiveProduct) -> None:
    page.route("**/api/features", lambda route: route.abort())
    app = visit(page, product, "/data/features", staff=VIEWER)
    expect(app.get_by_role("button", name="Try again")).to_be_visible()
    page.unroute("**/api/features")
    app.get_by_role("button", name="Try again").click()
    expect(app.get_by_role("combobox", name="View")).to_be_visible()


def test_on_a_phone_and_by_keyboard(page: Page, product: LiveProduct) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    app = visit(page, product, "/data/features", staff=VIEWER)
    view = app.get_by_role("combobox", name="View")
    view.select_option("customer_rfm")
    expect(app.get_by_text("Recency days").first).to_be_visible()
    app.get_by_role("combobox", name="Feature", exact=True).focus()
    page.keyboard.press("ArrowDown")
    expect(app.get_by_role("img", name=re.compile(r"^Orders, 365 days: ")).first).to_be_visible()
    wide = app.locator("html").evaluate("each => each.scrollWidth - each.clientWidth")
    assert wide <= 0, "nothing is wider than the phone"
