"""The only lock helper: Postgres advisory locks, transaction scoped (but for `alone`), taken in sorted order.

Take the lock before any row lock, and re-read what the decision needs after taking it. The kinds below are a permanent
register: a number is never reused for another purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum

from django.db import DatabaseError, connection

from tenancy.errors import Bug, Transient
from tenancy.models import Shop


class LockKind(IntEnum):
    TOKEN = 1  # one refresher of a shop's access token
    IMPORT = 2  # one step of a shop's import at a time
    TRAINING = 3  # one training step of a shop at a time
    SLOTS = 4  # one change of a shop's slots at a time
    WEBHOOKS = 5  # one drain of a shop's webhook inbox at a time
    EVENTS = 6  # one writer of a shop's events, exposures and outcomes at a time
    ONLINE = 7  # one writer of a shop's Redis copy at a time
    SEARCH = 8  # one search of every store at a time, over all shops
    FEATURES = 9  # one writer of a shop's feature vectors and of their versions at a time


def lock(shop: Shop, *kinds: LockKind, wait_s: float = 3.0) -> None:
    """Take the locks until the transaction ends.

    Raises:
        Bug: outside a transaction.
        Transient: not granted within `wait_s` seconds.
    """
    from django.db.utils import OperationalError

    if not connection.in_atomic_block:
        raise Bug("an advisory lock is only held inside a transaction")
    with connection.cursor() as cursor:
        cursor.execute("select set_config('lock_timeout', %s, true)", [f"{int(wait_s * 1000)}ms"])
        try:
            for kind in sorted(kinds):
                cursor.execute("select pg_advisory_xact_lock(%s, %s)", [int(kind), shop.pk])
        except OperationalError as error:
            raise Transient(
                "another process is working on the same thing", code="busy", wait_s=1.0
            ) from error
        cursor.execute("select set_config('lock_timeout', '0', true)")


def try_lock(shop: Shop, kind: LockKind) -> bool:
    """Take the lock if it is free at once; True when taken, held until the transaction ends.

    Raises:
        Bug: outside a transaction.
    """
    if not connection.in_atomic_block:
        raise Bug("an advisory lock is only held inside a transaction")
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s, %s)", [int(kind), shop.pk])
        row = cursor.fetchone()
    return bool(row and row[0])


@contextmanager
def alone(kind: LockKind) -> Iterator[bool]:
    """Whether no other process does this now, of whatever shop; held for the block, over many transactions.

    It ends with the connection, so a killed process keeps nobody waiting.
    """
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s, 0)", [int(kind)])
        row = cursor.fetchone()
    taken = bool(row and row[0])
    try:
        yield taken
    finally:
        if taken:
            with suppress(DatabaseError), connection.cursor() as cursor:
                cursor.execute("select pg_advisory_unlock(%s, 0)", [int(kind)])
