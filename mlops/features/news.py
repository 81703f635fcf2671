"""What has changed since feature vectors were computed: debts in Redis that the room above pays within a minute.

One sorted set for all shops, `<shop>:<entity>:<id>` by the time of the change. Losing it costs at most the four hours until
everything is computed anew, so a Redis that is away stops no writer here.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.features.encoding import Encoded
from mlops.features.events import OrderPlaced
from tenancy.outages import AWAY
from tenancy.redis import client, key

PRODUCT, CUSTOMER = "product", "customer"
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Change:
    """A product or customer of which something new is known.

    Args:
        at: seconds since 1970, when it was told; a change that is told again meanwhile has a later one.
    """

    shop_id: int
    entity: str
    id: int
    at: float


def tell(shop_id: int, *, products: Collection[int] = (), customers: Collection[int] = ()) -> None:
    """Note that something new is known of these. Call it before the commit: a debt too many costs nothing."""
    at = time.time()
    told = {f"{shop_id}:{PRODUCT}:{each}": at for each in products}
    told |= {f"{shop_id}:{CUSTOMER}:{each}": at for each in customers}
    if not told:
        return
    try:
        client().zadd(_key(), told)
    except AWAY:
        return


def tell_of_orders(shop_id: int, fresh: Sequence[Encoded]) -> None:
    """Note the customers and products of the orders among these events."""
    orders = [each.event for each in fresh if isinstance(each.event, OrderPlaced)]
    tell(
        shop_id,
        products={line.product_id for order in orders for line in order.lines if line.product_id is not None},
        customers={order.customer_id for order in orders if order.customer_id is not None},
    )


def oldest(count: int = BATCH, *, before: float | None = None) -> list[Change]:
    """Changes that were told the longest ago, of any shop."""
    found: Any = client().zrangebyscore(
        _key(), 0, "+inf" if before is None else before, start=0, num=count, withscores=True
    )
    return [_change(member, at) for member, at in found]


def settled(changes: Iterable[Change]) -> None:
    """Strike these out, but for those that were told again since."""
    known = list(changes)
    if not known:
        return
    members = [f"{each.shop_id}:{each.entity}:{each.id}" for each in known]
    scores: Any = client().zmscore(_key(), members)
    done = [
        member
        for member, each, score in zip(members, known, scores, strict=True)
        if score is not None and score <= each.at
    ]
    if done:
        client().zrem(_key(), *done)


def forget(shop_id: int) -> None:
    """Drop what is noted of a shop."""
    _drop(member for member, _ in client().zscan_iter(_key(), match=f"{shop_id}:*", count=1000))


def forget_customers(shop_id: int, customers: Iterable[int]) -> None:
    """Drop what is noted of these customers."""
    _drop(f"{shop_id}:{CUSTOMER}:{each}".encode() for each in customers)


def _drop(members: Iterable[bytes]) -> None:
    found = list(members)
    if found:
        client().zrem(_key(), *found)


def _change(member: bytes, at: float) -> Change:
    shop_id, entity, name = member.decode().split(":")
    return Change(int(shop_id), entity, int(name), at)


def _key() -> str:
    return key("features-changed")
