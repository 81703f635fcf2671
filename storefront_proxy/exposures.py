"""What was shown and clicked: from the answer onto the bus, from there into Postgres in batches.

A message is acknowledged after its batch is committed and both ways are idempotent, so a worker that dies in between
costs a repetition, never a loss.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mlops.features import newcomers, store
from mlops.features.events import Click, Exposure, ServedBy, SlotName
from mlops.features.storefront import Exclusion
from storefront_proxy.exploration import NEW
from tenancy.bus.interface import SHOP, VISITOR, Delivery
from tenancy.bus.opened import open_bus
from tenancy.bus.topics import Topic, declare
from tenancy.bus.work import IDLE_MS, Handled, work

GROUP = "postgres"
# At 450 bytes a message the million is 450 MB of Redis, and more than a day of a busy shop without any worker running.
TOPIC = declare(Topic("exposures", groups=(GROUP,), most=1_000_000, largest=8_192))
# A click may overtake its exposure when batches are retried; later than this its exposure never existed.
CLICK_WAITS = timedelta(seconds=60)
LONGEST_RUN_S = 5.0

_EXPOSURE = b"exposure"
_CLICK = b"click"


def send_exposures(shown: Sequence[Exposure]) -> None:
    """Queue these exposures, in one round trip. Safe to repeat: an exposure is kept once.

    Raises:
        BusFull, BusAway: none was taken for certain.
    """
    open_bus().publish(
        TOPIC.name, [_message(_EXPOSURE, each.shop_id, each.visitor, _packed(each)) for each in shown]
    )


def send_click(click: Click) -> None:
    """Queue a click.

    Raises:
        BusFull, BusAway: it was not taken for certain.
    """
    packed = {"id": click.exposure_id, "at": click.at.isoformat(), "product": click.product_id}
    open_bus().publish(TOPIC.name, [_message(_CLICK, click.shop_id, click.visitor, packed)])


def flush(*, consumer: str, now: datetime, stale_ms: int = IDLE_MS) -> int:
    """Move what waits into Postgres; returns how many messages were settled, for good or as dead letters.

    Args:
        consumer: a name of this process's own.
        stale_ms: take over messages that another consumer has held so long without acknowledging them.
    """
    worked = work(
        open_bus(),
        TOPIC.name,
        GROUP,
        lambda found: _write(found, now),
        consumer=consumer,
        most_s=LONGEST_RUN_S,
        idle_ms=stale_ms,
    )
    return worked.done + worked.dead


def waiting() -> int:
    """Messages not yet in Postgres."""
    return open_bus().lag(TOPIC.name, GROUP).messages


def _write(found: Sequence[Delivery], now: datetime) -> Handled:
    shown: list[Exposure] = []
    clicks: dict[tuple[str, int, int], list[str]] = {}
    clicked: list[Click] = []
    refused: dict[str, str] = {}
    for each in found:
        try:
            fields = each.fields
            if fields["kind"] == _EXPOSURE:
                shown.append(_exposure(fields, json.loads(fields["body"])))
            elif fields["kind"] == _CLICK:
                click = _click(fields, json.loads(fields["body"]))
                clicked.append(click)
                clicks.setdefault((click.exposure_id, click.product_id, click.shop_id), []).append(each.id)
            else:
                refused[each.id] = "neither an exposure nor a click"
        except (ValueError, KeyError, TypeError) as error:
            refused[each.id] = f"not readable: {type(error).__name__}: {error}"
    tried: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    if shown:
        store.record_exposures(shown)
        for one in shown:
            if one.excluded is None:
                tried[one.shop_id][0].extend(
                    product for product, why in zip(one.product_ids, one.reasons, strict=False) if why == NEW
                )
    later: list[str] = []
    if clicked:
        recorded = store.record_clicks(clicked)
        for click, reason in zip(recorded.known, recorded.reasons, strict=True):
            if reason == NEW:
                tried[click.shop_id][1].append(click.product_id)
        for click in recorded.unknown:
            if now - click.at < CLICK_WAITS:
                later += clicks.pop((click.exposure_id, click.product_id, click.shop_id), ())
    for shop_id, (seen, wanted) in tried.items():
        newcomers.count(shop_id, shown=seen, clicked=wanted)
    return Handled(later=frozenset(later), refused=refused)


def _message(kind: bytes, shop_id: int, visitor: str | None, body: dict[str, Any]) -> dict[str, bytes | str]:
    message: dict[str, bytes | str] = {SHOP: str(shop_id), "kind": kind, "body": json.dumps(body)}
    if visitor is not None:
        message[VISITOR] = visitor
    return message


def _packed(exposure: Exposure) -> dict[str, Any]:
    return {
        "id": exposure.exposure_id,
        "at": exposure.at.isoformat(),
        "slot": exposure.slot.value,
        "by": exposure.served_by.value,
        "products": exposure.product_ids,
        "version": exposure.version_id,
        "context": exposure.context_product_id,
        "us": exposure.latency_us,
        "out": exposure.excluded,
        "why": exposure.reasons,
    }


def _exposure(fields: Mapping[str, bytes], packed: dict[str, Any]) -> Exposure:
    return Exposure(
        exposure_id=packed["id"],
        shop_id=int(fields[SHOP]),
        at=datetime.fromisoformat(packed["at"]).astimezone(UTC),
        slot=SlotName(packed["slot"]),
        served_by=ServedBy(packed["by"]),
        product_ids=tuple(packed["products"]),
        version_id=packed["version"],
        visitor=_visitor(fields),
        context_product_id=packed["context"],
        latency_us=packed["us"],
        excluded=Exclusion(packed["out"]) if packed.get("out") else None,
        reasons=tuple(packed.get("why", ())),
    )


def _click(fields: Mapping[str, bytes], packed: dict[str, Any]) -> Click:
    return Click(
        exposure_id=packed["id"],
        shop_id=int(fields[SHOP]),
        at=datetime.fromisoformat(packed["at"]).astimezone(UTC),
        product_id=packed["product"],
        visitor=_visitor(fields),
    )


def _visitor(fields: Mapping[str, bytes]) -> str | None:
    found = fields.get(VISITOR)
    return None if found is None else found.decode()
