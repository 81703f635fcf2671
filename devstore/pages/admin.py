"""The shop's admin: a frame that looks like Shopify's, embeds the app, and shows the store's own orders and products."""

from __future__ import annotations

import json
import math
import sqlite3
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from devstore.liquid_filters import handleize
from devstore.liquid_theme import ThemeExtension, page, templates
from devstore.pages.catalog import Json, cents
from devstore.pages.cdn import STANDIN
from devstore.pages.requests import MAX_ID, PageRefusedError, Sent, answering, page_number, whole
from devstore.pages.storefront import PLACED_BLOCKS
from devstore.platform import Platform
from devstore.shelf import Staff
from devstore.store import Store

PER_PAGE = 50
STAFF_COOKIE = "devstore_staff"
RECOMMENDATION_PROPERTY = "_ml_rec"
# The frame adds these to the app's address itself; what a visitor types must not stand beside them.
FRAME_PARAMETERS = frozenset(
    {"embedded", "hmac", "host", "id_token", "locale", "session", "shop", "staff", "timestamp"}
)
NAVIGATION = (
    ("home", "Home", "/admin", "M3.5 9.5 10 4l6.5 5.5V16H12v-4H8v4H3.5Z"),
    ("orders", "Orders", "/admin/orders", "M4.5 11V4h11v7M4.5 11h3l1 2h3l1-2h3v5h-11z"),
    ("products", "Products", "/admin/products", "M10.5 3.5H16V9l-7 7-5.5-5.5zM13.2 6.4v.1"),
    ("customers", "Customers", "/admin/customers", "M10 4a2.8 2.8 0 1 0 0 5.6A2.8 2.8 0 0 0 10 4ZM4.5 16c.6-3 2.7-4.5 5.5-4.5s4.9 1.5 5.5 4.5"),
    ("analytics", "Analytics", "/admin/analytics", "M4.5 16v-6M10 16V4.5M15.5 16V7.5"),
)  # fmt: skip
TONES = {"PAID": "", "PENDING": "warn", "REFUNDED": "", "PARTIALLY_REFUNDED": "warn", "VOIDED": ""}
_PAGES = templates(STANDIN / "admin", asset_root="/cdn/devstore/admin/")


@dataclass(frozen=True)
class Admin:
    platform: Platform
    extension: ThemeExtension | None

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/admin", answering(self.home)),
            Route("/admin/", answering(self.home)),
            Route("/admin/orders", answering(self.orders)),
            Route("/admin/orders/{order_id}", answering(self.order)),
            Route("/admin/products", answering(self.products)),
            Route("/admin/customers", answering(self.customers)),
            Route("/admin/analytics", answering(self.analytics)),
            Route("/admin/settings/apps", answering(self.settings)),
            Route("/admin/themes/{rest:path}", answering(self.themes)),
            Route("/admin/apps/{handle}", answering(self.app)),
            Route("/admin/apps/{handle}/{path:path}", answering(self.app)),
        ]

    @property
    def handle(self) -> str:
        return handleize(self.platform.app.name)

    # The app

    def app(self, sent: Sent) -> Response:
        """Opening the app installs it when it is not (managed installation), then loads it in the iframe."""
        request = sent.request
        if request.path_params["handle"] not in (self.handle, self.platform.app.client_id):
            raise PageRefusedError(404, "There is no such app here.")
        store, staff = self.platform.store_for(request), self._staff(sent)
        install = self.platform.install_if_needed(store.domain)
        path = "/" + request.path_params.get("path", "").lstrip("/")
        query = [
            (key, value)
            for key, value in parse_qsl(request.url.query, keep_blank_values=True)
            if key not in FRAME_PARAMETERS
        ]
        embedded = self.platform.embedded_request(
            store.domain, staff.id, path="" if path == "/" else path, query=urlencode(query)
        )
        root = urlsplit(self.platform.app.application_url)
        found = {
            "frame_url": embedded.url,
            "app_origin": f"{root.scheme}://{root.netloc}",
            "app_root": root.path.rstrip("/"),
            "scopes": ",".join(sorted(install.scopes)),
            "theme_extension": json.dumps(self._extensions()),
        }
        return self._page(sent, "app", found, title=self.platform.app.name, here="app")

    def _extensions(self) -> list[Json]:
        """What App Bridge's `shopify.app.extensions()` tells: the app blocks, and where the theme has them."""
        if self.extension is None:
            return []
        return [
            {
                "handle": self.extension.handle,
                "type": "theme_app_extension",
                "activations": [
                    {
                        "target": "section",
                        "handle": block.handle,
                        "name": block.name,
                        "status": "active",
                        "activations": [
                            {"target": f"template--{name}", "themeId": "main"} for name in PLACED_BLOCKS
                        ],
                    }
                    for block in self.extension.blocks()
                ],
            }
        ]

    # The store's own pages

    def home(self, sent: Sent) -> Response:
        counts = self.platform.store_for(sent.request).counts()
        return self._page(sent, "home", {"counts": counts}, title="Home", here="home")

    def analytics(self, sent: Sent) -> Response:
        words = "The local store draws no reports. What the app's models earn is shown by the app."
        return self._page(sent, "plain", {"words": words}, title="Analytics", here="analytics")

    def themes(self, sent: Sent) -> Response:
        words = "The local theme has no editor. It holds the app block on the home, product and cart pages."
        return self._page(sent, "plain", {"words": words}, title="Online store theme", here="home")

    def settings(self, sent: Sent) -> Response:
        store = self.platform.store_for(sent.request)
        install = self.platform.installs.active(store.domain)
        scopes = sorted(install.scopes) if install else []
        return self._page(sent, "settings", {"scopes": scopes}, title="Settings", here="settings")

    def orders(self, sent: Sent) -> Response:
        store = self.platform.store_for(sent.request)
        number, offset = page_number(sent.request, per_page=PER_PAGE)
        rows = store.read(
            "SELECT o.*, (SELECT sum(quantity) FROM order_lines l WHERE l.order_id = o.id) AS items,"
            " (SELECT count(*) FROM order_lines l WHERE l.order_id = o.id AND instr(l.properties, ?)) AS recommended"
            " FROM orders o ORDER BY o.processed_at DESC, o.id DESC LIMIT ? OFFSET ?",
            (f'"{RECOMMENDATION_PROPERTY}"', PER_PAGE, offset),
        )
        count = store.one("SELECT count(*) FROM orders")
        found = {
            "orders": [
                _order(store, row) | {"items": row["items"], "recommended": row["recommended"]}
                for row in rows
            ],
            "page_number": number,
            "pages": _pages(count),
        }
        return self._page(sent, "orders", found, title="Orders", here="orders")

    def order(self, sent: Sent) -> Response:
        store = self.platform.store_for(sent.request)
        order_id = whole(sent.request.path_params["order_id"], what="order", most=MAX_ID)
        row = store.one("SELECT * FROM orders WHERE id = ?", (order_id,))
        if row is None:
            raise PageRefusedError(404, "There is no such order.", title="Not Found")
        lines = store.read("SELECT * FROM order_lines WHERE order_id = ? ORDER BY position", (order_id,))
        refunds = store.read("SELECT * FROM refunds WHERE order_id = ? ORDER BY id", (order_id,))
        order = _order(store, row)
        order["lines"] = [
            {
                **{
                    key: line[key]
                    for key in ("title", "variant_title", "sku", "quantity", "current_quantity")
                },
                "image": f"/cdn/images/{line['product_id']}.svg" if line["product_id"] else "",
                "price": cents(line["price"]),
                "sum": (cents(line["price"]) or 0) * line["quantity"] - (cents(line["total_discount"]) or 0),
                "properties": json.loads(line["properties"]),
            }
            for line in lines
        ]
        shown = [
            {"created_at": _day(r["created_at"]), "amount": cents(r["amount"]), "note": r["note"]}
            for r in refunds
        ]
        return self._page(sent, "order", {"order": order, "refunds": shown}, title=row["name"], here="orders")

    def products(self, sent: Sent) -> Response:
        store = self.platform.store_for(sent.request)
        query = sent.request.query_params.get("q", "").strip()[:200]
        number, offset = page_number(sent.request, per_page=PER_PAGE)
        pattern = "%" + query.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        rows = store.read(
            "SELECT p.*, min(CAST(v.price AS REAL)) AS price, sum(v.available) AS stock, max(v.tracked) AS tracked,"
            " count(v.id) AS variants FROM products p LEFT JOIN variants v ON v.product_id = p.id"
            r" WHERE p.title LIKE ? ESCAPE '\' GROUP BY p.id ORDER BY p.title, p.id LIMIT ? OFFSET ?",
            (pattern, PER_PAGE, offset),
        )
        found = {
            "products": [_listed(row) for row in rows],
            "query": query,
            "page_number": number,
            "pages": _pages(
                store.one(r"SELECT count(*) FROM products WHERE title LIKE ? ESCAPE '\'", (pattern,))
            ),
        }
        return self._page(sent, "products", found, title="Products", here="products")

    def customers(self, sent: Sent) -> Response:
        store = self.platform.store_for(sent.request)
        number, offset = page_number(sent.request, per_page=PER_PAGE)
        rows = store.read(
            "SELECT c.id, c.first_name, c.last_name, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS orders"
            " FROM customers c ORDER BY c.id DESC LIMIT ? OFFSET ?",
            (PER_PAGE, offset),
        )
        shown = [{"id": row["id"], "name": _name(row), "orders": row["orders"]} for row in rows]
        found = {
            "customers": shown,
            "page_number": number,
            "pages": _pages(store.one("SELECT count(*) FROM customers")),
        }
        return self._page(sent, "customers", found, title="Customers", here="customers")

    # The frame around every page

    def _staff(self, sent: Sent) -> Staff:
        """Who is looking: `?staff=`, else whoever looked last in this browser, else the owner."""
        domain = self.platform.store_for(sent.request).domain
        asked = sent.request.query_params.get("staff")
        if asked:
            try:
                return self.platform.staff_member(domain, whole(asked, what="staff", least=1))
            except LookupError:
                raise PageRefusedError(404, "There is no such staff member.", title="Not Found") from None
        try:
            last = whole(sent.request.cookies.get(STAFF_COOKIE, ""), what="staff", least=1)
            return self.platform.staff_member(domain, last)
        except (LookupError, PageRefusedError):
            return self.platform.staff_member(domain)

    def _page(self, sent: Sent, template: str, found: Json, *, title: str, here: str) -> Response:
        request = sent.request
        store = self.platform.store_for(request)
        staff, app = self._staff(sent), self.platform.app
        context: dict[str, Any] = {
            "title": title,
            "here": here,
            "shop": store.values(),
            "staff": vars(staff),
            "all_staff": [vars(member) for member in self.platform.staff(store.domain)],
            "navigation": [
                {"key": key, "label": label, "href": href, "icon": icon}
                for key, label, href, icon in NAVIGATION
            ],
            "app": {
                "name": app.name,
                "handle": self.handle,
                "client_id": app.client_id,
                "application_url": app.application_url,
            },
            "installed": self.platform.installs.active(store.domain) is not None,
            "storefront": str(request.base_url).rstrip("/"),
            "query": "",
            **found,
        }
        response = HTMLResponse(page(_PAGES, template, context))
        response.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
        response.set_cookie(STAFF_COOKIE, str(staff.id), path="/admin", samesite="lax", httponly=True)
        return response


def _pages(count: sqlite3.Row | None) -> int:
    return max(1, math.ceil((count[0] if count else 0) / PER_PAGE))


def _day(text: str | None) -> str:
    return "" if not text else text.replace("T", " ").removesuffix("Z") + " UTC"


def _name(row: sqlite3.Row) -> str:
    return " ".join(part for part in (row["first_name"], row["last_name"]) if part) or "No name"


def _listed(row: sqlite3.Row) -> Json:
    stock = f"{row['stock']} in stock" if row["tracked"] else "Not tracked"
    return {
        "title": row["title"],
        "handle": row["handle"],
        "status": row["status"].capitalize(),
        "live": row["status"] == "ACTIVE" and row["published_at"] is not None,
        "type": row["product_type"],
        "vendor": row["vendor"],
        "price": round((row["price"] or 0) * 100),
        "stock": stock + (f" for {row['variants']} variants" if row["variants"] > 1 else ""),
        "image": row["image_url"] or f"/cdn/images/{row['id']}.svg",
    }


def _order(store: Store, row: sqlite3.Row) -> Json:
    customer = None
    if row["customer_id"] is not None:
        customer = store.one(
            "SELECT first_name, last_name FROM customers WHERE id = ?", (row["customer_id"],)
        )
    money = ("subtotal", "total", "total_shipping", "total_tax", "total_refunded")
    return {
        "id": row["id"],
        "name": row["name"],
        "test": bool(row["test"]),
        "processed_at": _day(row["processed_at"]),
        "cancelled_at": row["cancelled_at"],
        "financial_status": row["financial_status"].replace("_", " ").capitalize(),
        "fulfillment_status": row["fulfillment_status"].replace("_", " ").capitalize(),
        "tone": TONES.get(row["financial_status"], ""),
        "source_name": row["source_name"],
        "cart_token": row["cart_token"],
        "attributes": json.loads(row["attributes"]),
        "customer": _name(customer) if customer else "No customer",
        **{name: cents(row[name]) for name in money},
    }
