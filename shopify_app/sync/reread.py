"""Reads one object again from Shopify, when a webhook says that it changed but not into what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mlops.features.events import Event
from shopify_app.graphql.client import AdminClient
from shopify_app.sync import customers
from shopify_app.sync.translate import rows
from shopify_app.sync.translate.values import node_id
from tenancy import pseudonyms

# Points asked per page: about 350 for 50 lines, 250 for 100 variants and for 250 members; one call may ask 1,000.
LINES_PER_PAGE = 50
VARIANTS_PER_PAGE = 100
MEMBERS_PER_PAGE = 250


class Kind(StrEnum):
    ORDER = "Order"
    PRODUCT = "Product"
    COLLECTION = "Collection"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object to read again."""

    kind: Kind
    id: int

    @property
    def gid(self) -> str:
        return f"gid://shopify/{self.kind}/{self.id}"


def read(client: AdminClient, wanted: Wanted) -> list[Event]:
    """The object as events; empty when it is gone (its deletion has a webhook of its own).

    Raises:
        as `AdminClient.run`, and Untranslatable.
    """
    if wanted.kind is Kind.ORDER:
        pages = list(_pages(client, "OrderById", wanted.gid, "lines", LINES_PER_PAGE, ("order", "lineItems")))
        if not pages:
            return []
        first = customers.in_row(pseudonyms.of(client.shop), pages[0]["order"])
        lines = [line for page in pages for line in page["order"]["lineItems"]["nodes"]]
        return [rows.order(first, lines), *rows.refunds(first)]
    if wanted.kind is Kind.PRODUCT:
        pages = list(
            _pages(client, "ProductById", wanted.gid, "variants", VARIANTS_PER_PAGE, ("product", "variants"))
        )
        if not pages:
            return []
        variants = [variant for page in pages for variant in page["product"]["variants"]["nodes"]]
        return [rows.product(pages[0]["product"], variants)]
    pages = list(
        _pages(client, "CollectionById", wanted.gid, "products", MEMBERS_PER_PAGE, ("collection", "products"))
    )
    if not pages:
        return []
    members = [
        node_id(node, "products.id") for page in pages for node in page["collection"]["products"]["nodes"]
    ]
    return [rows.collection(pages[0]["collection"], [each for each in members if each])]


def _pages(
    client: AdminClient, document: str, gid: str, size_name: str, size: int, path: tuple[str, str]
) -> Iterator[dict[str, Any]]:
    after = None
    while True:
        data = client.run(document, {"id": gid, size_name: size, "after": after})
        if data.get(path[0]) is None:
            return
        yield data
        info = data[path[0]][path[1]]["pageInfo"]
        if not info["hasNextPage"]:
            return
        after = info["endCursor"]
