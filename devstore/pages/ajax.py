"""Shopify's storefront Ajax API: product JSON, the cart, related products, and a checkout for scripts.

https://shopify.dev/docs/api/ajax
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from devstore.changes import ChangeRefusedError, place_order
from devstore.pages import carts, catalog
from devstore.pages.carts import Cart, Line
from devstore.pages.requests import PageRefusedError, Sent, answering, whole
from devstore.platform import Platform
from devstore.proxy import CUSTOMER_COOKIE
from devstore.store import Store

CART_COOKIE = "cart"
CART_LIFE_S = 14 * 24 * 3600


def customer_of(request: Request, store: Store) -> int | None:
    """The signed-in customer of the request, if this shop has one of that id."""
    try:
        customer_id = whole(request.cookies.get(CUSTOMER_COOKIE, ""), what="customer", least=1)
    except PageRefusedError:
        return None
    return customer_id if store.one("SELECT id FROM customers WHERE id = ?", (customer_id,)) else None


def cart_token(request: Request) -> str | None:
    token = request.cookies.get(CART_COOKIE, "")
    return token if 16 <= len(token) <= 64 and token.isascii() and token.isalnum() else None


def keep_cart(response: Response, cart: Cart) -> Response:
    response.set_cookie(CART_COOKIE, cart.token, max_age=CART_LIFE_S, path="/", samesite="lax")
    return response


@dataclass(frozen=True)
class Ajax:
    platform: Platform

    def routes(self) -> list[BaseRoute]:
        read: list[tuple[str, Callable[[Sent], Response]]] = [
            ("/products.json", self.products_json),
            ("/collections/{handle}/products.json", self.collection_json),
            ("/products/{handle}.js", self.product_js),
            ("/recommendations/products.json", self.related_json),
            ("/recommendations/products", self.related_json),
        ]
        cart: list[tuple[str, Callable[[Sent], Response]]] = [
            ("/cart/add", self.add),
            ("/cart/update", self.update),
            ("/cart/change", self.change),
            ("/cart/clear", self.clear),
        ]
        return [
            *(Route(path, answering(handler)) for path, handler in read),
            Route("/cart.js", answering(self.show)),
            Route("/cart.json", answering(self.show)),
            *(
                Route(path + suffix, answering(handler), methods=["POST"])
                for path, handler in cart
                for suffix in ("", ".js", ".json")
            ),
            Route("/checkout", answering(self.checkout), methods=["POST"]),
        ]

    # Products

    def products_json(self, sent: Sent) -> Response:
        return self._listing(sent, collection_id=None)

    def collection_json(self, sent: Sent) -> Response:
        handle = sent.request.path_params["handle"]
        if handle == "all":
            return self._listing(sent, collection_id=None)
        row = self._store(sent).one("SELECT id FROM collections WHERE handle = ?", (handle,))
        if row is None:
            raise PageRefusedError(404, "There is no such collection.", title="Not Found")
        return self._listing(sent, collection_id=row["id"])

    def _listing(self, sent: Sent, *, collection_id: int | None) -> Response:
        query = sent.request.query_params
        limit = whole(query.get("limit", "30"), what="limit", least=1, most=250)
        page = whole(query.get("page", "1"), what="page", least=1, most=1_000_000)
        store = self._store(sent)
        order = "newest" if collection_id is None else "collection"
        rows, _ = catalog.search(
            store, collection_id=collection_id, order=order, limit=limit, offset=(page - 1) * limit
        )
        found = [catalog.as_listing(product) for product in catalog.products(store, rows)]
        return JSONResponse({"products": found})

    def product_js(self, sent: Sent) -> Response:
        product = catalog.product_by_handle(self._store(sent), sent.request.path_params["handle"])
        if product is None:
            raise PageRefusedError(404, "There is no such product.", title="Not Found")
        return JSONResponse(catalog.as_ajax(product))

    def related_json(self, sent: Sent) -> Response:
        query = sent.request.query_params
        product_id = whole(query.get("product_id", ""), what="product_id", least=1)
        limit = whole(query.get("limit", "10"), what="limit", least=1, most=10)
        intent = query.get("intent", "related")
        if intent not in ("related", "complementary"):
            raise PageRefusedError(
                422, "intent must be related or complementary.", title="Invalid parameter error"
            )
        store = self._store(sent)
        if catalog.product_row(store, product_id) is None:
            raise PageRefusedError(
                404, "No product with id is published in the online store", title="Product not found"
            )
        # Complementary products are only ever set by hand, and nobody did here.
        found = catalog.related(store, product_id, limit=limit) if intent == "related" else []
        return JSONResponse({"intent": intent, "products": [catalog.as_ajax(product) for product in found]})

    # The cart

    def show(self, sent: Sent) -> Response:
        store = self._store(sent)
        cart = carts.read_cart(store, cart_token(sent.request))
        return self._cart(store, cart)

    def add(self, sent: Sent) -> Response:
        store, items = self._store(sent), sent.body.get("items")
        several = items is not None
        wanted = items if several else [sent.body]
        if not isinstance(wanted, list) or not 1 <= len(wanted) <= carts.MAX_LINES:
            raise PageRefusedError(422, "items must be a list with something in it.", title="Cart Error")
        if not all(isinstance(item, Mapping) for item in wanted):
            raise PageRefusedError(422, "Each item must be an object.", title="Cart Error")
        added: list[Line] = []

        def change(cart: Cart) -> None:
            added.extend(carts.add_item(store, cart, item) for item in wanted)
            cart.attributes.update(carts.text_pairs(sent.body.get("attributes"), what="attributes"))

        cart = carts.change_cart(store, cart_token(sent.request), change, now=datetime.now(UTC))
        if not sent.wants_json:
            return keep_cart(RedirectResponse("/cart", status_code=303), cart)
        lines = [carts.line_json(store, line) for line in added]
        return keep_cart(JSONResponse({"items": lines} if several else lines[0]), cart)

    def update(self, sent: Sent) -> Response:
        store, updates = self._store(sent), sent.body.get("updates") or {}
        attributes = carts.text_pairs(sent.body.get("attributes"), what="attributes")

        def change(cart: Cart) -> None:
            for line, value in self._updates(cart, updates):
                quantity = whole(value, what="quantity", most=carts.MAX_QUANTITY)
                carts.set_quantity(store, cart, line, quantity)
            cart.attributes.update(attributes)
            cart.attributes = {key: value for key, value in cart.attributes.items() if value != ""}
            if len(cart.attributes) > carts.MAX_PAIRS:
                raise PageRefusedError(422, "There are too many attributes.", title="Cart Error")

        return self._changed(sent, store, change)

    @staticmethod
    def _updates(cart: Cart, updates: object) -> list[tuple[Line, object]]:
        """Quantities by line key or variant id, or a list in the order of the lines."""
        if isinstance(updates, list):
            return list(zip(list(cart.lines), updates, strict=False))
        if not isinstance(updates, Mapping):
            raise PageRefusedError(422, "updates must be an object or a list.", title="Cart Error")
        return [(carts.find_line(cart, name), value) for name, value in updates.items()]

    def change(self, sent: Sent) -> Response:
        store, body = self._store(sent), sent.body
        quantity = body.get("quantity")
        count = None if quantity is None else whole(quantity, what="quantity", most=carts.MAX_QUANTITY)

        def change(cart: Cart) -> None:
            if "line" in body:
                number = whole(body["line"], what="line", least=1, most=carts.MAX_LINES)
                if number > len(cart.lines):
                    raise PageRefusedError(422, "There is no such line in the cart.", title="Cart Error")
                line = cart.lines[number - 1]
            else:
                line = carts.find_line(cart, body.get("id"))
            if "properties" in body:
                line.properties = carts.text_pairs(body["properties"], what="properties")
            carts.set_quantity(store, cart, line, line.quantity if count is None else count)

        return self._changed(sent, store, change)

    def clear(self, sent: Sent) -> Response:
        return self._changed(sent, self._store(sent), lambda cart: cart.lines.clear())

    def _changed(self, sent: Sent, store: Store, change: Callable[[Cart], None]) -> Response:
        cart = carts.change_cart(store, cart_token(sent.request), change, now=datetime.now(UTC))
        if not sent.wants_json:
            return keep_cart(RedirectResponse("/cart", status_code=303), cart)
        return self._cart(store, cart)

    def _cart(self, store: Store, cart: Cart) -> Response:
        return keep_cart(JSONResponse(carts.cart_json(store, cart, currency=store.facts().currency)), cart)

    # Checkout

    def checkout(self, sent: Sent) -> Response:
        """Pay for the cart at once: the order exists and its webhooks are on their way when this answers.

        `test` in the body makes a test order. A cart that cannot be bought is kept as it was.
        """
        store, now = self._store(sent), datetime.now(UTC)
        cart = carts.take_cart(store, cart_token(sent.request))
        lines: list[dict[str, Any]] = [vars(line) for line in cart.lines]
        try:
            if not lines:
                raise PageRefusedError(422, "The cart is empty.", title="Cart Error")
            caused = place_order(
                store,
                lines=lines,
                attributes=cart.attributes,
                customer_id=customer_of(sent.request, store),
                now=now,
                test=sent.body.get("test") in (True, "true", "1", "on"),
                cart_token=cart.token,
            )
        except (ChangeRefusedError, PageRefusedError) as refusal:
            if cart.stored:
                carts.put_back(store, cart, now=now)
            raise PageRefusedError(422, str(refusal), title="Cart Error") from refusal
        self.platform.emit(store, caused)
        order = store.one("SELECT * FROM orders WHERE id = ?", (caused[0].id,))
        if order is None:
            raise PageRefusedError(404, "The order was deleted meanwhile.", title="Not Found")
        status = f"/orders/{order['id']}/{order['checkout_token']}"
        if not sent.wants_json:
            return RedirectResponse(status, status_code=303)
        body = {
            "id": order["id"],
            "name": order["name"],
            "order_number": order["number"],
            "total_price": order["total"],
            "currency": order["currency"],
            "cart_token": order["cart_token"],
            "checkout_token": order["checkout_token"],
            "test": bool(order["test"]),
        }
        return JSONResponse({"order": body, "order_status_url": status}, status_code=201)

    def _store(self, sent: Sent) -> Store:
        return self.platform.store_for(sent.request)
