"""Shell: take events in. Log, present state and outcomes change in one transaction, then the Redis copy follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from mlops.features import attributes, news, online, owed, present, tombstones
from mlops.features.arrays import array
from mlops.features.encoding import Encoded, encode
from mlops.features.events import Event, Source
from tenancy.locks import LockKind, lock
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scoped

# 2,000 orders with 50,000 lines are one call of some 1.5 s and 150 MB here; larger batches gain nothing.
BATCH_EVENTS = 2_000
# A writer waits for the one before it, who holds the lock for one batch.
LOCK_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch.

    Args:
        new: events that are logged now and changed the present state (or have none, as markers).
        older: logged, but the present state is newer (or a newer one stood in the same batch).
        repeated: were in the log before; nothing was written.
    """

    new: int
    older: int
    repeated: int


@scoped
@reading(actor="system:events", purpose=Purpose.KEEPING)
def append(shop: Shop, events: Sequence[Event], *, source: Source, now: datetime) -> Appended:
    """Take events in, in any order and any number of times. The newest version of a subject is shown.

    Version times are whole seconds, so two states may share one: then the one that Shopify sent last is shown, in
    whatever order they arrive, also when it was sent before the other as well (stock that goes 1, 0, 1 within a second);
    what does not say when it was sent counts as read just now. An import tells only what the log has not: its
    rows are a picture of one moment, and what came since by webhook is not older. A reconciliation tells only what it
    found to differ from what is shown, so it is believed as a webhook is.

    Args:
        source: by which way they reached us.
        now: when we learnt of them.

    Raises:
        Transient: another writer of this shop held on for `LOCK_WAIT_S` seconds.
        ValueError: a time without a zone; nothing of the call is kept when it is one batch.
    """
    new = older = repeated = 0
    for start in range(0, len(events), BATCH_EVENTS):
        batch = events[start : start + BATCH_EVENTS]
        encoded: dict[str, Encoded] = {}
        with transaction.atomic():
            lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
            # Under the lock: whose choice ended, or who was erased, while this was on the way leaves nothing in the log.
            for row in map(encode, attributes.only_chosen(shop, tombstones.strip(shop, batch))):
                encoded.pop(row.key, None)  # told twice: it counts where it was told last
                encoded[row.key] = row
            fresh = _log(shop.pk, list(encoded.values()), source, now)
            with connection.cursor() as cursor:
                touched = present.apply(cursor, shop.pk, fresh, now)
                attributes.keep(cursor, shop, fresh, now)
                if source is not Source.BACKFILL and len(fresh) < len(encoded):
                    again = _told_again(shop.pk, encoded, fresh)
                    touched.add(present.apply(cursor, shop.pk, again, now))
                    attributes.keep(cursor, shop, again, now)
            owed.renew(shop.pk, touched.orders)
            if touched.products or touched.inventory_items:
                products, items = frozenset(touched.products), frozenset(touched.inventory_items)
                online.refresh_on_commit(shop, products, items, tell_features=source is not Source.BACKFILL)
            if source is not Source.BACKFILL:
                news.tell_of_orders(shop.pk, fresh)
        markers = sum(row.kind == "marker" for row in fresh)
        new += touched.written + markers
        older += len(fresh) - touched.written - markers
        repeated += len(batch) - len(fresh)
    return Appended(new=new, older=older, repeated=repeated)


def _told_again(shop_id: int, encoded: Mapping[str, Encoded], fresh: Sequence[Encoded]) -> list[Encoded]:
    """All events of the subjects of which something was told that the log holds already, in the order given.

    A state from which the log has erased a customer since is not told again.
    """
    added = {row.key for row in fresh}
    old = [row for row in encoded.values() if row.key not in added]
    with connection.cursor() as cursor:
        cursor.execute(
            "select e.key from features_event e"
            " join rows from (unnest(%s::text[]), jsonb_array_elements(%s::jsonb)) as u(key, payload)"
            " on e.key = u.key and e.payload = u.payload where e.shop_id = %s",
            [[row.key for row in old], "[" + ",".join(row.payload for row in old) + "]", shop_id],
        )
        whole = {found[0] for found in cursor.fetchall()}
    subjects = {row.subject_id for row in old if row.key in whole}
    return [row for row in encoded.values() if row.subject_id in subjects and row.key in added | whole]


def _log(shop_id: int, rows: Sequence[Encoded], source: Source, now: datetime) -> list[Encoded]:
    """Add to the log; the result holds those that were not in it, in the order given."""
    if not rows:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into features_event"
            " (shop_id, kind, subject_id, version_at, occurred_at, known_at, source, told_at, key, payload)"
            " select %s, u.kind, u.subject_id, u.version_at, u.occurred_at, %s, %s, u.told_at, u.key, u.payload"
            # Payloads go as one JSON array: as a text array each of their quotes would be escaped one by one.
            " from rows from (unnest(%s::text[], %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[],"
            " %s::text[]), jsonb_array_elements(%s::jsonb)) as u(kind, subject_id, version_at, occurred_at, told_at, key, payload)"
            " on conflict (shop_id, key) do nothing returning key",
            [
                shop_id,
                now,
                source.value,
                array("text", [row.kind for row in rows]),
                array("bigint", [row.subject_id for row in rows]),
                array("timestamptz", [row.version_at for row in rows]),
                array("timestamptz", [row.occurred_at for row in rows]),
                array("timestamptz", [getattr(row.event, "told_at", None) for row in rows]),
                array("text", [row.key for row in rows]),
                "[" + ",".join(row.payload for row in rows) + "]",
            ],
        )
        added = {found[0] for found in cursor.fetchall()}
    return [row for row in rows if row.key in added]
