"""The admin as the merchant meets it: in the shop's admin frame, in a real browser, on the running product."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, Route, expect

from tests.live_product import OWNER, VIEWER, LiveProduct

pytestmark = pytest.mark.browser
APP = "/admin/apps/shelfwise"
PAGES = (
    "",
    "/versions",
    "/demand",
    "/data",
    "/data/fields",
    "/data/metafields",
    "/data/quality",
    "/privacy",
    "/audit",
    "/audit/access",
    "/team",
)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh window of a desk; what the page complains of in the console fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert not complaints


def visit(page: Page, product: LiveProduct, path: str = "", *, staff: int = OWNER) -> FrameLocator:
    page.goto(f"{product.stack.devstore_url}{APP}{path}?staff={staff}")
    return page.frame_locator("iframe")


def overview(product: LiveProduct, staff: int = OWNER) -> dict[str, Any]:
    found: dict[str, Any] = product.merchant(staff).ask("overview")
    return found


def live(product: LiveProduct, slot: str) -> int:
    return int(next(each for each in overview(product)["slots"] if each["slot"] == slot)["version"]["number"])


def test_the_overview_says_what_is_true(page: Page, product: LiveProduct) -> None:
    facts, totals = overview(product), product.merchant().ask("traffic?days=28")["totals"]
    app = visit(page, product)
    expect(app.get_by_role("heading", name="Overview")).to_be_visible()
    expect(app.get_by_text("Live now:")).to_be_visible()
    figures = app.locator(".figures")
    for number in (facts["data"]["orders"], totals["clicks"], totals["attributed_orders"]):
        expect(figures).to_contain_text(f"{number:,}")
    expect(app.get_by_text("Attributed is not incremental")).to_be_visible()
    expect(app.locator("[role=img] svg.main-svg").first).to_be_visible()


def test_each_picture_has_the_same_numbers_as_a_table(page: Page, product: LiveProduct) -> None:
    day = product.merchant().ask("traffic?days=28")["days"][-1]
    app = visit(page, product)
    saw = app.locator("s-section", has_text="What shoppers saw")
    expect(saw.locator("[role=img]")).to_have_attribute("aria-label", re.compile("Shoppers were answered"))
    saw.get_by_text("Show as a table").press("Enter")
    cells = saw.get_by_role("row").last.get_by_role("cell")
    assert cells.first.inner_text() == f"{day['requests']:,}"
    assert cells.last.inner_text() == f"{day['clicks']:,}"


def test_roll_back_by_keyboard_alone(page: Page, product: LiveProduct) -> None:
    before = live(product, "product_page")
    app = visit(page, product)
    button = app.get_by_role("button", name=re.compile(r"Roll back to version \d+: Product page"))
    button.focus()
    page.keyboard.press("Enter")
    expect(app.get_by_role("dialog", name="Roll back: Product page")).to_be_visible()
    dialog = app.locator("s-modal[accessibilitylabel='Roll back: Product page']")
    expect(dialog.get_by_text(f"Version {before}", exact=True)).to_be_visible()

    confirm = dialog.get_by_role("button", name="Roll back", exact=True)
    confirm.focus()
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("Say why in a few words")).to_be_visible()
    assert live(product, "product_page") == before

    dialog.get_by_role("textbox").focus()
    page.keyboard.type("It shows sold-out lamps")
    confirm.focus()
    page.keyboard.press("Enter")
    expect(app.get_by_role("dialog")).to_be_hidden()
    assert live(product, "product_page") < before
    after = live(product, "product_page")
    expect(page.get_by_text(f"Product page: version {after} is live")).to_be_visible()
    expect(
        app.locator("s-box", has_text="Product page").get_by_text("It shows sold-out lamps")
    ).to_be_visible()

    log = visit(page, product, "/audit")
    newest = log.locator("s-table-body s-table-row").first
    expect(newest).to_contain_text(f"Rolled back on product page: version {before} → version {after}")
    expect(newest).to_contain_text("You")
    expect(newest).to_contain_text("It shows sold-out lamps")


def test_a_change_made_meanwhile_is_explained(page: Page, product: LiveProduct) -> None:
    app = visit(page, product)
    app.get_by_role("button", name=re.compile(r"Roll back to version \d+: Cart")).click()
    dialog = app.locator("s-modal[accessibilitylabel='Roll back: Cart']")
    dialog.get_by_role("textbox").fill("It shows sold-out lamps")
    slot = next(each for each in overview(product)["slots"] if each["slot"] == "cart")
    merchant = product.merchant()
    merchant.press("slots/cart/deploy", version=slot["previous_good"]["id"], reason="somebody was quicker")
    try:
        dialog.get_by_role("button", name="Roll back", exact=True).click()
        expect(dialog.get_by_text("nothing was changed")).to_be_visible()
        assert live(product, "cart") == slot["previous_good"]["number"]
    finally:
        merchant.press("slots/cart/deploy", version=slot["version"]["id"], reason="as it was")


def test_a_viewer_sees_why_the_button_is_off(page: Page, product: LiveProduct) -> None:
    product.merchant(VIEWER).open_app()
    app = visit(page, product, staff=VIEWER)
    button = app.get_by_role("button", name="Roll back: Cart")
    expect(button).to_be_disabled()
    expect(app.get_by_text("Your role is viewer").first).to_be_visible()
    team = visit(page, product, "/team", staff=VIEWER)
    expect(team.get_by_text("Only an owner sees and sets roles")).to_be_visible()
    expect(team.get_by_text(f"You are staff member {VIEWER}, and your role is viewer.")).to_be_visible()


def test_the_admins_navigation_leads_through_the_app(page: Page, product: LiveProduct) -> None:
    app = visit(page, product)
    expect(app.get_by_role("heading", name="Overview")).to_be_visible()
    for name, path in (("Versions", "/versions"), ("Change log", "/audit"), ("Team", "/team")):
        page.get_by_role("link", name=name).click()
        expect(app.get_by_role("heading", name=name, exact=True).first).to_be_visible()
        page.wait_for_url(f"**{APP}{path}*")
    page.go_back()
    expect(app.get_by_role("heading", name="Change log")).to_be_visible()


def test_a_new_version_appears_when_its_training_ends(page: Page, product: LiveProduct) -> None:
    app = visit(page, product, "/versions")
    rows = app.locator("s-table-body s-table-row")
    expect(rows.first).to_be_visible()
    before = rows.count()
    app.get_by_role("textbox").fill("New collection is in the shop")
    app.get_by_role("button", name="Train a new version").press("Enter")
    expect(app.get_by_text("What is live is not touched.")).to_be_visible()
    expect(rows).to_have_count(before + 1, timeout=30_000)
    expect(app.get_by_role("button", name="Train a new version")).to_be_visible()


def test_a_version_is_told_in_full(page: Page, product: LiveProduct) -> None:
    app = visit(page, product, "/versions")
    app.get_by_role("link", name="Version 1", exact=True).click()
    expect(app.get_by_role("heading", name="Version 1")).to_be_visible()
    version = product.merchant().ask("versions")["versions"][-1]
    detail = product.merchant().ask(f"versions/{version['id']}")
    expect(app.get_by_text(detail["digest"])).to_be_visible()


def test_an_error_says_what_to_do_and_the_button_does_it(page: Page, product: LiveProduct) -> None:
    page.route("**/api/overview", lambda route: route.abort())
    app = visit(page, product)
    expect(app.get_by_text("We could not reach Shelfwise.")).to_be_visible()
    page.unroute("**/api/overview")
    app.get_by_role("button", name="Try again").first.click()
    expect(app.get_by_text("Live now:")).to_be_visible()
    expect(app.get_by_text("We could not reach Shelfwise.")).to_be_hidden()


def test_a_shop_that_uninstalled_the_app_is_told_the_way_back(page: Page, product: LiveProduct) -> None:
    """The refusal as the admin API words it (tests/admin_api/test_authentication.py), in a page that was open before."""
    app = visit(page, product)
    expect(app.get_by_text("Live now:")).to_be_visible()
    refusal = {"code": "not_installed", "message": "Shelfwise is not installed on this shop.", "field": None}
    refusal |= {"next_step": "Reload this page in the Shopify admin: opening the app installs it again."}
    body = json.dumps({"error": {**refusal, "request_id": "r1"}})
    page.route(
        "**/api/**", lambda route: route.fulfill(status=403, body=body, content_type="application/json")
    )
    app.get_by_role("button", name="Refresh").click()
    expect(app.get_by_text("opening the app installs it again")).to_be_visible()
    expect(app.get_by_text("Live now")).to_have_count(0)
    expect(app.get_by_role("button", name="Try again")).to_have_count(0)


def test_missing_results_do_not_send_the_merchant_back_to_setup(page: Page, product: LiveProduct) -> None:
    page.route("**/api/traffic?*", lambda route: route.abort())
    app = visit(page, product)
    expect(app.get_by_text("We could not reach Shelfwise.")).to_be_visible()
    expect(app.get_by_text("Live now:")).to_be_visible()
    expect(app.get_by_role("heading", name="Setup guide")).to_have_count(0)


@pytest.mark.parametrize("path", PAGES)
def test_nothing_moves_while_slow_answers_come_in(page: Page, product: LiveProduct, path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) =>"
        " { window.shift += entry.value; })).observe({ type: 'layout-shift', buffered: true });"
    )
    for name, wait_ms in (("overview", 300), ("traffic?*", 900), ("versions", 100), ("staff", 600)):
        page.route(f"**/api/{name}", _late(page, wait_ms))
    app = visit(page, product, path)
    expect(app.locator("s-section").first).to_be_visible()
    page.wait_for_timeout(1500)
    expect(app.locator("s-spinner")).to_have_count(0)
    assert page.frames[1].evaluate("window.shift") < 0.02, path


def test_while_it_waits_it_says_so(page: Page, product: LiveProduct) -> None:
    held: list[Route] = []
    page.route("**/api/overview", lambda route: held.append(route))
    app = visit(page, product)
    expect(app.get_by_text("Loading your overview…")).to_be_visible()
    while not held:  # the words may be there before the question has left
        page.wait_for_timeout(50)
    held[0].continue_()
    expect(app.get_by_text("Live now:")).to_be_visible()


def test_a_new_shop_is_led_from_import_to_theme(page: Page, product: LiveProduct) -> None:
    """The product's own answer, set back to the middle of the import."""
    facts = overview(product)
    for slot in facts["slots"]:
        slot.update(version=None, previous_good=None, since=None)
    orders = next(each for each in facts["history_import"]["resources"] if each["resource"] == "orders")
    orders.update(state="running", phase="reading", done=120, total=600, per_second=60.0, eta_s=8.0)
    facts["history_import"]["state"] = "running"
    traffic = product.merchant().ask("traffic?days=28")
    traffic["totals"].update(requests=0, shown=0, clicks=0, attributed_orders=0)
    for name, answer in (("overview", facts), ("traffic?*", traffic)):
        body = json.dumps(answer)
        page.route(f"**/api/{name}", _answering(body))
    app = visit(page, product)
    expect(app.get_by_text("Reading: 120 of 600 · 60 a second · about 8 seconds left")).to_be_visible()
    expect(app.locator("li[aria-current=step]")).to_contain_text("Bring in your history")
    link = app.locator("s-button", has_text="Open the theme editor")
    href = link.evaluate("element => element.href || element.getAttribute('href')")
    assert "addAppBlockId=" in href
    assert href.endswith("&target=newAppsSection")


@pytest.mark.parametrize("path", PAGES)
def test_on_a_phone_nothing_runs_over_the_edge(page: Page, product: LiveProduct, path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    app = visit(page, product, path)
    expect(app.get_by_role("heading").first).to_be_visible()
    expect(app.locator("s-spinner")).to_have_count(0)
    inner = app.locator("html")
    assert inner.evaluate("html => html.scrollWidth <= html.clientWidth"), path


def _answering(body: str) -> Callable[[Route], None]:
    return lambda route: route.fulfill(body=body, content_type="application/json")


def _late(page: Page, wait_ms: int) -> Callable[[Route], None]:
    def answer(route: Route) -> None:
        page.wait_for_timeout(wait_ms)
        route.continue_()

    return answer


def test_metafields_are_chosen_and_the_fields_are_listed(page: Page, product: LiveProduct) -> None:
    app = visit(page, product, "/data/metafields")
    expect(app.get_by_text("JSON has no fixed meaning")).to_be_visible()
    expect(app.get_by_role("button", name="Save")).to_be_disabled()
    app.get_by_role("combobox", name="Use of Material").select_option("personal")
    app.get_by_role("button", name="Save").click()
    expect(app.get_by_text("You marked it as personal")).to_be_visible()
    app = visit(page, product, "/data/fields")
    app.get_by_role("textbox", name="Find a field").fill("compare-at")
    expect(app.get_by_text("the old price during a sale")).to_be_visible()
    expect(app.get_by_text("what the order came to")).to_have_count(0)
    with page.expect_download() as told:
        app.get_by_role("button", name="Download as CSV").click()
    text = told.value.path().read_text(encoding="utf-8")
    assert '"order","total"' in text
    app = visit(page, product, "/data/metafields", staff=VIEWER)
    expect(app.get_by_text("Your role may look here")).to_be_visible()
    expect(app.get_by_role("combobox")).to_have_count(0)
