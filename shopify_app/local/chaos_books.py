"""Every row of the local Shopify held against the app's tables, and what must not be left anywhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from shopify_app.local.drill_books import Books

Row = tuple[Any, ...]
# The app's side of each table, in the columns that `_theirs` gives.
OURS = {
    "orders": "select order_id, total, refunded, cancelled_at is not null, test from features_order where deleted_at is null",
    "order lines": "select l.line_id, l.order_id, l.quantity, l.current_quantity from features_orderline l",
    # Shopify drops an order's refunds with it.
    "refunds": "select r.refund_id, r.order_id, r.amount from features_refund r where not exists (select from features_order o"
    " where o.shop_id = r.shop_id and o.order_id = r.order_id and o.deleted_at is not null)",
    "products": "select product_id, title, status, handle from features_product where deleted_at is null",
    # Stock as the product cards count it; none where it is not tracked.
    "variants": "select v.variant_id, v.product_id, v.price, case when v.available is not null"
    " then coalesce(case when s.at >= p.version_at then s.total end, v.available) end"
    " from features_variant v join features_product p using (shop_id, product_id) left join (select shop_id, inventory_item_id,"
    " max(version_at) as at, sum(coalesce(available, 0))::int as total from features_stocklevel group by 1, 2) s"
    " using (shop_id, inventory_item_id) where p.deleted_at is null",
    "collections": "select collection_id, title from features_collection where deleted_at is null",
}


class ChaosBooks(Books):
    """The books of a run with faults and kills."""

    def difference(self) -> dict[str, int]:
        """Rows that either side has and the other has not, by table; values count, so a stale row is two."""
        found = {}
        for name, query in OURS.items():
            ours = {tuple(_plain(value) for value in row) for row in self._all(query)}
            found[name] = len(ours ^ set(self._theirs(name)))
        found["customers"] = len(self._our_customers() ^ self._their_customers())
        return {name: count for name, count in found.items() if count}

    def left_open(self) -> list[str]:
        """Work that never ended, and what was counted twice, in words; empty when there is none."""
        sweeps = self._all("select count(*) from sync_sweep where state <> 'resting' or lease_token <> ''")[
            0
        ][0]
        dead = self._all("select count(*) from webhooks_inboxdelivery where state = 'dead'")[0][0]
        found = [*self._broken_promises(), *self._left_in_redis()]
        found += [f"sweeps not at rest: {sweeps}"] if sweeps else []
        found += [f"dead letters: {dead}"] if dead else []
        return found

    def _theirs(self, name: str) -> Iterable[Row]:
        table = name.replace(" ", "_")
        for row in self._rows(table):
            match name:
                case "orders":
                    yield (
                        row["id"],
                        _money(row["total"]),
                        _money(row["total_refunded"]),
                        bool(row["cancelled_at"]),
                        bool(row["test"]),
                    )
                case "order lines":
                    yield row["id"], row["order_id"], row["quantity"], row["current_quantity"]
                case "refunds":
                    yield row["id"], row["order_id"], _money(row["amount"])
                case "products":
                    yield row["id"], row["title"], row["status"], row["handle"]
                case "variants":
                    yield row["id"], row["product_id"], _money(row["price"]), row["available"]
                case _:
                    yield row["id"], row["title"]

    def _their_customers(self) -> set[frozenset[int]]:
        bought: defaultdict[int, set[int]] = defaultdict(set)
        for row in self._rows("orders"):
            if row["customer_id"] is not None:
                bought[row["customer_id"]].add(row["id"])
        return {frozenset(orders) for orders in bought.values()}

    def _our_customers(self) -> set[frozenset[int]]:
        # Ours go by pseudonyms, so people are compared by what they bought: the same sets of orders, no more, no fewer.
        found = self._all(
            "select array_agg(order_id) from features_order where customer_id is not null and deleted_at is null"
            " group by customer_id"
        )
        return {frozenset(orders) for (orders,) in found}

    def _rows(self, table: str) -> list[dict[str, Any]]:
        told = self._merchant.store(f"shops/{self._merchant.shop}/rows/{table}")
        return [dict(zip(told["columns"], row, strict=True)) for row in told["rows"]]


def _money(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.01"))


def _plain(value: Any) -> Any:
    return value.quantize(Decimal("0.01")) if isinstance(value, Decimal) else value
