"""The real browser of the tests: CHROMIUM=path, else the one that `make setup` unpacked, else an installed one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

PACKED = Path(__file__).resolve().parent.parent / ".cache" / "chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless Chromium for the length of the block.

    Raises:
        FileNotFoundError: no browser is to be had; the message says how to name one.
    """
    path, environment = _find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=QUIET, env={**os.environ, **environment}
        )
        try:
            yield browser
        finally:
            browser.close()


def _find() -> tuple[str, dict[str, str]]:
    given = os.environ.get("CHROMIUM")
    if given:
        return given, {}
    if (PACKED / "chromium").exists():
        return str(PACKED / "chromium"), {
            "LD_LIBRARY_PATH": str(PACKED / "lib"),
            "FONTCONFIG_PATH": str(PACKED / "fonts"),
        }
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found, {}
    raise FileNotFoundError("no browser: run `make setup` (Linux x64) or set CHROMIUM=/path/to/chrome")
