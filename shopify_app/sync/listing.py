"""What Shopify lists: pages of a search, counts of periods, ids that still exist. Asks; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from mlops.features import tombstones
from mlops.features.attribute_values import LONGEST_RAW
from mlops.features.events import CustomerChanged, StockChanged
from shopify_app.graphql.client import AdminClient
from shopify_app.sync import customers
from shopify_app.sync.differences import State
from shopify_app.sync.translate import rows
from shopify_app.sync.translate.values import Untranslatable, moment, money, number, shop_money, text, whole
from tenancy import pseudonyms
from tenancy.models import Shop

Row = Mapping[str, Any]
PERIODS_PER_CALL = 16
IDS_PER_CALL = 250
# About 390 points with their levels.
STOCK_ITEMS_PER_PAGE = 5
CUSTOMER = "Customer"


@dataclass(frozen=True, slots=True)
class Listed:
    """How Shopify lists one resource.

    Args:
        document, root: the operation and its connection.
        type: the name in Shopify's ids.
        size: objects per page, about 300 points at most.
        day: the search field that names an object's day, with the sort key that serves it; None when there is none.
        counts: the operation that counts periods.
    """

    document: str
    root: str
    type: str
    size: int
    state: Callable[[Row], State]
    day: tuple[str, str] | None = None
    counts: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Args:
    states: by id; customers by pseudonym.
    numbers: Shopify's numbers of the customers among them, by pseudonym.
    skipped: nodes that lack what every object must have.
    after: the cursor of the next page; None at the end.
    erased: how many more Shopify lists that we were told to forget.
    """

    states: Mapping[int, State]
    skipped: int
    after: str | None
    numbers: Mapping[int, int] = field(default_factory=dict)
    erased: int = 0

    @property
    def listed(self) -> int:
        return len(self.states) + self.skipped + self.erased


def changed_since(moment_: datetime) -> str:
    return f"updated_at:>='{_stamp(moment_)}'"


def from_id(object_id: int) -> str:
    return f"id:>={object_id}"


def within(listed: Listed, bounds: tuple[datetime, datetime]) -> str:
    assert listed.day is not None
    name = listed.day[0]
    return f"{name}:>='{_stamp(bounds[0])}' AND {name}:<'{_stamp(bounds[1])}'"


def page(client: AdminClient, listed: Listed, search: str, sort: str, after: str | None) -> Page:
    """One page of a search.

    Raises:
        as `AdminClient.run`.
    """
    variables = {"size": listed.size, "after": after or None, "search": search, "sort": sort}
    connection = client.run(listed.document, variables)[listed.root]
    states: dict[int, State] = {}
    numbers: dict[int, int] = {}
    names = pseudonyms.of(client.shop) if listed.type == CUSTOMER else None
    skipped = 0
    for node in connection["nodes"]:
        try:
            object_id = number(node.get("id"), "id")
            state = listed.state(node)
            if names is not None:
                shopifys, object_id = object_id, names.of_customer(object_id)
                numbers[object_id] = shopifys
            states[object_id] = state
        except Untranslatable:
            skipped += 1
    info = connection["pageInfo"]
    erased = tombstones.among(client.shop, customers=states).customers if names is not None else ()
    for each in erased:
        del states[each]
    _leave_out_persons(client.shop, states)
    after_this = info["endCursor"] if info["hasNextPage"] else None
    return Page(states, skipped, after_this, numbers, len(erased))


def _leave_out_persons(shop: Shop, states: dict[int, State]) -> None:
    """Metafields that mention an erased customer: we hold none of those, and are not behind for it."""
    texts = {raw for state in states.values() for _, raw in state.quiet or ()}
    personal = tombstones.mentioning(shop, texts)
    if personal:
        for object_id, state in states.items():
            if state.quiet is not None:
                left = tuple(each for each in state.quiet if each[1] not in personal)
                states[object_id] = replace(state, quiet=left)


def counts(client: AdminClient, listed: Listed, bounds: Sequence[tuple[datetime, datetime]]) -> list[int]:
    """How many Shopify has in each period; at most `PERIODS_PER_CALL` of them.

    Raises:
        as `AdminClient.run`.
    """
    assert listed.counts is not None
    searches = [within(listed, each) for each in bounds]
    padded = searches + searches[-1:] * (PERIODS_PER_CALL - len(searches))
    told = client.run(listed.counts, {f"p{place}": search for place, search in enumerate(padded)})
    return [int(told[f"p{place}"]["count"]) for place in range(len(searches))]


def absent(client: AdminClient, listed: Listed, ids: Iterable[int]) -> set[int]:
    """Those that Shopify does not have any more: asked one by one, since a search may lag behind.

    A customer whose number we have forgotten cannot be asked about. It is forgotten only long after the last order, when
    no search lags any more, so that customer is taken to be gone.

    Raises:
        as `AdminClient.run`.
    """
    wanted = sorted(ids)
    shopifys = dict(zip(wanted, wanted, strict=True))
    if listed.type == CUSTOMER:
        shopifys = customers.numbers_of(client.shop, wanted)
    found = set(wanted) - set(shopifys)
    wanted = list(shopifys)
    for start in range(0, len(wanted), IDS_PER_CALL):
        part = wanted[start : start + IDS_PER_CALL]
        gids = [f"gid://shopify/{listed.type}/{shopifys[each]}" for each in part]
        nodes = client.run("StillThere", {"ids": gids})["nodes"]
        found |= {each for each, node in zip(part, nodes, strict=True) if node is None}
    return found


@dataclass(frozen=True, slots=True)
class StockPage:
    """Args:
    items: how many there were.
    last_item: the largest id; None without any.
    """

    levels: list[StockChanged]
    items: int
    last_item: int | None
    skipped: int
    after: str | None


def stock_page(client: AdminClient, search: str, after: str | None) -> StockPage:
    """Stock levels of one page of items, by id.

    Raises:
        as `AdminClient.run`.
    """
    variables = {"size": STOCK_ITEMS_PER_PAGE, "after": after or None, "search": search}
    items = client.run("InventoryTouched", variables)["inventoryItems"]
    levels: list[StockChanged] = []
    ids: list[int] = []
    skipped = 0
    for item in items["nodes"]:
        try:
            ids.append(number(item.get("id"), "id"))
        except Untranslatable:
            skipped += 1
            continue
        for level in item["inventoryLevels"]["nodes"]:
            try:
                levels.append(rows.stock({**level, "__parentId": item["id"]}))
            except Untranslatable:
                skipped += 1
    info = items["pageInfo"]
    after = info["endCursor"] if info["hasNextPage"] else None
    return StockPage(levels, len(items["nodes"]), max(ids, default=None), skipped, after)


def customer(customer_id: int, state: State) -> CustomerChanged:
    """All that we keep of a customer is in the listing."""
    return CustomerChanged(customer_id, state.version_at, state.at)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _order(row: Row) -> State:
    mark = (
        row.get("cancelledAt") is not None,
        shop_money(row.get("totalRefundedSet"), "totalRefundedSet"),
        whole(row.get("currentSubtotalLineItemsQuantity"), "currentSubtotalLineItemsQuantity"),
    )
    at = moment(row.get("processedAt") or row.get("createdAt"), "processedAt")
    return State(moment(row.get("updatedAt"), "updatedAt"), at, mark)


def _product(row: Row) -> State:
    prices = row.get("priceRangeV2") or {}
    mark = (
        text(row.get("status")).lower(),
        text(row.get("title")),
        (row.get("variantsCount") or {}).get("count"),
        _amount(prices.get("minVariantPrice")),
        _amount(prices.get("maxVariantPrice")),
        row.get("totalInventory"),
    )
    return State(
        moment(row.get("updatedAt"), "updatedAt"),
        moment(row.get("createdAt"), "createdAt"),
        mark,
        quiet=_metafields(row),
    )


def _metafields(row: Row) -> tuple[Any, ...] | None:
    found = rows.metafields(row)
    told = (
        (each, text(value.get("value")).replace("\0", "")[:LONGEST_RAW])
        for each, value in found.items()
        if value is not None
    )
    return tuple(sorted(told)) if found else None


def _amount(value: Any) -> Any:
    return None if not isinstance(value, Mapping) else money(value.get("amount"), "priceRangeV2")


def _customer(row: Row) -> State:
    return State(moment(row.get("updatedAt"), "updatedAt"), moment(row.get("createdAt"), "createdAt"))


def _collection(row: Row) -> State:
    updated = moment(row.get("updatedAt"), "updatedAt")
    members = row.get("productsCount") or {}
    # Beyond some number Shopify tells only that there are at least so many.
    exact = members.get("count") if members.get("precision") == "EXACT" else None
    return State(updated, updated, (text(row.get("title")), exact))


LISTED: Mapping[str, Listed] = {
    "orders": Listed(
        "OrdersTouched", "orders", "Order", 100, _order, ("processed_at", "PROCESSED_AT"), "OrderCounts"
    ),
    "products": Listed(
        "ProductsTouched", "products", "Product", 60, _product, ("created_at", "CREATED_AT"), "ProductCounts"
    ),
    "customers": Listed(
        "CustomersTouched",
        "customers",
        "Customer",
        250,
        _customer,
        ("created_at", "CREATED_AT"),
        "CustomerCounts",
    ),
    "collections": Listed("CollectionsTouched", "collections", "Collection", 125, _collection),
}
