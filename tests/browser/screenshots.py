"""Pictures of the running demo for the README: `make screenshots`, while `make demo` runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from tenancy.embedded import default_folder
from tests.chromium import open_browser

TARGET = Path(__file__).resolve().parents[2] / "docs" / "images"
DESK, PHONE = (1280, 1500), (390, 844)


def main() -> int:
    try:
        facts: dict[str, Any] = json.loads((default_folder() / "demo.json").read_text())
    except OSError:
        print("start `make demo` first and leave it running", file=sys.stderr)
        return 1
    TARGET.mkdir(parents=True, exist_ok=True)
    admin, storefront = facts["addresses"]["admin"], facts["addresses"]["storefront"]
    with open_browser() as browser:
        _picture(browser, admin, "admin-overview.png", DESK)
        _picture(browser, admin, "admin-overview-phone.png", PHONE)
        _picture(
            browser,
            f"{storefront}{_a_product(browser, storefront)}",
            "storefront-product.png",
            (1280, 1250),
            block=True,
        )
    return 0


def _a_product(browser: Browser, storefront: str) -> str:
    page = browser.new_page()
    page.goto(storefront)
    page.wait_for_selector("shelfwise-recommendations[data-state=shown] a[href*='/products/']")
    found = page.locator("shelfwise-recommendations a[href*='/products/']").first.get_attribute("href")
    page.close()
    return (found or "").lstrip("/")


def _picture(browser: Browser, url: str, name: str, size: tuple[int, int], *, block: bool = False) -> None:
    page: Page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(url, wait_until="networkidle")
    if block:
        page.wait_for_selector("shelfwise-recommendations[data-state=shown]")
    page.wait_for_timeout(2500)  # plots draw themselves after their data
    page.screenshot(path=TARGET / name)
    print(TARGET / name)
    page.close()


if __name__ == "__main__":
    raise SystemExit(main())
