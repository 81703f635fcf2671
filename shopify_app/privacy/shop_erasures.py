"""A whole shop erased: what it leaves outside the database is swept, then searched for, and a certificate is kept.

What is kept belongs to no shop: a number of ours that nothing else carries any more, a keyed hash of the domain, and the
certificate. An operator reads it with `manage.py shop_certificate`.
"""

from __future__ import annotations

import hmac
import logging
import mmap
import re
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from mlops.features import online
from shopify_app.privacy import certificate, search
from shopify_app.privacy.models import RedactionState, ShopErasure
from shopify_app.privacy.needles import Needles
from tenancy import redis as shared_redis
from tenancy.bus import in_flight
from tenancy.bus.interface import SHOP
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import unscoped

log = logging.getLogger("shelfwise.privacy")
# Sorted sets of all shops, whose members begin with the shop's number.
DEBTS = ("owed", "features-changed")


def mark(domain: str) -> bytes:
    """Recognises a domain, and tells nobody which; under SECRET_KEY."""
    return hmac.digest(settings.SECRET_KEY.encode(), b"erased shop:" + domain.encode(), "sha256")


def note(shop: Shop, *, now: datetime) -> ShopErasure:
    """Remember that the shop is erased now. Call it in the transaction that deletes its rows."""
    needles = Needles(domains=(shop.domain,))
    sealed = settings.KEYRING.seal(needles.plain(), context=f"shop erasure:{shop.pk}")
    return ShopErasure.objects.create(
        shop_number=shop.pk, mark=mark(shop.domain), erased_at=now, needles_sealed=sealed, next_try_at=now
    )


def sweep(number: int, domain: str) -> None:
    """Delete the shop's keys, messages and files. Safe to repeat.

    Raises:
        Transient: the bus is away, or a consumer still holds a message of the shop.
    """
    in_flight.forget(number)
    client = shared_redis.client()
    for name in keys_of(number):
        client.delete(name)
    for debts in DEBTS:
        if owed := _owed(debts, number):
            client.zrem(shared_redis.key(debts), *owed)
    shutil.rmtree(Path(settings.ARTEFACT_DIR) / str(number), ignore_errors=True)
    if not came_back(domain):
        online.forget(number, domain)


def came_back(domain: str) -> bool:
    """Whether the shop was installed again, under another number: then its domain is left alone."""
    return Shop.objects.filter(domain=domain).exists()


def certify(erasure: ShopErasure, *, now: datetime) -> ShopErasure:
    """Sweep once more, search every store, and keep the certificate once nothing is found; else try again later.

    After `certificate.MOST_TRIES` it says what is found, and so does the log: no merchant is left to be told.

    Raises:
        Transient: as `sweep`.
    """
    if erasure.state != RedactionState.ERASED or erasure.needles_sealed is None:
        return erasure
    number = erasure.shop_number
    sealed = bytes(erasure.needles_sealed)
    needles = Needles.read(settings.KEYRING.open(sealed, context=f"shop erasure:{number}"))
    (domain,) = needles.domains
    sweep(number, domain)
    if not came_back(domain):
        blot(needles)
    made = make(number, domain, erased_at=erasure.erased_at, now=now)
    erasure.tries += 1
    if not made["clean"] and erasure.tries < certificate.MOST_TRIES:
        erasure.next_try_at = now + certificate.pause(erasure.tries)
    else:
        erasure.state = RedactionState.CERTIFIED if made["clean"] else RedactionState.FOUND
        erasure.certificate, erasure.certified_at = made, now
        erasure.needles_sealed, erasure.next_try_at = None, None
    erasure.save()
    told = {"shop_id": number, "state": erasure.state, "tries": erasure.tries, "sha256": made["sha256"]}
    (log.info if made["clean"] else log.error)("privacy.shop_searched", extra=told)
    return erasure


def make(number: int, domain: str, *, erased_at: datetime, now: datetime) -> dict[str, Any]:
    """Search every store for the shop by its domain, and by its number wherever a number means a shop."""
    began = time.monotonic()
    back = came_back(domain)
    needles = Needles() if back else Needles(domains=(domain,))
    found = search.everywhere(needles)
    linked(number, found)
    about = {"shop_number": number, "erased_at": erased_at.isoformat(), "installed_again": back}
    return certificate.written(about, needles, found, now=now, seconds=time.monotonic() - began)


def linked(number: int, found: search.Findings) -> None:
    """Add what carries the shop's number: rows, keys, messages, files."""
    with (
        unscoped(why="an erased shop is searched for in every table"),
        reading(actor="system:privacy", purpose=Purpose.ERASURE),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "select c.table_schema, c.table_name, c.column_name from information_schema.columns c"
            " join information_schema.tables t using (table_schema, table_name) where t.table_type = 'BASE TABLE'"
            " and (c.column_name = 'shop_id' or c.table_name = 'tenancy_shop' and c.column_name = 'id')"
        )
        for schema, table, column in cursor.fetchall():
            found.searched["postgres"]["tables of shops"] += 1
            cursor.execute(f'select count(*) from "{schema}"."{table}" where "{column}" = %s', [number])  # noqa: S608
            if rows := cursor.fetchone()[0]:
                found.hits[f"postgres: {table}.{column}"]["rows of the shop"] += rows
    for name in keys_of(number):
        found.hits[f"redis: {name.decode()}"]["a key of the shop"] += 1
    for debts in DEBTS:
        if owed := _owed(debts, number):
            found.hits[f"redis: {shared_redis.key(debts)}"]["members of the shop"] += len(owed)
    client: Any = shared_redis.client()
    for name in client.scan_iter(match=shared_redis.key("*"), count=1000, _type="stream"):
        entries = (fields or {} for _, fields in client.xrange(name))
        if count := sum(fields.get(SHOP.encode()) == b"%d" % number for fields in entries):
            found.hits[f"redis: {name.decode()}"]["messages of the shop"] += count
    if (Path(settings.ARTEFACT_DIR) / str(number)).exists():
        found.hits[f"files: {number}"]["a folder of the shop"] += 1


def keys_of(number: int) -> Iterator[bytes]:
    """Keys that are one shop's: its number stands after what the key is, or after whom a cap counts."""
    prefix = re.escape(settings.REDIS_PREFIX.encode())
    theirs = re.compile(prefix + rb":(?:collected:)?[a-z][a-z_-]*:%d(?::.*)?" % number, re.DOTALL)
    for name in shared_redis.client().scan_iter(match=shared_redis.key("*"), count=1000):
        if theirs.fullmatch(name):
            yield name


def _owed(debts: str, number: int) -> list[bytes]:
    found = shared_redis.client().zscan_iter(shared_redis.key(debts), match=f"{number}:*", count=1000)
    return [member for member, _ in found]


def blot(needles: Needles) -> int:
    """Write x over what is looked for in all logs, in place, while others write on; returns how often."""
    blotted = 0
    for folder in settings.LOG_DIRS:
        for path in search.logs_in(folder):
            try:
                with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as held:
                    for form in needles.forms:
                        for hit in form.pattern.finditer(held):
                            held[hit.start() : hit.end()] = b"x" * (hit.end() - hit.start())
                            blotted += 1
            except (OSError, ValueError):
                continue  # not ours to write, or empty: the search tells whether it matters
    return blotted


def due(now: datetime) -> list[ShopErasure]:
    """Erased shops whose search is due."""
    waiting = ShopErasure.objects.filter(state=RedactionState.ERASED, next_try_at__lte=now)
    return list(waiting.order_by("next_try_at")[:10])
