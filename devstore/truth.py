"""The store's own rows, as plain lists: what an app that has understood everything would have too."""

from __future__ import annotations

from typing import Any

from devstore.store import Store

# Of each table what an app may know; nothing personal.
COLUMNS = {
    "orders": "id, customer_id, total, total_refunded, cancelled_at, test, processed_at",
    "order_lines": "id, order_id, product_id, variant_id, quantity, current_quantity",
    "refunds": "id, order_id, amount",
    "products": "id, title, lower(status) AS status, handle",
    "variants": "id, product_id, price, CASE WHEN tracked THEN available END AS available, inventory_item_id",
    "collections": "id, title",
    "customers": "id",
}


def rows(store: Store, table: str, *, after: int = 0) -> dict[str, Any]:
    """The rows of one table with an id above `after`, in order of id, as `{"columns": [...], "rows": [[...]]}`.

    Raises:
        LookupError: there is no such table here.
    """
    if table not in COLUMNS:
        raise LookupError(f"There are rows of {', '.join(COLUMNS)}, not of {table}")
    sql = f"SELECT {COLUMNS[table]} FROM {table} WHERE id > ? ORDER BY id"  # noqa: S608 - names from above
    found = store.read(sql, (after,))
    names = [part.split(" AS ")[-1].strip() for part in COLUMNS[table].split(",")]
    return {"columns": names, "rows": [list(row) for row in found]}
