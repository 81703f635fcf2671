"""Deliveries that were given up: what they are, why, and back to work on a person's word.

A replay is safe at any time: the newest version of an object wins, and what was kept once is not kept again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from shopify_app.webhooks import inbox, tasks
from shopify_app.webhooks.models import DeliveryState, InboxDelivery
from tenancy import audit
from tenancy.errors import NotFound, UserFixable
from tenancy.models import Shop


@dataclass(frozen=True, slots=True)
class Page:
    """Dead letters, newest first.

    Args:
        total: of the shop, on all pages.
        next_before: id to pass as `before` for older ones; None when there are none.
    """

    letters: Sequence[InboxDelivery]
    total: int
    next_before: int | None


def page(shop: Shop, *, before: int | None = None, limit: int) -> Page:
    dead = _dead(shop)
    older = dead if before is None else dead.filter(id__lt=before)
    # One row more than asked tells whether there is an older page.
    found = list(older.order_by("-id").defer("payload")[: limit + 1])
    letters = found[:limit]
    return Page(letters, dead.count(), letters[-1].pk if len(found) > limit else None)


def replay_one(shop: Shop, delivery_id: int, *, actor: str, reason: str, now: datetime) -> InboxDelivery:
    """Send one back to work, on the record.

    Raises:
        NotFound: this shop has no such delivery.
        UserFixable: it is not dead, or its content was erased.
    """
    found = InboxDelivery.objects.filter(shop=shop, pk=delivery_id).first()
    if found is None:
        raise NotFound(
            "There is no such delivery.",
            code="delivery_not_found",
            next_step="Reload the list of deliveries.",
        )
    if not replay(shop, [delivery_id], actor=actor, reason=reason, now=now):
        if found.state == DeliveryState.DEAD:
            raise UserFixable(
                "Nothing is left of what this delivery told: it came empty, or was erased. Nothing was changed.",
                code="delivery_empty",
                next_step="Import the history again to be sure that nothing is missing.",
            )
        raise UserFixable(
            "This delivery was not given up, or was sent back to work already. Nothing was changed.",
            code="delivery_not_dead",
            next_step="Reload the list of deliveries.",
        )
    return InboxDelivery.objects.get(pk=delivery_id)


def replay(shop: Shop, delivery_ids: Sequence[int] | None, *, actor: str, reason: str, now: datetime) -> int:
    """Send several back to work, or all with None, on the record; the number that were.

    Left out: other shops', those not dead, and those whose content was erased.
    """
    with transaction.atomic():
        wanted = _dead(shop).exclude(payload={})
        if delivery_ids is not None:
            wanted = wanted.filter(pk__in=list(delivery_ids))
        ids = list(wanted.order_by("id").select_for_update().values_list("pk", flat=True))
        sent = inbox.replay(shop, ids, now)
        if sent:
            data = {"deliveries": ids[:100], "count": sent}
            audit.record(shop, actor=actor, action="webhooks.replayed", now=now, reason=reason, data=data)
            transaction.on_commit(lambda: tasks.hint(shop.pk))
    return sent


def _dead(shop: Shop) -> QuerySet[InboxDelivery]:
    return InboxDelivery.objects.filter(shop=shop, state=DeliveryState.DEAD)
