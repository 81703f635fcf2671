"""An hour in the life of a shop, compressed: orders, refunds, edits, prices, stock, products and customers, by dice."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

from shopify_app.local.merchant import AnsweredBadly, Merchant

# How often each thing happens; the rest of the weight is orders, as in a shop.
WEIGHTS = {
    "order": 55, "refund": 8, "cancel": 4, "edit": 5, "delete an order": 1, "stock": 10, "price": 6,
    "status": 3, "a new product": 2, "delete a product": 1, "a new customer": 3, "merge customers": 2,
}  # fmt: skip


class Day:
    """What happens in one shop, thing after thing; `done` counts what the store accepted."""

    def __init__(self, merchant: Merchant, rng: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self._merchant, self._rng = merchant, rng
        self._orders: list[int] = []
        self._lines_before = max((int(row[0]) for row in self._rows("order_lines")), default=0)
        self._customers = [int(row[0]) for row in self._rows("customers")]
        self._variants = [int(row[0]) for row in self._rows("variants")]
        self._products = [int(row[0]) for row in self._rows("products")]
        self._things: dict[str, Callable[[], None]] = {
            "order": self._order,
            "refund": lambda: self._to_order("refund"),
            "cancel": lambda: self._to_order("cancel"),
            "edit": self._edit,
            "delete an order": self._delete_order,
            "stock": self._stock,
            "price": self._price,
            "status": self._status,
            "a new product": self._new_product,
            "delete a product": self._delete_product,
            "a new customer": self._new_customer,
            "merge customers": self._merge,
        }

    def live(self, *, until: float, pause_s: float) -> None:
        """Go on until `time.monotonic()` says so. What the store refuses (sold out, cancelled before) is no news."""
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        while time.monotonic() < until:
            thing = self._rng.choices(names, weights)[0]
            try:
                self._things[thing]()
            except AnsweredBadly as error:
                if error.status not in (404, 409, 422):
                    raise
            else:
                self.done[thing] += 1
            time.sleep(pause_s)

    def _rows(self, table: str, after: int = 0) -> list[list[int]]:
        path = f"shops/{self._merchant.shop}/rows/{table}?after={after}"
        found: list[list[int]] = self._merchant.store(path)["rows"]
        return found

    def _tell(self, path: str, **body: object) -> dict[str, int]:
        return self._merchant.tell_store(f"shops/{self._merchant.shop}/{path}", **body)

    def _order(self) -> None:
        lines = [
            {"variant_id": each, "quantity": self._rng.randint(1, 3)}
            for each in self._rng.sample(self._variants, self._rng.randint(1, 4))
        ]
        known = self._rng.choice(self._customers) if self._rng.random() < 0.7 else None
        self._orders.append(self._tell("orders", lines=lines, customer_id=known)["order_id"])

    def _to_order(self, what: str) -> None:
        self._tell(f"orders/{self._an_order()}/{what}")

    def _edit(self) -> None:
        order_id = self._an_order()
        line = next(row for row in self._rows("order_lines", self._lines_before) if row[1] == order_id)
        self._tell(f"orders/{order_id}/edit", lines={str(line[0]): max(0, line[5] - 1)})

    def _delete_order(self) -> None:
        order_id = self._an_order()
        self._merchant.remove_from_store(f"shops/{self._merchant.shop}/orders/{order_id}")
        self._orders.remove(order_id)

    def _stock(self) -> None:
        self._tell(f"variants/{self._rng.choice(self._variants)}", available=self._rng.randint(0, 40))

    def _price(self) -> None:
        price = f"{self._rng.randint(200, 9000) / 100:.2f}"
        self._tell(f"variants/{self._rng.choice(self._variants)}", price=price)

    def _status(self) -> None:
        status = self._rng.choice(["ACTIVE", "DRAFT", "ARCHIVED"])
        self._tell(f"products/{self._rng.choice(self._products)}", status=status)

    def _new_product(self) -> None:
        title = f"New thing {self._rng.randint(1, 10**9)}"
        self._products.append(self._tell("products", title=title, price="9.90", available=20)["product_id"])

    def _delete_product(self) -> None:
        product_id = self._rng.choice(self._products)
        self._merchant.remove_from_store(f"shops/{self._merchant.shop}/products/{product_id}")
        self._products.remove(product_id)

    def _new_customer(self) -> None:
        email = f"buyer{self._rng.randint(1, 10**9)}@example.com"
        self._customers.append(self._tell("customers", email=email)["customer_id"])

    def _merge(self) -> None:
        kept, gone = self._rng.sample(self._customers, 2)
        self._tell("customers/merge", kept=kept, deleted=gone)
        self._customers.remove(gone)

    def _an_order(self) -> int:
        if not self._orders:
            self._order()
        return self._rng.choice(self._orders)
