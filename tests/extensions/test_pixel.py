"""The web pixel in a real browser: in the sandbox, on the local storefront, against a collector that writes down."""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.devstore.embedded_app import GIVEN_VISITOR as VISITOR
from tests.devstore.embedded_app import EmbeddedApp, embedded_app
from tests.devstore.running import DOMAIN, RunningDevstore, make_shop, running_devstore
from tests.pixel_bundle import FOLDER, built

BUDGET = 10_000
PERSONAL = ("buyer@example.com", "7946", "Ann", "Buyer", "High Street", "E1 6AN", "Candle", "candle-1")


class Collector(EmbeddedApp):
    """An app whose collector keeps each batch with the headers that it came with."""

    def routes(self) -> list[Route]:
        return [Route("/collect/events", self.collect, methods=["POST", "OPTIONS"]), *super().routes()]

    async def collect(self, request: Request) -> Response:
        batch = json.loads(await request.body())
        self.seen.append(("/collect/events", {"batch": batch, "headers": dict(request.headers)}))
        told = {"accepted": len(batch["events"]), "dropped": 0}
        if batch["consent"]["preferences"] and not batch.get("visitor"):
            told["visitor"] = VISITOR  # type: ignore[assignment]
        return JSONResponse(told, status_code=202, headers={"Access-Control-Allow-Origin": "*"})


# Without a browser


def test_the_manifest_asks_for_analytics_and_nothing_more() -> None:
    manifest = tomllib.loads((FOLDER / "shopify.extension.toml").read_text())
    assert manifest["type"] == "web_pixel_extension"
    assert manifest["runtime_context"] == "strict"
    privacy = manifest["customer_privacy"]
    assert privacy == {
        "analytics": True,
        "marketing": False,
        "preferences": False,
        "sale_of_data": "disabled",
    }
    assert set(manifest["settings"]["fields"]) == {"endpoint"}


def test_the_bundle_is_small_and_reads_no_personal_field() -> None:
    script = built().read_text()
    assert len(script.encode()) < BUDGET
    for name in (
        "email",
        "phone",
        "Address",
        "firstName",
        "lastName",
        "clientId",
        "href",
        "document.cookie",
        "eval(",
    ):
        assert name not in script, name


# In a browser


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with embedded_app(Collector()) as found:
        assert isinstance(found, Collector)
        yield found


@pytest.fixture(scope="module")
def serving(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDevstore]:
    built()
    folder = tmp_path_factory.mktemp("pixel")
    store = make_shop(folder, DOMAIN, products=4)
    with store.transaction() as tx:
        tx.execute("INSERT INTO collections VALUES (5, 'all-candles', 'Candles', '2026-01-01T00:00:00Z')")
        tx.execute("INSERT INTO collection_products SELECT 5, id, 1 FROM products")
    store.close()
    with running_devstore(folder, application_url=collector.url) as server:
        install = server.platform.install(DOMAIN)
        settings = json.dumps({"endpoint": f"{collector.url}/collect/events?account=a"})
        server.pixels.add_pixel(DOMAIN, install.installed_at, settings)
        yield server


@pytest.fixture
def context(browser: Browser, serving: RunningDevstore, collector: Collector) -> Iterator[BrowserContext]:
    collector.seen.clear()
    found = browser.new_context(base_url=serving.url)
    yield found
    found.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    found = context.new_page()
    trouble: list[str] = []
    found.on("pageerror", lambda error: trouble.append(str(error)))
    yield found
    assert trouble == []


def batches(collector: Collector) -> list[dict[str, Any]]:
    return [told["batch"] for path, told in collector.seen if path == "/collect/events"]


def events(collector: Collector) -> list[dict[str, Any]]:
    return [event for batch in batches(collector) for event in batch["events"]]


def wait_for(collector: Collector, *kinds: str, page: Page) -> list[dict[str, Any]]:
    """Let the page go on until these kinds have arrived."""
    until = time.monotonic() + 10
    while True:
        found = events(collector)
        if set(kinds) <= {each["kind"] for each in found}:
            return found
        assert time.monotonic() < until, (kinds, found)
        page.wait_for_timeout(50)


def say(page: Page, consent: str) -> None:
    """What the visitor has answered to the banner; the sandbox has no storage to say it in."""
    page.add_init_script(f"try {{ localStorage.setItem('devstore:consent', '{consent}') }} catch {{}}")


@pytest.mark.browser
def test_a_visit_is_told_event_by_event(page: Page, collector: Collector) -> None:
    page.goto("/")
    wait_for(collector, "page_viewed", page=page)
    page.goto("/collections/all-candles")
    wait_for(collector, "collection_viewed", page=page)
    page.goto("/search?q=Bees+WAX")
    wait_for(collector, "search_submitted", page=page)
    page.goto("/products/candle-1")
    page.locator("[data-product-form] button").click()
    expect(page.locator("[data-said]")).to_contain_text("Added")
    wait_for(collector, "product_added_to_cart", page=page)
    page.goto("/cart")
    wait_for(collector, "cart_viewed", page=page)
    page.get_by_role("button", name="Update").click()
    page.get_by_role("button", name="Check out").click()
    found = wait_for(collector, "checkout_started", "checkout_completed", page=page)
    told = {each["kind"]: each for each in found}
    expected = {
        "page_viewed", "collection_viewed", "search_submitted", "product_viewed", "product_added_to_cart", "cart_viewed",
        "checkout_started", "checkout_completed",
    }  # fmt: skip
    assert expected <= set(told)
    assert len({each["id"] for each in found}) == len(found) or _only_resent(collector)
    assert told["search_submitted"]["search"] == "bees wax"
    assert told["collection_viewed"]["collection"] == "5"
    added = told["product_added_to_cart"]
    assert (added["quantity"], added["price"], added["currency"]) == (1, "1.5", "GBP")
    assert added["product"] == told["product_viewed"]["product"]
    assert told["checkout_completed"]["lines"] == [[added["product"], added["variant"], 1, "1.5"]]
    assert told["checkout_completed"]["order"].isdigit()
    # The same thank-you page again is not another order.
    page.reload()
    page.wait_for_timeout(1_000)
    assert len({each["id"] for each in events(collector) if each["kind"] == "checkout_completed"}) == 1
    everything = json.dumps(batches(collector))
    assert not [each for each in PERSONAL if each in everything]


def _only_resent(collector: Collector) -> bool:
    """What a closed page had sent without hearing the answer comes again, unchanged, for the collector to see once."""
    known: dict[str, dict[str, Any]] = {}
    return all(known.setdefault(each["id"], each) == each for each in events(collector))


@pytest.mark.browser
def test_it_runs_without_an_origin_and_names_the_visitor_that_it_was_given(
    page: Page, collector: Collector
) -> None:
    page.goto("/collections/all")  # where no block asks for an id
    wait_for(collector, "page_viewed", page=page)
    headers = next(told["headers"] for path, told in collector.seen if path == "/collect/events")
    assert headers["origin"] == "null"
    assert headers["content-type"].startswith("text/plain")
    assert "cookie" not in headers
    assert not batches(collector)[0].get("visitor")
    page.wait_for_function("localStorage.getItem('shelfwise:visitor') !== null")
    collector.seen.clear()
    page.goto("/products/candle-2")
    wait_for(collector, "product_viewed", page=page)
    assert {each["visitor"] for each in batches(collector)} == {VISITOR}
    own = page.evaluate("JSON.parse(localStorage.getItem('devstore:client'))")
    assert own not in json.dumps(batches(collector)), "Shopify's client id stays where it is"


@pytest.mark.browser
def test_denied_consent_sends_nothing(page: Page, collector: Collector) -> None:
    say(page, "no")
    page.goto("/")
    page.goto("/products/candle-1")
    page.locator("[data-product-form] button").click()
    expect(page.locator("[data-said]")).to_contain_text("Added")
    page.wait_for_timeout(1_500)
    assert batches(collector) == []
    kept = page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
    assert not [each for each in kept if each.startswith("shelfwise:")]


@pytest.mark.browser
def test_consent_that_comes_later_tells_of_this_page_on(page: Page, collector: Collector) -> None:
    page.goto("/")
    page.evaluate("localStorage.setItem('devstore:consent', 'no')")
    page.wait_for_timeout(1_000)
    collector.seen.clear()
    page.goto("/products/candle-3")
    page.wait_for_timeout(1_000)
    assert batches(collector) == []
    page.locator("[data-consent]").check()
    found = wait_for(collector, "product_viewed", page=page)
    assert {each["kind"] for each in found} <= {"page_viewed", "product_viewed", "recommendations_shown"}


@pytest.mark.browser
def test_analytics_without_preferences_names_nobody(page: Page, collector: Collector) -> None:
    say(page, "analytics")
    page.goto("/products/candle-1")
    wait_for(collector, "product_viewed", page=page)
    assert {each["visitor"] for each in batches(collector)} == {None}
    assert page.evaluate("localStorage.getItem('shelfwise:visitor')") is None


@pytest.mark.browser
def test_withdrawn_consent_forgets_and_says_so(page: Page, collector: Collector) -> None:
    page.goto("/")
    wait_for(collector, "page_viewed", page=page)
    page.wait_for_function("localStorage.getItem('shelfwise:visitor') !== null")
    page.wait_for_timeout(700)
    collector.seen.clear()
    page.locator("[data-consent]").uncheck()
    page.wait_for_function("localStorage.getItem('shelfwise:visitor') === null")
    until = time.monotonic() + 5
    # Whoever hears it first tells the app: the pixel its collector, the block its proxy.
    while not (
        [each for each in batches(collector) if each.get("forget") == VISITOR]
        or [told for path, told in collector.seen if path == "/proxy/withdraw" and told["visitor"] == VISITOR]
    ):
        assert time.monotonic() < until, collector.seen
        page.wait_for_timeout(50)
    page.goto("/products/candle-1")
    page.wait_for_timeout(1_500)
    assert events(collector) == []


@pytest.mark.browser
def test_a_shop_without_the_pixel_tells_nobody(
    page: Page, serving: RunningDevstore, collector: Collector
) -> None:
    install = serving.platform.installs.active(DOMAIN)
    assert install is not None
    row = serving.pixels.pixel(DOMAIN, install.installed_at)
    assert row is not None
    serving.pixels.change_pixel(row["id"], None)
    try:
        page.goto("/products/candle-1")
        page.wait_for_timeout(1_000)
        assert batches(collector) == []
    finally:
        serving.pixels.add_pixel(DOMAIN, install.installed_at, row["settings"])


@pytest.mark.browser
def test_a_collector_that_is_down_leaves_the_page_alone(
    page: Page, context: BrowserContext, collector: Collector
) -> None:
    context.route("**/collect/events*", lambda route: route.abort())
    page.goto("/products/candle-1")
    page.locator("[data-product-form] button").click()
    expect(page.locator("[data-said]")).to_contain_text("Added")
    page.wait_for_timeout(1_000)
    context.unroute("**/collect/events*")
    page.goto("/")  # the next page sends what this one could not
    wait_for(collector, "product_added_to_cart", page=page)
