"""Shell: forgets the vectors of a person, or of a whole shop."""

from __future__ import annotations

from collections.abc import Iterable

from mlops.feature_store import online
from mlops.feature_store.declared import Entity
from tenancy.models import Shop


def forget(shop: Shop, customers: Iterable[int] = (), visitors: Iterable[str] = ()) -> int:
    """Drop the vectors of these; returns how many there were. Call it after the commit that erases them.

    A refresh that has read them before writes them once more and then finds the tombstone (`refresh`).
    """
    gone = online.forget_entities(shop.pk, Entity.CUSTOMER, customers)
    return gone + online.forget_entities(shop.pk, Entity.VISITOR, visitors)


def forget_shop(shop_id: int) -> int:
    """Drop every vector of a shop; returns how many keys there were."""
    return online.forget(shop_id)
