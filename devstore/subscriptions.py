"""Shop-specific webhook subscriptions (`webhookSubscriptionCreate`), next to those of the app's configuration."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from devstore.ledger import Ledger


@dataclass(frozen=True)
class ShopSubscription:
    """One row of `webhookSubscriptions`; `topic` as in `orders/create`, times unix seconds."""

    id: int
    shop: str
    topic: str
    uri: str
    name: str | None
    filter: str | None
    include_fields: tuple[str, ...]
    metafield_namespaces: tuple[str, ...]
    created_at: float
    updated_at: float


class ShopSubscriptions:
    """Gone with an uninstall, and deleted when a delivery has failed for good, as Shopify does."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create(
        self,
        shop: str,
        topic: str,
        uri: str,
        *,
        now: float,
        name: str | None = None,
        filter: str | None = None,
        include_fields: tuple[str, ...] = (),
        metafield_namespaces: tuple[str, ...] = (),
    ) -> ShopSubscription:
        """Add a subscription. Raises ValueError when the shop has one with the same topic, uri and filter."""
        if any(s.topic == topic and s.uri == uri and s.filter == filter for s in self.of_shop(shop)):
            raise ValueError("Address for this topic has already been taken")
        with self._ledger.transaction() as tx:
            cursor = tx.execute(
                "INSERT INTO subscriptions (shop, topic, uri, name, filter, include_fields, metafield_namespaces,"
                " created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    shop,
                    topic,
                    uri,
                    name,
                    filter,
                    json.dumps(include_fields),
                    json.dumps(metafield_namespaces),
                    now,
                    now,
                ),
            )
            assert cursor.lastrowid is not None
            identifier = cursor.lastrowid
        return ShopSubscription(
            identifier, shop, topic, uri, name, filter, include_fields, metafield_namespaces, now, now
        )

    def update(self, subscription: ShopSubscription) -> None:
        """Write the row of this id as given."""
        self._ledger.execute(
            "UPDATE subscriptions SET topic = ?, uri = ?, name = ?, filter = ?, include_fields = ?,"
            " metafield_namespaces = ?, updated_at = ? WHERE id = ? AND shop = ?",
            (
                subscription.topic,
                subscription.uri,
                subscription.name,
                subscription.filter,
                json.dumps(subscription.include_fields),
                json.dumps(subscription.metafield_namespaces),
                subscription.updated_at,
                subscription.id,
                subscription.shop,
            ),
        )

    def delete(self, shop: str, identifier: int) -> bool:
        return (
            self._ledger.execute("DELETE FROM subscriptions WHERE shop = ? AND id = ?", (shop, identifier))
            == 1
        )

    def delete_all(self, shop: str) -> None:
        self._ledger.execute("DELETE FROM subscriptions WHERE shop = ?", (shop,))

    def get(self, shop: str, identifier: int) -> ShopSubscription | None:
        row = self._ledger.row("SELECT * FROM subscriptions WHERE shop = ? AND id = ?", (shop, identifier))
        return _subscription(row) if row else None

    def of_shop(self, shop: str) -> list[ShopSubscription]:
        """In the order in which they were made."""
        return [
            _subscription(r)
            for r in self._ledger.rows("SELECT * FROM subscriptions WHERE shop = ? ORDER BY id", (shop,))
        ]


def _subscription(row: sqlite3.Row) -> ShopSubscription:
    return ShopSubscription(
        id=row["id"],
        shop=row["shop"],
        topic=row["topic"],
        uri=row["uri"],
        name=row["name"],
        filter=row["filter"],
        include_fields=tuple(json.loads(row["include_fields"])),
        metafield_namespaces=tuple(json.loads(row["metafield_namespaces"])),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
