"""What Shopify's CDN serves: App Bridge, Polaris, theme and extension assets, product pictures.

The stand-ins for App Bridge and Polaris live in devstore/standin; see the head of each file.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from devstore.liquid_theme import ThemeExtension
from devstore.pages.pictures import draw
from devstore.pages.requests import MAX_ID
from devstore.platform import Platform
from devstore.web_pixels import PixelExtension

STANDIN = Path(__file__).parent.parent / "standin"
THEME = Path(__file__).parent.parent / "theme"
TOKENS = Path("node_modules/@shopify/polaris-tokens/dist/css/styles.css")
# The order matters: each file uses what the ones before it define.
POLARIS_PARTS = (
    "core", "layout", "icons", "text", "actions", "feedback", "fields", "choices", "table", "overlays",
)  # fmt: skip
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".wasm": "application/wasm",
}
BROUGHT_ALONG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

POLARIS_HEAD = """/*
 * A stand-in for Shopify's Polaris web components (polaris.js), for local use with devstore only.
 *
 * In production the app loads https://cdn.shopify.com/shopifycloud/polaris.js; only the script host differs.
 * This covers the part of @shopify/polaris-types that is in use here, on the colours, spaces and shadows of
 * @shopify/polaris-tokens. Nothing of Shopify's own script is in it.
 */
"""


@dataclass(frozen=True)
class Cdn:
    """Serves files whole, with an ETag. `tokens` is the stylesheet of @shopify/polaris-tokens."""

    platform: Platform
    extension: ThemeExtension | None
    pixel: PixelExtension | None = None
    tokens: Path = TOKENS

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/cdn/shopifycloud/app-bridge.js", self.app_bridge),
            Route("/cdn/shopifycloud/polaris.js", self.polaris),
            Route("/cdn/shopifycloud/polaris-tokens.css", self.tokens_css),
            Route("/cdn/devstore/admin/{name}", self.admin_asset),
            Route("/cdn/theme/{name}", self.theme_asset),
            Route("/cdn/extensions/{handle}/assets/{name}", self.extension_asset),
            Route("/cdn/web-pixels/manager.js", self.pixel_manager),
            Route("/cdn/web-pixels/sandbox", self.pixel_sandbox),
            Route("/cdn/web-pixels/{handle}/index.js", self.pixel_bundle),
            Route("/cdn/images/{product_id:int}.svg", self.picture),
        ]

    def app_bridge(self, request: Request) -> Response:
        return _file(request, STANDIN / "app-bridge.js")

    def polaris(self, request: Request) -> Response:
        try:
            tokens = self.tokens.read_text(encoding="utf-8")
        except OSError:
            return PlainTextResponse(f"{self.tokens} is missing: run `make setup`.", status_code=503)
        parts = [(STANDIN / "polaris" / f"{name}.js").read_text(encoding="utf-8") for name in POLARIS_PARTS]
        script = "\n".join(
            [
                POLARIS_HEAD + "(() => {\n'use strict';",
                f"const tokens = new CSSStyleSheet();\ntokens.replaceSync({json.dumps(tokens)});",
                "document.adoptedStyleSheets = [...document.adoptedStyleSheets, tokens];",
                *parts,
                "})();\n",
            ]
        )
        return _answer(request, script.encode(), ".js")

    def tokens_css(self, request: Request) -> Response:
        return _file(request, self.tokens)

    def admin_asset(self, request: Request) -> Response:
        return _file(request, _inside(STANDIN / "admin", request.path_params["name"]))

    def theme_asset(self, request: Request) -> Response:
        return _file(request, _inside(THEME / "assets", request.path_params["name"]))

    def extension_asset(self, request: Request) -> Response:
        if self.extension is None or request.path_params["handle"] != self.extension.handle:
            return PlainTextResponse("Not found", status_code=404)
        return _file(request, _inside(self.extension.folder / "assets", request.path_params["name"]))

    def pixel_manager(self, request: Request) -> Response:
        return _file(request, STANDIN / "web-pixels.js")

    def pixel_sandbox(self, request: Request) -> Response:
        return _file(request, STANDIN / "web-pixel-sandbox.html")

    def pixel_bundle(self, request: Request) -> Response:
        if self.pixel is None or request.path_params["handle"] != self.pixel.handle:
            return PlainTextResponse("Not found", status_code=404)
        if not self.pixel.bundle.is_file():
            return PlainTextResponse(f"{self.pixel.bundle} is missing: run `make setup`.", status_code=503)
        return _file(request, self.pixel.bundle)

    def picture(self, request: Request) -> Response:
        store = self.platform.store_for(request)
        product_id = request.path_params["product_id"]
        known = product_id <= MAX_ID
        row = store.one("SELECT * FROM products WHERE id = ?", (product_id,)) if known else None
        if row is None:
            return PlainTextResponse("Not found", status_code=404)
        return _answer(
            request, draw(row["id"], row["title"], row["product_type"]).encode(), ".svg", max_age=3600
        )


def _inside(folder: Path, name: str) -> Path | None:
    """A file of the folder itself, or None for a name that points elsewhere."""
    return folder / name if BROUGHT_ALONG.fullmatch(name) else None


def _file(request: Request, path: Path | None) -> Response:
    if path is None or path.suffix not in TYPES or not path.is_file():
        return PlainTextResponse("Not found", status_code=404)
    return _answer(request, path.read_bytes(), path.suffix)


def _answer(request: Request, body: bytes, suffix: str, *, max_age: int = 0) -> Response:
    tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    headers = {
        "ETag": tag,
        "Cache-Control": f"public, max-age={max_age}" if max_age else "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Access-Control-Allow-Origin": "*",
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=TYPES[suffix], headers=headers)
