"""The web pixel extension: its manifest, its bundle, and what a page of the shop tells it.

https://shopify.dev/docs/api/web-pixels-api/standard-events
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class PixelExtensionError(ValueError):
    """The web pixel extension cannot be used; the message names the file and the reason."""


@dataclass(frozen=True)
class PixelExtension:
    """A folder like extensions/pixel.

    Args:
        needs: the kinds of consent without which Shopify does not load it: analytics, marketing, preferences.
        fields: names of its settings.
    """

    handle: str
    folder: Path
    needs: tuple[str, ...]
    fields: tuple[str, ...]

    @property
    def bundle(self) -> Path:
        """Made from src/index.ts by `make setup`; Shopify's CLI makes its own."""
        return self.folder / "dist" / "index.js"


def find_pixel_extension(extensions: Path) -> PixelExtension | None:
    """The first web pixel extension under a folder of extensions, or None. Raises PixelExtensionError."""
    for path in sorted(extensions.glob("*/shopify.extension.toml")):
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise PixelExtensionError(f"{path}: {error}") from error
        if document.get("type") == "web_pixel_extension":
            return _extension(path, document)
    return None


def _extension(path: Path, document: Json) -> PixelExtension:
    privacy = document.get("customer_privacy")
    if document.get("runtime_context") != "strict":
        raise PixelExtensionError(f"{path}: runtime_context must be strict: no other is offered to apps")
    if not isinstance(privacy, dict):
        raise PixelExtensionError(f"{path}: [customer_privacy] is missing")
    kinds = ("analytics", "marketing", "preferences")
    if any(not isinstance(privacy.get(kind), bool) for kind in kinds):
        raise PixelExtensionError(f"{path}: customer_privacy needs {', '.join(kinds)}, each true or false")
    if privacy.get("sale_of_data") not in ("enabled", "disabled", "ldu"):
        raise PixelExtensionError(f"{path}: customer_privacy.sale_of_data must be enabled, disabled or ldu")
    settings = document.get("settings", {})
    return PixelExtension(
        handle=str(document["handle"]),
        folder=path.parent,
        needs=tuple(kind for kind in kinds if privacy[kind]),
        fields=tuple(settings.get("fields", {})),
    )


def page_events(template: str, found: Mapping[str, Any], *, currency: str) -> list[Json]:
    """The standard events of one page, in Shopify's order: `page_viewed`, then what the page is about."""
    events: list[Json] = [{"name": "page_viewed", "data": {}}]
    if template == "product" and "product" in found:
        product = found["product"]
        chosen = product["selected_or_first_available_variant"]
        if chosen:
            data = {"productVariant": _variant(chosen, product, currency)}
            events.append({"name": "product_viewed", "data": data})
    elif template == "collection" and found.get("path") == "/search":
        if found.get("terms"):
            told = {"query": found["terms"], "productVariants": _firsts(found["products"], currency)}
            events.append({"name": "search_submitted", "data": {"searchResult": told}})
    elif template == "collection":
        told = {
            "id": str(found.get("collection_id") or ""),
            "title": found["title"],
            "productVariants": _firsts(found["products"], currency),
        }
        events.append({"name": "collection_viewed", "data": {"collection": told}})
    elif template == "cart":
        events.append({"name": "cart_viewed", "data": {"cart": cart(found["cart"], currency)}})
    elif template == "thanks" and "checkout" in found:
        events.append(
            {"name": "checkout_started", "data": {"checkout": {**found["checkout"], "order": None}}}
        )
        events.append({"name": "checkout_completed", "data": {"checkout": found["checkout"]}})
    return events


def cart(found: Mapping[str, Any], currency: str) -> Json:
    """A cart of the Ajax API as a pixel sees it."""
    lines = [
        {
            "cost": {"totalAmount": _money(item["line_price"], currency)},
            "quantity": item["quantity"],
            "merchandise": {
                "id": str(item["variant_id"]),
                "title": item["variant_title"],
                "sku": item["sku"],
                "price": _money(item["price"], currency),
                "image": {"src": item["image"]},
                "product": {
                    "id": str(item["product_id"]),
                    "title": item["product_title"],
                    "vendor": item["vendor"],
                    "type": item["product_type"],
                    "url": item["url"],
                },
            },
        }
        for item in found["items"]
    ]
    return {
        "id": found["token"],
        "lines": lines,
        "totalQuantity": found["item_count"],
        "cost": {"totalAmount": _money(found["total_price"], currency)},
        "attributes": [{"key": key, "value": value} for key, value in found["attributes"].items()],
    }


def checkout(order: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> Json:
    """A finished checkout. It names the buyer, as Shopify's does: a pixel that reads that is seen here."""
    return {
        "token": order["checkout_token"],
        "currencyCode": order["currency"],
        "email": "buyer@example.com",
        "phone": "+44 20 7946 0958",
        "billingAddress": {
            "firstName": "Ann",
            "lastName": "Buyer",
            "address1": "1 High Street",
            "zip": "E1 6AN",
        },
        "shippingAddress": {
            "firstName": "Ann",
            "lastName": "Buyer",
            "address1": "1 High Street",
            "zip": "E1 6AN",
        },
        "attributes": [],
        "lineItems": [
            {
                "id": str(line["id"]),
                "title": line["title"],
                "quantity": line["quantity"],
                "properties": [],
                "variant": {
                    "id": str(line["variant_id"] or ""),
                    "title": line["variant_title"],
                    "price": {"amount": float(line["price"]), "currencyCode": order["currency"]},
                    "product": {"id": str(line["product_id"] or ""), "title": line["title"]},
                },
            }
            for line in lines
        ],
        "order": {
            "id": str(order["id"]),
            "customer": {"id": str(order["customer_id"] or ""), "isFirstOrder": False},
        },
        "totalPrice": {"amount": float(order["total"]), "currencyCode": order["currency"]},
    }


def _firsts(products: Iterable[Mapping[str, Any]], currency: str) -> list[Json]:
    return [
        _variant(product["selected_or_first_available_variant"], product, currency)
        for product in products
        if product["selected_or_first_available_variant"]
    ]


def _variant(variant: Mapping[str, Any], product: Mapping[str, Any], currency: str) -> Json:
    return {
        "id": str(variant["id"]),
        "title": variant["title"],
        "untranslatedTitle": variant["title"],
        "sku": variant.get("sku"),
        "price": _money(variant["price"], currency),
        "image": {"src": product["featured_image"]},
        "product": {
            "id": str(product["id"]),
            "title": product["title"],
            "untranslatedTitle": product["title"],
            "vendor": product["vendor"],
            "type": product["type"],
            "url": product["url"],
        },
    }


def _money(cents: int, currency: str) -> Json:
    return {"amount": cents / 100, "currencyCode": currency}
