"""One real exposure followed by hand, with a picture of each page; run while `make demo` runs.

A buyer clicks a recommended product, puts it in the cart and checks out; the order carries the exposure, and the
merchant's overview counts it. `python -m tests.browser.follow_exposure` writes docs/images/exposure-*.png and prints the
same facts; it ends with status 1 when the chain breaks anywhere.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ViewportSize, expect

from tenancy.embedded import default_folder
from tests.chromium import open_browser

TARGET = Path(__file__).resolve().parents[2] / "docs" / "images"
SIZE: ViewportSize = {"width": 1280, "height": 1000}
BLOCK = "shelfwise-recommendations"
COUNTED_WITHIN_S = 60
# The element that the eye should find, and where the picture says so.
MARK = "element => { element.style.outline = '3px solid #d72c0d'; element.style.outlineOffset = '4px'; }"


def main() -> int:
    try:
        facts: dict[str, Any] = json.loads((default_folder() / "demo.json").read_text())
    except OSError:
        print("start `make demo` first and leave it running", file=sys.stderr)
        return 1
    TARGET.mkdir(parents=True, exist_ok=True)
    admin, shop = facts["addresses"]["admin"], facts["addresses"]["storefront"].rstrip("/")
    with open_browser() as browser:
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(15_000)
        before = _orders_counted(page, admin)
        exposure, title = _click_a_tile(page, shop)
        _put_in_cart(page, shop, exposure, title)
        order_id = _check_out(page)
        _look_at_order(page, admin, order_id, exposure)
        after = _wait_until_counted(page, admin, before)
    print(f"exposure {exposure} of {title!r} -> order {order_id}; orders that followed: {before} -> {after}")
    return 0 if after > before else 1


def _click_a_tile(page: Page, shop: str) -> tuple[str, str]:
    page.goto(f"{shop}/")
    page.locator(f"{BLOCK}[data-state=shown] [data-link]").first.click()
    page.wait_for_url("**/products/**")
    page.locator(BLOCK).scroll_into_view_if_needed()
    expect(page.locator(f"{BLOCK}[data-state=shown]")).to_have_attribute("data-served-by", "item_to_item")
    # A product with one variant in stock: what is clicked is what is bought.
    tile = page.locator(f"{BLOCK} li", has=page.locator("[data-add]:enabled")).first
    title = tile.locator("[data-title]").inner_text()
    page.locator(BLOCK).evaluate("element => scrollTo(0, element.offsetTop - 420)")
    expect(tile.locator("img")).to_be_visible()
    tile.evaluate(MARK)
    _picture(page, "exposure-1-tile.png")
    with page.expect_request(re.compile("/apps/shelfwise/clicks")) as told:
        tile.locator("[data-link]").click()
    page.wait_for_load_state()
    return json.loads(told.value.post_data or "{}")["exposure"], title


def _put_in_cart(page: Page, shop: str, exposure: str, title: str) -> None:
    assert page.locator("[name='properties[_ml_rec]']").get_attribute("value") == exposure
    page.locator("[data-product-form] button").click()
    expect(page.locator("[data-said]")).to_contain_text("Added")
    # The block marks the cart with the visitor a moment later.
    page.wait_for_function(
        "fetch('/cart.js').then((r) => r.json()).then((cart) => Boolean(cart.attributes._ml_visitor))"
    )
    page.goto(f"{shop}/cart")
    line = page.locator(".lines .row", has_text=title)
    expect(line).to_have_count(1)
    assert "_ml_rec" not in page.locator("main").inner_text()  # buyers never see it
    line.evaluate(MARK)
    _settle(page)
    _picture(page, "exposure-2-cart.png")


def _check_out(page: Page) -> int:
    page.get_by_role("button", name="Check out").click()
    page.wait_for_url(re.compile(r"/orders/\d+/"))
    expect(page.get_by_text("Thank you")).to_be_visible()
    found = re.search(r"/orders/(\d+)/", page.url)
    assert found
    return int(found[1])


def _look_at_order(page: Page, admin: str, order_id: int, exposure: str) -> None:
    page.goto(f"{admin.split('/admin/')[0]}/admin/orders/{order_id}")
    mark = page.locator(".property", has_text="_ml_rec")
    expect(mark).to_contain_text(exposure)
    mark.evaluate(MARK)
    _picture(page, "exposure-3-order.png")


def _orders_counted(page: Page, admin: str) -> int:
    page.goto(admin)
    figure = page.frame_locator("iframe").locator(".figures div", has_text="Orders that followed")
    figure.wait_for()
    return int(re.sub(r"\D", "", figure.locator("dd").inner_text()))


def _wait_until_counted(page: Page, admin: str, before: int) -> int:
    until = time.monotonic() + COUNTED_WITHIN_S
    while (after := _orders_counted(page, admin)) <= before and time.monotonic() < until:
        page.wait_for_timeout(1000)
    page.frame_locator("iframe").locator(".figures div", has_text="Orders that followed").evaluate(MARK)
    page.frame_locator("iframe").locator("[role=img] svg.main-svg").first.wait_for()
    _settle(page)
    _picture(page, "exposure-4-overview.png")
    return after


def _settle(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)  # pictures and plots draw themselves after their data


def _picture(page: Page, name: str) -> None:
    page.screenshot(path=TARGET / name)
    print(TARGET / name)


if __name__ == "__main__":
    raise SystemExit(main())
