"""The theme app block: what the server renders, what the script may do, and what the buyer sees in a browser."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from devstore.liquid_theme import ThemeExtension, find_theme_extension
from tests.devstore.embedded_app import EXPOSURE, GIVEN_VISITOR, EmbeddedApp, embedded_app
from tests.devstore.running import DOMAIN, RunningDevstore, make_shop, running_devstore

FOLDER = Path(__file__).resolve().parents[2] / "extensions" / "theme"
SCRIPT_BUDGET = 6 * 1024
HOSTILE = "\"'><script>alert(1)</script>{{ shop.name }}"


@pytest.fixture(scope="module")
def extension() -> ThemeExtension:
    found = find_theme_extension(FOLDER.parent)
    assert found is not None
    return found


def render(extension: ThemeExtension, settings: dict[str, Any] | None = None, **context: Any) -> str:
    given = {
        "routes": {"root_url": "/"},
        "cart": {"items": [], "currency": {"iso_code": "GBP"}},
        "template": {"name": "product"},
        "request": {"design_mode": False},
        **context,
    }
    return extension.render("recommendations", block_id="b1", context=given, settings=settings)


# Without a browser


def test_every_text_setting_is_escaped(extension: ThemeExtension) -> None:
    texts = [
        str(item["id"])
        for item in extension.block("recommendations").settings
        if item["type"] in ("text", "select")
    ]
    html = render(extension, dict.fromkeys(texts, HOSTILE), product={"id": HOSTILE})
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert(1)") >= len(texts)
    assert "\"'>" not in html


def test_the_slot_follows_the_page_unless_chosen(extension: ThemeExtension) -> None:
    for template, slot in (("product", "product_page"), ("cart", "cart"), ("index", "home")):
        assert f'data-slot="{slot}"' in render(extension, template={"name": template})
    assert 'data-slot="cart"' in render(extension, {"slot": "cart"})


def test_the_shell_keeps_the_place_and_names_product_and_cart(extension: ThemeExtension) -> None:
    html = render(
        extension,
        product={"id": 5},
        cart={"items": [{"product_id": 1}, {"product_id": 2}]},
        shop={"currency": "EUR"},
    )
    assert 'data-product-id="5"' in html
    assert 'data-cart="1,2"' in html
    assert 'data-currency="EUR"' in html
    assert html.count("shelfwise__tile--placeholder") == 8
    assert "<noscript>" in html
    assert "translation missing" not in html
    assert render(extension, {"product_count": 3}).count("shelfwise__tile--placeholder") == 3
    bare = render(extension, {"show_price": False, "show_add_to_cart": False})
    assert "shelfwise__price" not in bare
    assert "data-add>" not in bare


def test_the_schema_keeps_shopifys_limits(extension: ThemeExtension) -> None:
    block = extension.block("recommendations")
    assert len(block.name) <= 25
    words = json.loads((FOLDER / "locales" / "en.default.schema.json").read_text())
    text = (FOLDER / "blocks" / "recommendations.liquid").read_text()
    for key in re.findall(r'"t:([\w.]+)"', text):
        found: Any = words
        for part in key.split("."):
            found = found[part]
        assert isinstance(found, str)
    types = {setting["type"] for setting in block.settings}
    assert types <= {"text", "select", "range", "checkbox"}
    for name in (block.javascript, block.stylesheet):
        assert name
        assert (FOLDER / "assets" / name).is_file()
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}
    assert folders <= {"blocks", "snippets", "assets", "locales"}


def test_liquid_files_say_what_they_accept_and_use_no_forbidden_tag() -> None:
    for path in [*FOLDER.glob("blocks/*.liquid"), *FOLDER.glob("snippets/*.liquid")]:
        text = path.read_text()
        assert text.startswith("{% comment %}"), path
        assert "Accepts" in text.split("{% endcomment %}")[0], path
        assert not re.search(r"\{%-?\s*(include|layout|sections?|javascript|stylesheet)\b", text), path


def test_the_script_is_small_and_writes_text_only() -> None:
    script = (FOLDER / "assets" / "recommendations.js").read_bytes()
    assert len(gzip.compress(script)) < SCRIPT_BUDGET
    assert not re.search(
        rb"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script
    )


# In a browser


@pytest.fixture(scope="module")
def app() -> Iterator[EmbeddedApp]:
    with embedded_app() as found:
        yield found


@pytest.fixture(scope="module")
def serving(app: EmbeddedApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDevstore]:
    folder = tmp_path_factory.mktemp("block")
    store = make_shop(folder, DOMAIN, products=6)
    with store.transaction() as tx:
        tx.execute("UPDATE variants SET available = 1000")
        tx.execute("INSERT INTO collections VALUES (5, 'all-candles', 'Candles', '2026-01-01T00:00:00Z')")
        tx.execute("INSERT INTO collection_products SELECT 5, id, 1 FROM products")
    store.close()
    with running_devstore(folder, application_url=app.url) as server:
        server.platform.install(DOMAIN)
        yield server


@pytest.fixture
def shop(app: EmbeddedApp, serving: RunningDevstore) -> EmbeddedApp:
    """The app answers with five candles; nothing was seen yet."""
    listed = serving.client.get("/products.json").json()["products"]
    others = [item for item in listed if item["handle"] != "candle-1"]
    app.products = [
        {
            "product_id": str(item["id"]), "variant_id": str(item["variants"][0]["id"]), "handle": item["handle"],
            "title": item["title"], "url": f"/products/{item['handle']}", "image": None, "compare_at_price": None,
            "price": item["variants"][0]["price"], "currency": "GBP", "available": True, "reason": "bought_together",
        }
        for item in others
    ]  # fmt: skip
    app.slow_s = 0.0
    app.seen.clear()
    return app


@pytest.fixture
def context(browser: Browser, serving: RunningDevstore) -> Iterator[BrowserContext]:
    found = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=serving.url)
    found.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) =>"
        " { window.shift += entry.value; })).observe({ type: 'layout-shift', buffered: true });"
    )
    yield found
    found.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    found = context.new_page()
    trouble: list[str] = []
    found.on("pageerror", lambda error: trouble.append(str(error)))
    yield found
    assert trouble == []


def wait_for(app: EmbeddedApp, path: str) -> Any:
    until = time.monotonic() + 5
    while not (found := [value for seen, value in app.seen if seen == path]):
        assert time.monotonic() < until, f"{path} was not asked; seen: {app.seen}"
        time.sleep(0.02)
    return found[0]


def open_product(page: Page, handle: str = "candle-1") -> None:
    page.goto(f"/products/{handle}")
    page.locator("shelfwise-recommendations").scroll_into_view_if_needed()


@pytest.mark.browser
def test_products_fill_the_reserved_place_without_a_shift(page: Page, shop: EmbeddedApp) -> None:
    page.goto("/products/candle-1")
    block = page.locator("shelfwise-recommendations")
    before = block.bounding_box()
    block.scroll_into_view_if_needed()
    expect(page.locator("shelfwise-recommendations [data-link]")).to_have_count(5)
    page.wait_for_timeout(150)
    after = block.bounding_box()
    assert before
    assert after
    assert after["height"] == pytest.approx(before["height"], abs=0.5)
    assert page.evaluate("window.shift") == 0
    assert page.locator("[data-price]").nth(1).inner_text().startswith("£")
    asked = wait_for(shop, "/proxy/recommendations")
    assert asked["slot"] == "product_page"
    assert asked["product_id"].isdigit()
    assert asked["visitor"] == "new"
    assert page.evaluate("JSON.parse(localStorage.getItem('shelfwise:visitor'))") == GIVEN_VISITOR


@pytest.mark.browser
def test_without_consent_nobody_is_recognised(page: Page, shop: EmbeddedApp) -> None:
    page.add_init_script("localStorage.setItem('devstore:consent', 'no')")
    open_product(page)
    expect(page.locator("shelfwise-recommendations [data-link]")).to_have_count(5)
    asked = wait_for(shop, "/proxy/recommendations")
    assert not {"visitor", "recent"} & asked.keys()
    assert page.evaluate("sessionStorage.getItem('shelfwise:recent')") is None
    assert page.evaluate("localStorage.getItem('shelfwise:visitor')") is None


@pytest.mark.browser
def test_withdrawing_consent_forgets_the_visitor(page: Page, shop: EmbeddedApp) -> None:
    open_product(page)
    expect(page.locator("shelfwise-recommendations [data-link]")).to_have_count(5)
    assert page.evaluate("localStorage.getItem('shelfwise:visitor')")
    page.locator("[data-consent]").uncheck()
    page.wait_for_function("localStorage.getItem('shelfwise:visitor') === null")
    page.wait_for_function("sessionStorage.getItem('shelfwise:recent') === null")


@pytest.mark.browser
def test_what_was_seen_in_this_session_is_told_and_goes_with_it(page: Page, shop: EmbeddedApp) -> None:
    links = page.locator("shelfwise-recommendations [data-link]")
    open_product(page)
    expect(links).to_have_count(5)
    first = wait_for(shop, "/proxy/recommendations")
    assert "recent" not in first
    shop.seen.clear()
    links.first.click()
    page.wait_for_load_state()
    page.locator("shelfwise-recommendations").scroll_into_view_if_needed()
    second = wait_for(shop, "/proxy/recommendations")
    assert second["product_id"] != first["product_id"]
    assert second["recent"] == first["product_id"]
    seen = page.evaluate("JSON.parse(sessionStorage.getItem('shelfwise:recent'))")
    assert seen == [second["product_id"], first["product_id"]]


@pytest.mark.browser
def test_hostile_answers_stay_text(page: Page, shop: EmbeddedApp) -> None:
    good = shop.products[0]
    shop.products = [
        {**good, "title": "<img src=x onerror=document.title='owned'>"},
        {**good, "url": "javascript:alert(1)"},
        {**good, "url": "//evil.example/products/x"},
        {**good, "image": "javascript:alert(1)", "currency": "?", "price": "<b>"},
    ]
    open_product(page)
    expect(page.locator("shelfwise-recommendations [data-link]")).to_have_count(2)
    expect(page.locator("shelfwise-recommendations [data-title]").first).to_contain_text("<img src=x")
    expect(page.locator("shelfwise-recommendations img")).to_have_count(0)
    assert "owned" not in page.title()


@pytest.mark.browser
def test_shopifys_own_products_when_the_app_is_slow(page: Page, shop: EmbeddedApp) -> None:
    shop.slow_s = 1.2
    open_product(page)
    links = page.locator("shelfwise-recommendations [data-link]")
    expect(links.first).to_be_visible()
    links.first.click()
    page.wait_for_load_state()
    assert not [value for path, value in shop.seen if path == "/proxy/clicks"]  # nothing of ours was shown


@pytest.mark.browser
def test_silence_and_no_shift_when_nothing_answers(page: Page, shop: EmbeddedApp) -> None:
    shop.products = []
    page.goto("/cart")
    block = page.locator("shelfwise-recommendations")
    expect(block).to_have_attribute("data-state", "failed")
    expect(block).not_to_be_visible()
    page.wait_for_timeout(150)
    assert page.evaluate("window.shift") == 0


@pytest.mark.browser
def test_nothing_shows_without_scripts(browser: Browser, serving: RunningDevstore) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=serving.url)
    page = context.new_page()
    page.goto("/products/candle-1")
    expect(page.locator("shelfwise-recommendations")).to_be_hidden()
    context.close()


@pytest.mark.browser
def test_nothing_shows_and_nothing_moves_when_the_script_never_comes(
    page: Page, context: BrowserContext
) -> None:
    context.route("**/recommendations.js*", lambda route: route.abort())
    page.goto("/products/candle-1")
    expect(page.locator("shelfwise-recommendations")).not_to_be_visible()
    page.wait_for_timeout(150)
    assert page.evaluate("window.shift") == 0


@pytest.mark.browser
def test_shopifys_own_products_when_the_app_is_down(page: Page, context: BrowserContext) -> None:
    context.route("**/apps/shelfwise/**", lambda route: route.fulfill(status=503, body="{}"))
    open_product(page)
    expect(page.locator("shelfwise-recommendations [data-link]").first).to_be_visible()
    page.wait_for_timeout(150)
    assert page.evaluate("window.shift") == 0


@pytest.mark.browser
def test_a_click_is_told_and_follows_to_the_product_form(
    page: Page, shop: EmbeddedApp, serving: RunningDevstore
) -> None:
    open_product(page)
    first = page.locator("shelfwise-recommendations [data-link]").first
    expect(first).to_be_visible()
    product = shop.products[0]
    first.click()
    page.wait_for_url(f"**{product['url']}")
    clicked = wait_for(shop, "/proxy/clicks")
    assert (clicked["exposure"], clicked["product_id"]) == (EXPOSURE, product["product_id"])
    assert re.fullmatch(r"[\w-]{8,64}", clicked["visitor"])

    page.locator("[data-product-form] button").click()
    expect(page.locator("[data-said]")).to_contain_text("Added")
    cart = page.evaluate("fetch('/cart.js').then((r) => r.json())")
    assert cart["items"][0]["properties"] == {"_ml_rec": EXPOSURE}
    page.wait_for_function(
        "fetch('/cart.js').then((r) => r.json()).then((cart) => Boolean(cart.attributes._ml_visitor))",
        timeout=5000,
    )

    page.goto("/products/candle-1")  # a product that was not clicked carries nothing
    expect(page.locator("[name='properties[_ml_rec]']")).to_have_count(0)


@pytest.mark.browser
def test_adding_from_a_tile_marks_line_and_cart_and_says_so(page: Page, shop: EmbeddedApp) -> None:
    open_product(page)
    add = page.locator("shelfwise-recommendations [data-add]").first
    expect(add).to_be_enabled()
    add.click()
    status = page.locator("shelfwise-recommendations [data-status]")
    expect(status).to_contain_text(f"Added {shop.products[0]['title']} to your cart.")
    expect(status).to_be_in_viewport()
    expect(status.get_by_role("link", name="View cart")).to_have_attribute("href", "/cart")
    expect(add).to_have_text("Added")
    cart = page.evaluate("fetch('/cart.js').then((r) => r.json())")
    assert cart["items"][0]["properties"] == {"_ml_rec": EXPOSURE}
    assert cart["attributes"]["_ml_visitor"] == page.evaluate(
        "JSON.parse(localStorage.getItem('shelfwise:visitor'))"
    )
    expect(page.locator("[data-cart-count]")).to_have_text("1")
    expect(add).to_have_text("Add to cart")


@pytest.mark.browser
def test_a_refused_add_is_said_aloud(page: Page, shop: EmbeddedApp) -> None:
    shop.products[0]["variant_id"] = "1"
    open_product(page)
    add = page.locator("shelfwise-recommendations [data-add]").first
    add.press("Enter")
    status = page.locator("shelfwise-recommendations [data-status]")
    expect(status).to_contain_text("could not be added")
    expect(add).to_have_text("Not added")
    expect(status).to_be_in_viewport()
    expect(status.get_by_role("link")).to_have_count(0)
    expect(add).to_be_enabled()
    expect(add).to_be_focused()


@pytest.mark.browser
def test_pictures_of_the_shop_come_from_the_host_of_the_page(page: Page, shop: EmbeddedApp) -> None:
    path = f"/cdn/images/{shop.products[0]['product_id']}.svg"
    shop.products[0]["image"] = f"https://{DOMAIN}{path}"
    open_product(page)
    picture = page.locator("shelfwise-recommendations img")
    expect(picture).to_have_attribute("src", path)
    page.wait_for_function("document.querySelector('shelfwise-recommendations img').naturalWidth > 0")
