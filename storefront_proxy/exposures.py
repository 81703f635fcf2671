"""What was shown and clicked: from the answer into a Redis stream, from there into Postgres in batches.

An entry is acknowledged after the batch is committed and both ways are idempotent, so a worker that dies in between
costs a repetition, never a loss. Entries that a dead consumer left are taken over after `STALE_MS`.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from redis.exceptions import ResponseError

from mlops.features import store
from mlops.features.events import Click, Exposure, ServedBy, SlotName
from tenancy.redis import client, key

log = logging.getLogger("shelfwise.exposures")

GROUP = "postgres"
# 1,000 exposures are one insert of some 40 ms and a message of 0.4 MB.
BATCH = 1_000
# At 400 bytes an entry this is 400 MB of Redis, and more than a day of a busy shop without any worker running.
MOST_WAITING = 1_000_000
STALE_MS = 10_000
# A click may overtake its exposure when batches are retried; later than this its exposure never existed.
CLICK_WAITS = timedelta(seconds=60)
LONGEST_RUN_S = 5.0


# One command for many exposures: a command each would cost the serving process ten times as much.
_SEND = f"""
for _, exposure in ipairs(ARGV) do
    redis.call('xadd', KEYS[1], 'maxlen', '~', {MOST_WAITING}, '*', 'exposure', exposure)
end
"""


def send_exposures(shown: Sequence[Exposure]) -> None:
    """Queue these exposures and count their tiers, in one round trip. Safe to repeat: an exposure is kept once."""
    tiers = Counter((each.shop_id, each.served_by) for each in shown)
    pipe = client().pipeline(transaction=False)
    pipe.eval(_SEND, 1, _stream(), *(_packed(each) for each in shown))
    for (shop_id, tier), count in tiers.items():
        pipe.hincrby(key("served", shop_id), tier.value, count)
    pipe.execute()


def _packed(exposure: Exposure) -> str:
    return json.dumps(
        {
            "id": exposure.exposure_id,
            "shop": exposure.shop_id,
            "at": exposure.at.isoformat(),
            "slot": exposure.slot.value,
            "by": exposure.served_by.value,
            "products": exposure.product_ids,
            "version": exposure.version_id,
            "visitor": exposure.visitor,
            "context": exposure.context_product_id,
            "us": exposure.latency_us,
        }
    )


def send_click(click: Click) -> None:
    packed = {
        "id": click.exposure_id,
        "shop": click.shop_id,
        "at": click.at.isoformat(),
        "product": click.product_id,
        "visitor": click.visitor,
    }
    client().xadd(_stream(), {"click": json.dumps(packed)}, maxlen=MOST_WAITING, approximate=True)


def flush(*, consumer: str, now: datetime, stale_ms: int = STALE_MS) -> int:
    """Move what waits into Postgres; returns how many entries were settled.

    Args:
        consumer: a name of this process's own.
        stale_ms: take over entries that another consumer has held so long without acknowledging them.
    """
    redis = client()
    _make_group()
    began = time.monotonic()
    settled = 0
    claimed: Any = redis.xautoclaim(
        _stream(), GROUP, consumer, min_idle_time=stale_ms, start_id="0-0", count=BATCH
    )
    entries = claimed[1]
    while True:
        if entries:
            done = _settle(entries, now)
            if done:
                pipe = redis.pipeline(transaction=True)
                pipe.xack(_stream(), GROUP, *done)
                pipe.xdel(_stream(), *done)
                pipe.execute()
            settled += len(done)
        if time.monotonic() - began > LONGEST_RUN_S:
            return settled
        read: Any = redis.xreadgroup(GROUP, consumer, {_stream(): ">"}, count=BATCH)
        entries = _entries(read)
        if not entries:
            return settled


def waiting() -> int:
    """Entries not yet in Postgres."""
    return int(client().xlen(_stream()))


def _settle(entries: Sequence[tuple[bytes, dict[bytes, bytes] | None]], now: datetime) -> list[bytes]:
    """Write the entries; the result holds those that are settled, for good or as unreadable."""
    shown: list[Exposure] = []
    clicks: dict[tuple[str, int, int], list[bytes]] = {}
    clicked: list[Click] = []
    done: list[bytes] = []
    for entry_id, fields in entries:
        done.append(entry_id)
        try:
            if fields and b"exposure" in fields:
                shown.append(_exposure(json.loads(fields[b"exposure"])))
            elif fields and b"click" in fields:
                click = _click(json.loads(fields[b"click"]))
                clicked.append(click)
                clicks.setdefault((click.exposure_id, click.product_id, click.shop_id), []).append(entry_id)
        except (ValueError, KeyError, TypeError):
            log.exception("exposures.unreadable", extra={"entry": entry_id.decode()})
    if shown:
        store.record_exposures(shown)
    if clicked:
        for click in store.record_clicks(clicked).unknown:
            if now - click.at < CLICK_WAITS:
                for entry_id in clicks.pop((click.exposure_id, click.product_id, click.shop_id), ()):
                    done.remove(entry_id)
    return done


def _exposure(packed: dict[str, Any]) -> Exposure:
    return Exposure(
        exposure_id=packed["id"],
        shop_id=packed["shop"],
        at=datetime.fromisoformat(packed["at"]).astimezone(UTC),
        slot=SlotName(packed["slot"]),
        served_by=ServedBy(packed["by"]),
        product_ids=tuple(packed["products"]),
        version_id=packed["version"],
        visitor=packed["visitor"],
        context_product_id=packed["context"],
        latency_us=packed["us"],
    )


def _click(packed: dict[str, Any]) -> Click:
    return Click(
        exposure_id=packed["id"],
        shop_id=packed["shop"],
        at=datetime.fromisoformat(packed["at"]).astimezone(UTC),
        product_id=packed["product"],
        visitor=packed["visitor"],
    )


def _entries(read: Any) -> list[tuple[bytes, dict[bytes, bytes] | None]]:
    """The entries of the one stream, in either protocol's form."""
    if not read:
        return []
    if isinstance(read, dict):
        found: Any = next(iter(read.values()))
        return list(found[0]) if found and isinstance(found[0], list) else list(found)
    return list(read[0][1])


def _make_group() -> None:
    try:
        client().xgroup_create(_stream(), GROUP, id="0", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


def _stream() -> str:
    return key("exposures")
