"""From a page of the shop into Postgres, through everything that runs in production: pixel, collector, bus, worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tenancy import fence
from tests.live_product import LiveProduct
from tests.pixel_bundle import built

pytestmark = pytest.mark.browser
PERSON = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
Row = tuple[Any, ...]


@pytest.fixture
def visit(browser: Browser, product: LiveProduct) -> Iterator[Callable[..., Page]]:
    """Opens browsers that nobody has used before."""
    built()
    contexts: list[BrowserContext] = []

    def new(agent: str = PERSON) -> Page:
        contexts.append(browser.new_context(base_url=product.stack.devstore_url, user_agent=agent))
        return contexts[-1].new_page()

    yield new
    for each in contexts:
        each.close()


def rows(product: LiveProduct, statement: str, *values: object) -> list[Row]:
    with psycopg.connect(product.stack.embedded.database_url, options=fence.EVERY_ROW) as connection:
        return connection.execute(statement, values).fetchall()


def until(look: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.2)
    return found


def visitor_of(page: Page) -> str:
    page.wait_for_function("localStorage.getItem('shelfwise:visitor') !== null", timeout=15_000)
    found: str = page.evaluate("JSON.parse(localStorage.getItem('shelfwise:visitor'))")
    return found


def told(product: LiveProduct, visitor: str) -> dict[str, Row]:
    statement = (
        "select kind, product_id, quantity, order_id, consent, excluded from features_storefront_event"
        " where visitor = %s"
    )
    return {row[0]: row[1:] for row in rows(product, statement, visitor)}


def shop_around(page: Page) -> None:
    page.goto("/collections/all")
    page.locator("a[href*='/products/']").first.click()
    page.locator("[data-product-form] button").wait_for()


def test_what_a_shopper_does_is_in_postgres(visit: Callable[..., Page], product: LiveProduct) -> None:
    page = visit()
    page.goto("/")
    visitor = visitor_of(page)
    shop_around(page)
    until(lambda: "product_viewed" in told(product, visitor))
    page.locator("[data-product-form] button").click()
    expect(page.locator("[data-said]")).to_contain_text("Added")
    until(lambda: "product_added_to_cart" in told(product, visitor))
    page.goto("/cart")
    page.get_by_role("button", name="Check out").click()
    until(lambda: "checkout_completed" in told(product, visitor))
    found = told(product, visitor)
    assert found["product_added_to_cart"][0] == found["product_viewed"][0]
    order_id = found["checkout_completed"][2]
    assert rows(product, "select 1 from features_order where order_id = %s", order_id) or until(
        lambda: rows(product, "select 1 from features_order where order_id = %s", order_id)
    )
    assert {row[3:] for row in found.values()} == {("personal", None)}
    seen = until(lambda: rows(product, "select excluded from features_exposure where visitor = %s", visitor))
    assert set(seen) == {(None,)}


def test_denied_consent_leaves_no_trace(visit: Callable[..., Page], product: LiveProduct) -> None:
    page = visit()
    page.add_init_script("try { localStorage.setItem('devstore:consent', 'no') } catch {}")
    before = rows(product, "select count(*) from features_storefront_event")
    page.goto("/")
    shop_around(page)
    page.locator("[data-product-form] button").click()
    expect(page.locator("[data-said]")).to_contain_text("Added")
    page.locator("shelfwise-recommendations").scroll_into_view_if_needed()
    expect(page.locator("shelfwise-recommendations [data-link]").first).to_be_visible()  # served all the same
    page.wait_for_timeout(4_000)
    assert rows(product, "select count(*) from features_storefront_event") == before
    assert page.evaluate("localStorage.getItem('shelfwise:visitor')") is None
    assert "_ml_visitor" not in page.evaluate("fetch('/cart.js').then((r) => r.json())")["attributes"]


def test_withdrawn_consent_unlinks_everything(visit: Callable[..., Page], product: LiveProduct) -> None:
    page = visit()
    page.goto("/")
    visitor = visitor_of(page)
    shop_around(page)
    until(lambda: "product_viewed" in told(product, visitor))
    count = "select count(*) from features_storefront_event"
    page.locator("[data-consent]").uncheck()
    until(lambda: not told(product, visitor))
    until(lambda: not rows(product, "select 1 from features_exposure where visitor = %s", visitor))
    after = rows(product, count)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/products/" + page.url.rpartition("/")[2])
    page.locator("shelfwise-recommendations").scroll_into_view_if_needed()
    expect(page.locator("shelfwise-recommendations [data-link]").first).to_be_visible()
    page.wait_for_timeout(3_000)
    assert rows(product, count) == after
    recommendations = [each for each in asked if "/recommendations?" in each]
    assert recommendations
    assert not [each for each in recommendations if "visitor=" in each], "lists of the session alone"
    assert not [each for each in asked if "/collect/" in each]


def test_a_crawler_in_a_browser_changes_no_figure(visit: Callable[..., Page], product: LiveProduct) -> None:
    owner = product.merchant()
    flagged = "select count(*) from features_storefront_event where excluded = 'bot'"
    start = rows(product, flagged)
    time.sleep(3)  # what the shoppers before have left on its way
    before = owner.ask("traffic?days=1")["totals"]
    page = visit(GOOGLEBOT)
    for _ in range(3):
        page.goto("/")
        page.locator("shelfwise-recommendations").scroll_into_view_if_needed()
        expect(page.locator("shelfwise-recommendations [data-link]").first).to_be_visible()
        shop_around(page)
    until(lambda: rows(product, flagged) > start)
    page.wait_for_timeout(3_000)
    assert owner.ask("traffic?days=1")["totals"] == before
    assert rows(product, "select 1 from features_exposure where excluded = 'bot'")
