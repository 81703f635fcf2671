"""The shop as buyers see it: home, collections, search, product, cart, thank-you, sign-in stand-in."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from devstore.liquid_theme import ThemeExtension, page, templates
from devstore.pages import carts, catalog
from devstore.pages.ajax import cart_token, customer_of
from devstore.pages.catalog import Json
from devstore.pages.cdn import THEME
from devstore.pages.requests import MAX_ID, PageRefusedError, Sent, answering, page_number, whole
from devstore.pages.shop_pixel import ShopPixel
from devstore.platform import Platform
from devstore.proxy import CUSTOMER_COOKIE
from devstore.store import Store
from devstore.web_pixels import checkout

PER_PAGE = 24
MAX_QUERY = 200
BLOCK = "recommendations"
# Where the merchant of this theme put the app block: template name -> settings over the block's defaults.
PLACED_BLOCKS: dict[str, dict[str, Any]] = {
    "index": {"slot": "home", "heading": "Popular right now"},
    "product": {"slot": "product_page", "heading": "You may also like"},
    "cart": {"slot": "cart", "heading": "Goes well with your cart"},
}
_THEME = templates(THEME, asset_root="/cdn/theme/")


@dataclass(frozen=True)
class Storefront:
    platform: Platform
    extension: ThemeExtension | None
    pixel: ShopPixel

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/", answering(self.home)),
            Route("/products/{handle}", answering(self.product)),
            Route("/collections", answering(self.collections)),
            Route("/collections/{handle}", answering(self.collection)),
            Route("/search", answering(self.search)),
            Route("/cart", answering(self.cart)),
            Route("/orders/{order_id}/{token}", answering(self.thanks)),
            Route("/account/login", answering(self.login)),
            Route("/account/logout", answering(self.logout)),
        ]

    def home(self, sent: Sent) -> Response:
        store = self._store(sent)
        rows, count = catalog.search(store, order="newest", limit=8)
        return self._page(
            sent,
            "index",
            {
                "collections": catalog.collections(store, limit=8),
                "products": catalog.products(store, rows),
                "products_count": count,
            },
        )

    def collections(self, sent: Sent) -> Response:
        return self._page(
            sent, "list-collections", {"collections": catalog.collections(self._store(sent), limit=250)}
        )

    def collection(self, sent: Sent) -> Response:
        store, handle = self._store(sent), sent.request.path_params["handle"]
        if handle == "all":
            return self._grid(sent, title="All products", path="/collections/all")
        row = store.one("SELECT id, title, handle FROM collections WHERE handle = ?", (handle,))
        if row is None:
            return self._missing(sent)
        return self._grid(
            sent, title=row["title"], path=f"/collections/{row['handle']}", collection_id=row["id"]
        )

    def search(self, sent: Sent) -> Response:
        terms = sent.request.query_params.get("q", "").strip()[:MAX_QUERY]
        title = f"Results for “{terms}”" if terms else "Search"
        return self._grid(sent, title=title, path="/search", text=terms)

    def _grid(
        self, sent: Sent, *, title: str, path: str, text: str = "", collection_id: int | None = None
    ) -> Response:
        store = self._store(sent)
        number, offset = page_number(sent.request, per_page=PER_PAGE)
        order = "title" if collection_id is None else "collection"
        rows, count = catalog.search(
            store, text=text, collection_id=collection_id, order=order, limit=PER_PAGE, offset=offset
        )
        found = {
            "title": title,
            "path": path,
            "collection_id": collection_id,
            "terms": text,
            "products": catalog.products(store, rows),
            "products_count": count,
            "page_number": number,
            "pages": max(1, math.ceil(count / PER_PAGE)),
        }
        return self._page(sent, "collection", found)

    def product(self, sent: Sent) -> Response:
        product = catalog.product_by_handle(self._store(sent), sent.request.path_params["handle"])
        if product is None:
            return self._missing(sent)
        wanted = sent.request.query_params.get("variant", "")
        chosen = next((item for item in product["variants"] if str(item["id"]) == wanted), None)
        product["selected_or_first_available_variant"] = (
            chosen or product["selected_or_first_available_variant"]
        )
        return self._page(sent, "product", {"product": product})

    def cart(self, sent: Sent) -> Response:
        return self._page(sent, "cart", {})

    def thanks(self, sent: Sent) -> Response:
        store = self._store(sent)
        order_id = whole(sent.request.path_params["order_id"], what="order", most=MAX_ID)
        order = store.one("SELECT * FROM orders WHERE id = ?", (order_id,))
        # The token is what lets a stranger see an order: an id can be guessed.
        if order is None or order["checkout_token"] != sent.request.path_params["token"]:
            return self._missing(sent)
        lines = store.read("SELECT * FROM order_lines WHERE order_id = ? ORDER BY position", (order["id"],))
        shown = {
            "name": order["name"],
            "total": catalog.cents(order["total"]),
            "shipping": catalog.cents(order["total_shipping"]),
            "lines": [
                {
                    "title": line["title"],
                    "variant_title": line["variant_title"],
                    "quantity": line["quantity"],
                    "price": catalog.cents(line["price"]),
                    "properties": _visible(json.loads(line["properties"])),
                }
                for line in lines
            ],
        }
        told = checkout(dict(order), [dict(line) for line in lines])
        return self._page(
            sent, "thanks", {"order": shown, "checkout": told, "title": f"Thank you: order {order['name']}"}
        )

    def login(self, sent: Sent) -> Response:
        """Signs in whoever is asked for: a stand-in, with no password, for the local shop only."""
        store, wanted = self._store(sent), sent.request.query_params.get("customer_id")
        if wanted is None:
            rows = store.read("SELECT id, first_name, last_name FROM customers ORDER BY id LIMIT 12")
            return self._page(sent, "login", {"customers": [dict(row) for row in rows]})
        customer_id = whole(wanted, what="customer_id", least=1)
        if store.one("SELECT id FROM customers WHERE id = ?", (customer_id,)) is None:
            raise PageRefusedError(404, "There is no such customer.", title="Not Found")
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(CUSTOMER_COOKIE, str(customer_id), path="/", samesite="lax", httponly=True)
        return response

    def logout(self, sent: Sent) -> Response:
        response = RedirectResponse("/", status_code=303)
        response.delete_cookie(CUSTOMER_COOKIE, path="/")
        return response

    # Rendering

    def _store(self, sent: Sent) -> Store:
        return self.platform.store_for(sent.request)

    def _missing(self, sent: Sent) -> Response:
        return self._page(sent, "404", {"title": "Page not found"}, status=404)

    def _page(self, sent: Sent, template: str, found: Json, *, status: int = 200) -> Response:
        context = self._context(sent, template) | found
        context["app_block"] = self._block(template, context)
        context["web_pixels"] = self.pixel.facts(template, context)
        return HTMLResponse(page(_THEME, template, context), status_code=status)

    def _context(self, sent: Sent, template: str) -> Json:
        """The global objects of Liquid, as far as templates and the block use them."""
        store, request = self._store(sent), sent.request
        facts = store.facts()
        cart = carts.cart_json(store, carts.read_cart(store, cart_token(request)), currency=facts.currency)
        customer_id = customer_of(request, store)
        currency = {"iso_code": facts.currency}
        return {
            "shop": {
                "name": facts.name,
                "currency": facts.currency,
                "domain": request.headers.get("host", facts.domain),
                "permanent_domain": facts.domain,
            },
            "cart": cart | {"currency": currency},
            "customer": {"id": customer_id} if customer_id else None,
            "routes": {
                "root_url": "/",
                "cart_url": "/cart",
                "cart_add_url": "/cart/add",
                "search_url": "/search",
                "all_products_collection_url": "/collections/all",
                "product_recommendations_url": "/recommendations/products",
            },
            "request": {
                "design_mode": False,
                "host": request.url.hostname,
                "path": request.url.path,
                "page_type": template,
                "locale": {"iso_code": "en"},
            },
            "localization": {
                "country": {"iso_code": facts.country, "currency": currency},
                "language": {"iso_code": "en"},
            },
            "template": {"name": template},
            "menu": catalog.collections(store, limit=6),
            "year": datetime.now(UTC).year,
        }

    def _block(self, template: str, context: Json) -> Markup:
        """The app block where the merchant put it; nothing while the app is not installed, as on Shopify."""
        settings = PLACED_BLOCKS.get(template)
        installed = self.platform.installs.active(context["shop"]["permanent_domain"]) is not None
        if settings is None or self.extension is None or not installed:
            return Markup("")
        html = self.extension.render(
            BLOCK, block_id=f"shelfwise_{template}", context=context, settings=settings
        )
        return Markup(html)  # noqa: S704 - the block escapes by itself; tests hold it to that


def _visible(properties: list[dict[str, str]]) -> list[dict[str, str]]:
    """Buyers do not see properties whose name starts with an underscore."""
    return [pair for pair in properties if not pair["key"].startswith("_")]
