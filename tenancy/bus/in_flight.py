"""Forgetting what is still on its way: a person, or a whole shop, in every topic and among every group's dead letters."""

from __future__ import annotations

from collections.abc import Collection

from tenancy.bus.opened import open_bus
from tenancy.bus.topics import every

TIMEOUT_S = 30.0


def forget(shop_id: int, *, visitors: Collection[str] | None = None, timeout_s: float = TIMEOUT_S) -> int:
    """Erase the messages about these visitors, or about the whole shop; returns how many. Safe to repeat.

    Call it before the rows are erased, and outside of any lock that a consumer needs: what a consumer has in hand is
    in its table by the time this returns.

    Raises:
        Transient: the bus is away, or a consumer still holds one of them.
    """
    if visitors is not None and not visitors:
        return 0
    bus = open_bus()
    return sum(
        bus.forget(topic.name, shop_id=shop_id, visitors=visitors, timeout_s=timeout_s) for topic in every()
    )
