"""Dead letters in Redis, under either transport: there one can be listed, replayed and erased alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tenancy.bus.interface import SHOP, VISITOR, DeadLetter, Delivery
from tenancy.redis import client, key

# Per topic and group; older ones are dropped, which is counted in `dead_dropped`.
MOST_KEPT = 100_000
LONGEST_REASON = 2_000
_OURS = ("!id", "!reason", "!attempts")
_PAGE = 1_000

Entry = tuple[str, dict[str, bytes]]


def stream(topic: str, group: str) -> str:
    return key("bus", topic, "dead", group)


def totals(topic: str) -> str:
    """The hash of a topic's counts."""
    return key("bus", topic, "totals")


def packed(delivery: Delivery, reason: str) -> list[str | bytes]:
    """The values of the dead letter's entry, names and values in turn; `unpacked` reverses it."""
    return [part for pair in _fields(delivery, reason).items() for part in pair]


def _fields(delivery: Delivery, reason: str) -> dict[Any, Any]:
    return {
        "!id": delivery.id,
        "!reason": reason[:LONGEST_REASON],
        "!attempts": str(delivery.attempts),
        **delivery.fields,
    }


def unpacked(entry: Entry) -> DeadLetter:
    entry_id, fields = entry
    return DeadLetter(
        id=entry_id,
        message_id=fields.get("!id", b"").decode(),
        fields={name: value for name, value in fields.items() if name not in _OURS},
        reason=fields.get("!reason", b"").decode(errors="replace"),
        attempts=int(fields.get("!attempts", b"0")),
        at=datetime.fromtimestamp(int(entry_id.split("-")[0]) / 1000, tz=UTC),
    )


def keep(topic: str, group: str, delivery: Delivery, reason: str) -> None:
    """Add a dead letter, in one transaction with its count."""
    name = stream(topic, group)
    pipe = client().pipeline(transaction=True)
    pipe.xadd(name, _fields(delivery, reason))
    pipe.hincrby(totals(topic), "dead", 1)
    pipe.xtrim(name, maxlen=MOST_KEPT, approximate=False)
    dropped = int(pipe.execute()[-1])
    if dropped:
        client().hincrby(totals(topic), "dead_dropped", dropped)


def counts(topic: str) -> dict[str, int]:
    found: Any = client().hgetall(totals(topic))
    return {name.decode(): int(count) for name, count in found.items()}


def oldest(topic: str, group: str, *, count: int) -> list[DeadLetter]:
    return [unpacked(entry) for entry in entries(client().xrange(stream(topic, group), count=count))]


def forget(
    topic: str,
    group: str,
    *,
    shop_id: int,
    visitors: frozenset[bytes] | None,
    before: datetime | None = None,
) -> int:
    """Delete the dead letters about these visitors, or about the whole shop; returns how many.

    Args:
        before: only those from before this moment.
    """
    name = stream(topic, group)
    gone = 0
    until = "+" if before is None else f"({int(before.timestamp() * 1000)}"
    for page in pages(name, until=until):
        ids = [entry_id for entry_id, fields in page if is_about(fields, shop_id, visitors)]
        if ids:
            gone += int(client().xdel(name, *ids))
    return gone


def is_about(fields: Mapping[str, bytes], shop_id: int, visitors: frozenset[bytes] | None) -> bool:
    """Whether a message belongs to this shop and, when visitors are given, to one of them."""
    if fields.get(SHOP) != str(shop_id).encode():
        return False
    return visitors is None or fields.get(VISITOR) in visitors


def pages(name: str, *, until: str = "+") -> Iterator[list[Entry]]:
    """A stream from its beginning, in pieces that fit in memory."""
    after = "-"
    while page := entries(client().xrange(name, min=after, max=until, count=_PAGE)):
        yield page
        after = f"({page[-1][0]}"


def entries(read: Any) -> list[Entry]:
    """Stream entries as Redis gives them, with names as text. Erased ones are left out."""
    return [
        (entry_id.decode(), {name.decode(errors="replace"): value for name, value in fields.items()})
        for entry_id, fields in read
        if fields
    ]
