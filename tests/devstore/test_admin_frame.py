"""The admin frame: what it loads the app with, and the talk between App Bridge's stand-in and the frame."""

from __future__ import annotations

import hashlib
import hmac
import html
import re
import time
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, urlsplit

import jwt
import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from tests.devstore.embedded_app import EmbeddedApp, embedded_app
from tests.devstore.running import CLIENT_ID, DOMAIN, SECRET, RunningDevstore, make_shop, running_devstore

# "hush" is the secret of Shopify's published vectors.
pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")


def frame_address(page: str) -> str:
    found = re.search(r'<iframe[^>]* src="([^"]+)"', page)
    assert found
    return html.unescape(found[1])


def parameters(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))


def test_opening_the_app_installs_it_and_signs_the_frame(devstore: RunningDevstore) -> None:
    devstore.platform.uninstall(DOMAIN)
    answer = devstore.client.get("/admin/apps/shelfwise?staff=1002")
    assert answer.status_code == 200
    assert devstore.platform.installs.active(DOMAIN) is not None

    address = frame_address(answer.text)
    sent = parameters(address)
    assert set(sent) == {"embedded", "shop", "host", "id_token", "hmac", "timestamp", "locale", "session"}
    claims = jwt.decode(sent["id_token"], SECRET, algorithms=["HS256"], audience=CLIENT_ID)
    assert (claims["sub"], claims["dest"]) == ("1002", f"https://{DOMAIN}")
    message = "&".join(f"{quote(k)}={quote(v, safe='')}" for k, v in sorted(sent.items()) if k != "hmac")
    assert sent["hmac"] == hmac.new(SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()


def test_deep_paths_reach_the_app_without_forged_parameters(devstore: RunningDevstore) -> None:
    answer = devstore.client.get(
        "/admin/apps/shelfwise/versions/7?tab=scores&shop=evil&id_token=x&staff=1003"
    )
    address = frame_address(answer.text)
    assert urlsplit(address).path == "/versions/7"
    sent = parse_qsl(urlsplit(address).query)
    assert [value for key, value in sent if key == "shop"] == [DOMAIN]
    assert ("tab", "scores") in sent
    assert len([key for key, _ in sent if key == "id_token"]) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/admin/apps/other",
        "/admin/apps/shelfwise?staff=1",
        "/admin/apps/shelfwise?staff=x",
        "/admin/orders/1",
        "/admin/orders/99999999999999999999",
        "/admin/orders/x",
    ],
)
def test_bad_admin_addresses_are_refused(devstore: RunningDevstore, path: str) -> None:
    assert 400 <= devstore.client.get(path).status_code < 500


def test_the_frame_itself_cannot_be_framed(devstore: RunningDevstore) -> None:
    policy = devstore.client.get("/admin").headers["content-security-policy"]
    assert policy == "frame-ancestors 'none'"


def test_an_order_shows_its_exposure_and_visitor(devstore: RunningDevstore) -> None:
    line = {
        "variant_id": devstore.variants()[0],
        "quantity": 1,
        "properties": {"_ml_rec": "exposure-on-order"},
    }
    body = {"lines": [line], "attributes": {"_ml_visitor": "visitor-on-order"}}
    placed = devstore.control("POST", f"/shops/{DOMAIN}/orders", body)
    assert placed.status_code == 200, placed.text
    listed = devstore.client.get("/admin/orders").text
    assert "1 line" in listed
    found = re.search(r'href="(/admin/orders/\d+)', listed)
    assert found
    page = devstore.client.get(found[1]).text
    assert "exposure-on-order" in page
    assert "visitor-on-order" in page


# In a browser


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedApp]:
    with embedded_app() as app:
        yield app


@pytest.fixture(scope="module")
def serving(embedded: EmbeddedApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDevstore]:
    folder = tmp_path_factory.mktemp("admin")
    make_shop(folder, DOMAIN).close()
    with running_devstore(folder, application_url=embedded.url) as server:
        embedded.cdn = f"{server.url}/cdn/shopifycloud"
        yield server


@pytest.fixture
def page(browser: Browser, serving: RunningDevstore, embedded: EmbeddedApp) -> Iterator[Page]:
    """A desktop page whose console must stay clean."""
    embedded.seen.clear()
    context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=serving.url)
    found = context.new_page()
    trouble: list[str] = []
    found.on("pageerror", lambda error: trouble.append(str(error)))
    yield found
    context.close()
    assert trouble == []


def open_app(page: Page, path: str = "") -> Frame:
    page.goto(f"/admin/apps/shelfwise{path}")
    frame = page.frames[1]
    frame.wait_for_function("window.shopify && document.readyState === 'complete'")
    return frame


@pytest.mark.browser
def test_fetch_carries_the_token_of_the_chosen_staff_member(page: Page, embedded: EmbeddedApp) -> None:
    open_app(page)
    page.get_by_label("Signed in as").last.select_option("1003")
    page.wait_for_url("**staff=1003*")
    page.frame_locator("iframe").get_by_role("button", name="Say hello").click()
    expect(page.locator(".toast")).to_contain_text("Hello 1003")


@pytest.mark.browser
def test_a_refused_token_is_replaced_once(page: Page, embedded: EmbeddedApp) -> None:
    frame = open_app(page)
    embedded.refuse_once = True
    page.frame_locator("iframe").get_by_role("button", name="Say hello").click()
    expect(page.locator(".toast")).to_contain_text("Hello")
    tokens = [value for path, value in embedded.seen if path == "/api/echo"]
    assert len(tokens) == 2
    assert len(set(tokens)) == 2
    assert frame.evaluate("shopify.config.shop") == DOMAIN
    assert frame.evaluate("shopify.scopes.query().then((s) => s.granted.includes('read_orders'))") is True
    assert (
        frame.evaluate("shopify.app.extensions().then((e) => e[0].activations[0].handle)")
        == "recommendations"
    )


@pytest.mark.browser
def test_the_bounce_page_comes_back_with_a_token(page: Page, embedded: EmbeddedApp) -> None:
    page.goto("/admin/apps/shelfwise/bounce?shopify-reload=%2Fversions%3Ftab%3D1")
    deadline = time.monotonic() + 5
    while not (found := [query for path, query in embedded.seen if path == "/versions"]):
        assert time.monotonic() < deadline, embedded.seen
        page.wait_for_timeout(20)
    assert found[0]["tab"] == "1"
    assert jwt.decode(found[0]["id_token"], SECRET, algorithms=["HS256"], audience=CLIENT_ID)["sub"] == "1001"


@pytest.mark.browser
def test_bouncing_to_a_foreign_origin_is_refused(page: Page, embedded: EmbeddedApp) -> None:
    page.goto("/admin/apps/shelfwise/bounce?shopify-reload=https%3A%2F%2Fevil.example%2F")
    page.wait_for_timeout(300)
    assert page.frames[1].url.startswith(f"{embedded.url}/bounce")


@pytest.mark.browser
def test_navigation_stays_in_step(page: Page) -> None:
    frame = open_app(page)
    nav = page.get_by_role("navigation", name="Admin")
    nav.get_by_role("link", name="Versions").click()
    page.wait_for_url("**/admin/apps/shelfwise/versions?staff=1001")
    expect(nav.get_by_role("link", name="Versions")).to_have_attribute("aria-current", "page")
    assert frame.evaluate("location.pathname") == "/versions"
    nav.get_by_role("link", name="Shelfwise").click()
    page.wait_for_url("**/admin/apps/shelfwise?staff=1001")
    page.go_back()
    page.wait_for_url("**/admin/apps/shelfwise/versions?staff=1001")


@pytest.mark.browser
def test_the_save_bar_follows_the_form(page: Page) -> None:
    frame = open_app(page)
    app, bar = page.frame_locator("iframe"), page.get_by_role("region", name="Unsaved changes")
    expect(bar).to_be_hidden()
    app.get_by_label("Name").fill("Oak")
    expect(bar).to_be_visible()
    bar.get_by_role("button", name="Discard").click()
    expect(bar).to_be_hidden()
    expect(app.get_by_label("Name")).to_have_value("Birch")
    app.get_by_label("Name").fill("Elm")
    app.get_by_label("Fast").check()
    app.get_by_label("Active").check()
    app.get_by_label("Slot").select_option("home")
    bar.get_by_role("button", name="Save").click()
    frame.wait_for_function("window.saved")
    assert frame.evaluate("window.saved") == {
        "name": "Elm", "limit": "8", "slot": "home", "prices": "on", "active": "on", "speed": "fast", "reason": "",
    }  # fmt: skip
    expect(bar).to_be_hidden()


@pytest.mark.browser
def test_a_modal_holds_the_focus_and_gives_it_back(page: Page) -> None:
    frame = open_app(page)
    app = page.frame_locator("iframe")
    app.get_by_role("button", name="Roll back").first.focus()
    page.keyboard.press("Enter")
    dialog = app.get_by_role("dialog", name="Roll back product_page?")
    expect(dialog).to_be_visible()
    for _ in range(8):
        page.keyboard.press("Tab")
        inside = (
            "document.activeElement === document.body || document.activeElement.closest('s-modal') !== null"
        )
        assert frame.evaluate(inside)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert frame.evaluate("document.activeElement.id") == "open"
    app.get_by_role("button", name="Roll back").first.click()
    app.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()


@pytest.mark.browser
def test_numbers_stand_right_under_right_headers(page: Page) -> None:
    frame = open_app(page)
    align = "(selector) => getComputedStyle(document.querySelector(selector)).textAlign"
    assert frame.evaluate(align, "s-table-header:nth-child(3)") == "end"
    assert frame.evaluate(align, "s-table-row s-table-cell:nth-child(3)") == "end"
    assert frame.evaluate(align, "s-table-row s-table-cell:nth-child(1)") == "start"


@pytest.mark.browser
def test_a_phone_gets_a_list_and_a_folded_navigation(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    frame = open_app(page)
    nav = page.get_by_role("navigation", name="Admin")
    expect(nav).to_be_hidden()
    page.get_by_role("button", name="Navigation").click()
    expect(nav).to_be_visible()
    page.keyboard.press("Escape")
    expect(nav).to_be_hidden()
    assert frame.evaluate("getComputedStyle(document.querySelector('s-table-row')).display") == "flex"
    assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.browser
def test_uninstalling_from_the_settings_page(page: Page, serving: RunningDevstore) -> None:
    serving.platform.install_if_needed(DOMAIN)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/admin/settings/apps")
    page.get_by_role("button", name="Uninstall").click()
    expect(page.get_by_role("link", name="Install and open")).to_be_visible()
    assert serving.platform.installs.active(DOMAIN) is None


@pytest.mark.browser
def test_messages_of_a_stranger_are_ignored(page: Page) -> None:
    frame = open_app(page)
    # Same window, wrong shape; then the right shape, from the frame's own page instead of the app.
    page.evaluate("postMessage({ devstore: 1, type: 'toast', message: 'forged', duration: 5000 }, '*')")
    frame.evaluate("window.postMessage({ devstore: 1, type: 'nav-click', href: '/stolen' }, '*')")
    page.wait_for_timeout(200)
    expect(page.locator(".toast")).to_have_count(0)
    assert frame.evaluate("location.pathname") == "/"
