"""Forgetting what is still on its way: a person, or a whole shop, in every topic and among every group's dead letters."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from tenancy.bus import dead_letters
from tenancy.bus.interface import VISITOR
from tenancy.bus.opened import open_bus
from tenancy.bus.redis_streams import translated
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


def forget_dead(shop_id: int, *, visitors: Collection[str]) -> int:
    """Erase the dead letters about these visitors; returns how many. Waits for nobody, so a consumer may call it.

    Raises:
        Transient: Redis is away.
    """
    sought = frozenset(each.encode() for each in visitors)
    if not sought:
        return 0
    with translated():
        return sum(
            dead_letters.forget(topic.name, group, shop_id=shop_id, visitors=sought)
            for topic in every()
            for group in topic.groups
        )


def lapse_dead(shop_id: int, *, before: datetime) -> int:
    """Delete the shop's dead letters from before this moment; returns how many."""
    with translated():
        return sum(
            dead_letters.forget(topic.name, group, shop_id=shop_id, visitors=None, before=before)
            for topic in every()
            for group in topic.groups
        )


def visitors_of_dead(shop_id: int) -> set[str]:
    """Whom the shop's dead letters name."""
    with translated():
        return {
            fields[VISITOR].decode(errors="replace")
            for topic in every()
            for group in topic.groups
            for page in dead_letters.pages(dead_letters.stream(topic.name, group))
            for _, fields in page
            if VISITOR in fields and dead_letters.is_about(fields, shop_id, None)
        }
