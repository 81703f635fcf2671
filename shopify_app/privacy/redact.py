"""Forget a customer, or a whole shop, in every store."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models import ForeignKey, Model

from mlops.deployments import store as deployments
from mlops.feature_store import erase as vectors
from mlops.features import attributes, erase
from mlops.features.erase import Erased, Person
from mlops.registry import redactions
from mlops.training import unlearn
from mlops.validation import erase as quarantine
from shopify_app import installs
from shopify_app.privacy import exports, shop_erasures
from shopify_app.privacy.asked import customer_number, numbers
from shopify_app.privacy.models import Redaction
from shopify_app.privacy.needles import Needles
from shopify_app.privacy.places import PLACES, Erase, Holds
from tenancy import audit, pseudonyms
from tenancy import redis as shared_redis
from tenancy.bus import in_flight
from tenancy.locks import LockKind, lock
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scope, scoped

log = logging.getLogger("shelfwise.privacy")
LOCK_WAIT_S = 30.0


@scoped
@reading(actor="system:privacy", purpose=Purpose.ERASURE)
def redact_customer(shop: Shop, payload: Mapping[str, Any], *, now: datetime) -> Redaction:
    """customers/redact: the orders stay as sales of nobody; everything that names the customer goes. Safe twice.

    One transaction. What is on its way at this moment is stripped when it arrives, and the search that follows
    (`certificate.certify`) looks whether it was.

    Raises:
        Transient: a writer or a training step of this shop held on for too long.
    """
    number = customer_number(payload)
    pseudonym = pseudonyms.of(shop).of_customer(number)
    with scope(shop):
        known = erase.find(shop, pseudonym, order_ids=numbers(payload.get("orders_to_redact")))
    # First, and without a lock: what a consumer has in hand must be in its table before that is erased.
    in_flight.forget(shop.pk, visitors=known.visitors)
    with transaction.atomic(), scope(shop):
        erased, person = erase.erase_customer(
            shop, pseudonym, numbers(payload.get("orders_to_redact")), now=now
        )
        needles = Needles((number,), person.customers, person.visitors)
        for each in person.customers:
            quarantine.erase_customer(shop, each, person.orders, person.visitors)
        mentioned = attributes.forget_mentions(shop, needles.texts)
        mentioned += quarantine.forget_mentions(shop, needles.texts)
        elsewhere = _elsewhere(shop, person, needles)
        flagged = redactions.flag(
            snapshots=erased.snapshots, doubtful=erased.gone, first_order_at=person.first_order_at, now=now
        )
        named = redactions.rewrite(shop, person.customers, snapshots=(*erased.snapshots, *erased.gone))
        unlearn.begin_again(shop, snapshots=erased.snapshots)
        deleted = exports.delete_of(shop, number, now=now)
        counts = {
            **_counts(erased), **elsewhere, "versions flagged": flagged, "models rewritten": named, "exports": deleted
        }  # fmt: skip
        if mentioned:
            counts["metafields"] = mentioned
        redaction = Redaction.objects.create(
            shop=shop, asked_at=now, erased_at=now, counts=counts, next_try_at=now,
            needles_sealed=settings.KEYRING.seal(needles.plain(), context=f"redaction:{shop.pk}"),
        )  # fmt: skip
        transaction.on_commit(lambda: _follow(shop), robust=True)
        transaction.on_commit(lambda: vectors.forget(shop, person.customers, person.visitors))
        audit.record(
            shop,
            actor="system:privacy",
            action="privacy.customer_redacted",
            now=now,
            reason="Shopify asked for it",
            data={"redaction": redaction.pk, **counts},
        )
    return redaction


@scoped
def _follow(shop: Shop) -> None:
    """Tell who serves that artefacts have new names; the training tick does it too, should this process die."""
    deployments.publish_all(shop)


@reading(actor="system:privacy", purpose=Purpose.ERASURE)
def redact_shop(shop: Shop, *, now: datetime, triggered_at: datetime | None = None) -> bool:
    """shop/redact: erase the shop, unless it was installed again in the meantime. True when erased."""
    shop = Shop.objects.get(pk=shop.pk)
    if shop.uninstalled_at is None and triggered_at is not None and triggered_at >= shop.installed_at:
        # Shopify sends this 48 hours after an uninstall whose webhook we may have missed: then it is the uninstall.
        installs.uninstall(shop, now, triggered_at=triggered_at)
    elif shop.uninstalled_at is None:
        log.info("privacy.shop_kept", extra={"shop_id": shop.pk})
        return False
    erase_shop(shop, now=now)
    return True


@scoped
@reading(actor="system:privacy", purpose=Purpose.ERASURE)
def erase_shop(shop: Shop, *, now: datetime) -> None:
    """Delete every row, key and file of the shop; a search follows, and its certificate (`shop_erasures`) names nobody."""
    shop_id = shop.pk
    with transaction.atomic(), scope(shop), connection.cursor() as cursor:
        # A step under way ends first, or it would write its file into the emptied folder.
        kinds = (LockKind.TOKEN, LockKind.IMPORT, LockKind.TRAINING, LockKind.SLOTS, LockKind.EVENTS)
        lock(shop, *kinds, wait_s=LOCK_WAIT_S)
        erase.erase_shop(shop)
        # The other rooms keep rows alone. Foreign keys are checked at the commit, so the order of the tables is free.
        for table in _shop_tables():
            cursor.execute(f'delete from "{table}" where shop_id = %s', [shop_id])  # noqa: S608 - names of our models
        cursor.execute("delete from tenancy_shop where id = %s", [shop_id])
        shop_erasures.note(shop, now=now)
    pseudonyms.forget(shop)
    # Killed before it is done, this is repeated by the search that follows.
    shop_erasures.sweep(shop_id, shop.domain)
    log.info("privacy.shop_erased", extra={"shop_id": shop_id, "at": now.isoformat()})


def sweep_redis(needles: Needles) -> int:
    """Delete what is stuck in Redis and still names the person: entries, members, keys. How many."""
    client: Any = shared_redis.client()
    deleted = 0
    for name in client.scan_iter(match=shared_redis.key("*"), count=1000):
        kind = client.type(name)
        if needles.search(name):
            deleted += client.delete(name)
        elif kind == b"stream":
            for entry, fields in client.xrange(name):
                if needles.search(b"\n".join(part for pair in (fields or {}).items() for part in pair)):
                    deleted += client.xdel(name, entry)
        elif kind == b"string" and needles.search(client.get(name) or b""):
            deleted += client.delete(name)
        elif kind == b"hash":
            for member, value in client.hscan_iter(name, count=1000):
                if needles.search(member + b"\n" + value):
                    deleted += client.hdel(name, member)
        elif kind == b"set":
            deleted += sum(client.srem(name, each) for each in client.smembers(name) if needles.search(each))
        elif kind == b"zset":
            deleted += sum(
                client.zrem(name, each) for each in client.zrange(name, 0, -1) if needles.search(each)
            )
        elif kind == b"list":
            deleted += sum(
                client.lrem(name, 0, each) for each in client.lrange(name, 0, -1) if needles.search(each)
            )
    return deleted


def _elsewhere(shop: Shop, person: Person, needles: Needles) -> dict[str, int]:
    """Erase the person from the declared places of other rooms, and every column called `visitor` besides."""
    found: dict[str, int] = {}
    with connection.cursor() as cursor:
        for place in PLACES:
            if place.erase in (Erase.OWN_ROOM, Erase.PASSES):
                continue
            names, values = _who(place.column, place.holds, person, needles)
            change = {
                Erase.CLEAR: f'update "{place.table}" set "{place.column}" = null',  # noqa: S608 - our own names
                Erase.EMPTY: f'update "{place.table}" set "{place.column}" = \'{{}}\'',  # noqa: S608
                Erase.DELETE: f'delete from "{place.table}"',  # noqa: S608
            }[place.erase]
            cursor.execute(
                f"{change} where shop_id = %s and ({names}) and ({place.only})", [shop.pk, *values]
            )
            found[place.table] = found.get(place.table, 0) + cursor.rowcount
        for table, nullable in _visitor_columns(cursor):
            change = f'update "{table}" set visitor = null' if nullable else f'delete from "{table}"'  # noqa: S608
            cursor.execute(
                f"{change} where shop_id = %s and visitor = any(%s)", [shop.pk, list(person.visitors)]
            )
            found[table] = found.get(table, 0) + cursor.rowcount
    return {table: count for table, count in found.items() if count}


def _who(column: str, holds: Holds, person: Person, needles: Needles) -> tuple[str, list[Any]]:
    if holds is Holds.CUSTOMER:
        return f'"{column}" = any(%s::bigint[])', [list(person.customers)]
    if holds is Holds.VISITOR:
        return f'"{column}" = any(%s::text[])', [list(person.visitors)]
    return (
        f'exists (select from unnest(%s::text[]) as n where strpos("{column}"::text, n) > 0)',
        [list(needles.texts)],
    )


def _visitor_columns(cursor: Any) -> list[tuple[str, bool]]:
    """Tables of a shop with a column `visitor` that no place declares, and whether it may be null."""
    cursor.execute(
        "select c.table_name, c.is_nullable = 'YES' from information_schema.columns c"
        " where c.table_schema = 'public' and c.column_name = 'visitor' and exists (select"
        " from information_schema.columns s where s.table_name = c.table_name and s.table_schema = 'public'"
        " and s.column_name = 'shop_id')"
    )
    declared = {each.table for each in PLACES if each.column == "visitor"}
    return [(table, nullable) for table, nullable in cursor.fetchall() if table not in declared]


def _counts(erased: Erased) -> dict[str, int]:
    return {
        "orders": erased.orders, "events": erased.events, "exposures": erased.exposures,
        "snapshots": len(erased.snapshots),
    }  # fmt: skip


def _shop_tables() -> list[str]:
    def owned(model: type[Model]) -> bool:
        return any(
            isinstance(field, ForeignKey) and field.name == "shop" and field.related_model is Shop
            for field in model._meta.get_fields()
        )

    return sorted(model._meta.db_table for model in apps.get_models() if owned(model))
