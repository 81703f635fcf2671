"""What lapses: each kind of personal data is kept for a stated time, then forgotten in small batches.

Every batch is its own transaction and finds what is left by itself, so a run that is killed is gone on with by the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from mlops.features import frames, sealed, tombstones
from mlops.features.models import Snapshot
from mlops.training.demand import collect
from mlops.training.models import FINAL, TrainingRun
from shopify_app.privacy import exports
from tenancy import audit
from tenancy.bus import in_flight
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scope

BATCH = 2_000
LONGEST_RUN_S = 300.0
Forget = Callable[[Shop, datetime, datetime], int]


@dataclass(frozen=True, slots=True)
class Period:
    """One kind of data and how long it is kept.

    Args:
        name: in the audit entry and in the API.
        setting: the environment variable.
        told: what lapses, for the merchant.
        forget: one batch: shop, everything from before this moment, now; how many were forgotten.
    """

    name: str
    setting: str
    told: str
    forget: Forget
    days: Callable[[], int]


@reading(actor="system:privacy", purpose=Purpose.RETENTION)
def enforce(shop: Shop, *, now: datetime, seconds: float = LONGEST_RUN_S) -> Mapping[str, int]:
    """Forget what has lapsed in this shop; how many of each kind, and an audit entry when there were any."""
    until = time.monotonic() + seconds
    forgotten: dict[str, int] = {}
    with scope(shop):
        try:
            for period in PERIODS:
                before = now - timedelta(days=period.days())
                while time.monotonic() < until:
                    with transaction.atomic():
                        count = period.forget(shop, before, now)
                    forgotten[period.name] = forgotten.get(period.name, 0) + count
                    if count < BATCH:
                        break
        finally:
            told = {name: count for name, count in forgotten.items() if count}
            if told:
                audit.record(shop, actor="system:privacy", action="privacy.retention", now=now, data=told,
                             reason="their time was over")  # fmt: skip
    return told


def logs(*, now: datetime) -> int:
    """Delete log files that nobody wrote to for the stated time; belongs to no shop."""
    before = (now - timedelta(days=settings.RETAIN_DAYS["logs"])).timestamp()
    deleted = 0
    for folder in settings.LOG_DIRS:
        for path in [each for each in Path(folder).rglob("*") if each.is_file()]:
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
                deleted += 1
    return deleted


def _visitors(shop: Shop, before: datetime, now: datetime) -> int:
    """Visitor ids of exposures, outcomes, orders and their events: the rows stay as nobody's."""
    count = _sql(
        "update features_exposure set visitor = null where (shop_id, exposure_id) in (select shop_id, exposure_id"
        " from features_exposure where shop_id = %s and at < %s and visitor is not null limit %s)", shop, before,
    )  # fmt: skip
    count += _sql(
        "update features_storefront_event set visitor = null where (shop_id, event_id) in (select shop_id, event_id"
        " from features_storefront_event where shop_id = %s and at < %s and visitor is not null limit %s)", shop, before,
    )  # fmt: skip
    count += _sql(
        "delete from features_excluded_visitor where (shop_id, visitor, reason) in (select shop_id, visitor, reason"
        " from features_excluded_visitor where shop_id = %s and coalesce(until, since) < %s limit %s)", shop, before,
    )  # fmt: skip
    count += _sql(
        "update features_outcome set visitor = null where id in (select id from features_outcome where shop_id = %s"
        " and at < %s and visitor is not null limit %s)", shop, before,
    )  # fmt: skip
    count += _sql(
        "update features_order set visitor = null where (shop_id, order_id) in (select shop_id, order_id"
        " from features_order where shop_id = %s and ordered_at < %s and visitor is not null limit %s)", shop, before,
    )  # fmt: skip
    return count + _sql(
        "update features_event set payload = payload - 'visitor' where id in (select id from features_event"
        " where shop_id = %s and occurred_at < %s and kind = 'order' and payload ? 'visitor' limit %s)", shop, before,
    )  # fmt: skip


def _storefront(shop: Shop, before: datetime, now: datetime) -> int:
    return _sql(
        "delete from features_storefront_event where (shop_id, event_id) in (select shop_id, event_id"
        " from features_storefront_event where shop_id = %s and at < %s limit %s)", shop, before,
    )  # fmt: skip


def _inbox(shop: Shop, before: datetime, now: datetime) -> int:
    return _sql(
        "delete from webhooks_inboxdelivery where id in (select id from webhooks_inboxdelivery where shop_id = %s"
        " and state = 'done' and done_at < %s limit %s)", shop, before,
    )  # fmt: skip


def _dead_letters(shop: Shop, before: datetime, now: datetime) -> int:
    """The payload goes; the row says on that there was one, and why it was given up. The event bus's go as a whole.

    There a message may also have been given up after its visitor was forgotten.
    """
    count = in_flight.lapse_dead(shop.pk, before=before)
    forgotten = tombstones.among(shop, visitors=in_flight.visitors_of_dead(shop.pk)).visitors
    count += in_flight.forget_dead(shop.pk, visitors=forgotten)
    return count + _sql(
        "update webhooks_inboxdelivery set payload = '{}'::jsonb where id in (select id from webhooks_inboxdelivery"
        " where shop_id = %s and state = 'dead' and received_at < %s and payload <> '{}'::jsonb limit %s)", shop, before,
    )  # fmt: skip


def _exports(shop: Shop, before: datetime, now: datetime) -> int:
    return exports.delete_lapsed(shop, now=now, most=BATCH)


def _references(shop: Shop, before: datetime, now: datetime) -> int:
    """Numbers of customers whose last order, and whose reference, are older; of those without any order too."""
    return _sql(
        "delete from sync_customerreference where (shop_id, customer_id) in (select r.shop_id, r.customer_id"
        " from sync_customerreference r where r.shop_id = %(shop)s and r.noted_at < %(before)s and not exists (select"
        " from features_order o where o.shop_id = r.shop_id and o.customer_id = r.customer_id"
        " and o.ordered_at >= %(before)s) limit %(most)s)", shop, before,
    )  # fmt: skip


def _snapshots(shop: Shop, before: datetime, now: datetime) -> int:
    """Frames that no version was trained on lately and no open run reads. The row and its lineage stay."""
    running = TrainingRun.objects.exclude(state__in=FINAL).exclude(snapshot=None)
    rows = Snapshot.objects.filter(Q(taken_at__gte=before) | Q(pk__in=running.values("snapshot_id")))
    wanted = {digest for pair in rows.values_list("digest", "catalogue_digest") for digest in pair}
    kept = [*frames.files(shop.pk), *frames.catalogues(shop.pk)]
    old = [path for path in kept if path.stem not in wanted][:BATCH]
    # A step that writes a frame names it in a row within its transaction: what is younger than that is left alone.
    old = [path for path in old if path.stat().st_mtime < (now - timedelta(hours=1)).timestamp()]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old) + _panels(shop, before)


def _panels(shop: Shop, before: datetime) -> int:
    """Frozen sums of sales that no open run reads. They hold nobody."""
    wanted = {run.work.get("panel") for run in TrainingRun.objects.exclude(state__in=FINAL)}
    held = sorted((sealed.folder_of(shop.pk) / collect.KIND).glob("*.sealed"))
    old = [path for path in held if path.stem not in wanted and path.stat().st_mtime < before.timestamp()]
    for path in old[:BATCH]:
        path.unlink(missing_ok=True)
    return len(old[:BATCH])


def _quarantine(shop: Shop, before: datetime, now: datetime) -> int:
    return _sql(
        "delete from validation_heldrow where id in (select id from validation_heldrow where shop_id = %s"
        " and last_seen_at < %s limit %s)", shop, before,
    )  # fmt: skip


def _feature_statistics(shop: Shop, before: datetime, now: datetime) -> int:
    return _sql(
        "delete from feature_store_featureday where id in (select id from feature_store_featureday where shop_id = %s"
        " and taken_at < %s limit %s)", shop, before,
    )  # fmt: skip


def _access_log(shop: Shop, before: datetime, now: datetime) -> int:
    return _sql(
        "delete from tenancy_accessentry where id in (select id from tenancy_accessentry where shop_id = %s"
        " and at < %s limit %s)", shop, before,
    )  # fmt: skip


def _sql(statement: str, shop: Shop, before: datetime) -> int:
    named = "%(shop)s" in statement
    values: Any = {"shop": shop.pk, "before": before, "most": BATCH} if named else [shop.pk, before, BATCH]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def _days(name: str) -> Callable[[], int]:
    return lambda: int(settings.RETAIN_DAYS[name])


PERIODS: tuple[Period, ...] = (
    Period("visitors", "RETENTION_VISITORS_DAYS",
           "Which browser saw, clicked or bought something. What was seen and bought stays, without the browser.",
           _visitors, _days("visitors")),
    Period("storefront", "RETENTION_STOREFRONT_DAYS", "What browsers told of visits: pages, searches, carts.",
           _storefront, _days("storefront")),
    Period("inbox", "RETENTION_INBOX_DAYS", "That a message of Shopify's arrived. Its content goes as soon as it is done.",
           _inbox, _days("inbox")),
    Period("dead_letters", "RETENTION_DEAD_LETTERS_DAYS", "The content of messages, Shopify's and browsers', that could not be used.",
           _dead_letters, _days("dead_letters")),
    Period("quarantine", "RETENTION_QUARANTINE_DAYS", "Rows that could not be true and were put aside.",
           _quarantine, _days("quarantine")),
    Period("exports", "RETENTION_EXPORTS_DAYS", "Exports for customers who asked for their data.",
           _exports, lambda: int(settings.RETENTION_EXPORTS_DAYS)),
    Period("references", "RETENTION_REFERENCES_DAYS",
           "Shopify's numbers of customers who have not ordered since, sealed.", _references, _days("references")),
    Period("feature_statistics", "RETENTION_FEATURE_STATISTICS_DAYS",
           "How what is known of products and customers was distributed on a day; no single one is in it.",
           _feature_statistics, _days("feature_statistics")),
    Period("access_log", "RETENTION_ACCESS_LOG_DAYS", "Who read what is linked to people, and why.",
           _access_log, _days("access_log")),
    Period("snapshots", "RETENTION_SNAPSHOTS_DAYS", "The frozen orders that a version learnt from. The version stays.",
           _snapshots, _days("snapshots")),
)  # fmt: skip
