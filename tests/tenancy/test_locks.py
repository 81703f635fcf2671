"""Advisory locks: held to the end of the transaction, one shop and kind apart from another."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from tenancy.errors import Bug, Transient
from tenancy.locks import LockKind, alone, lock, try_lock
from tenancy.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_lock_outside_a_transaction_is_a_bug(shop: Shop) -> None:
    with pytest.raises(Bug):
        lock(shop, LockKind.TOKEN)
    with pytest.raises(Bug):
        try_lock(shop, LockKind.TOKEN)


def test_one_holder_at_a_time_and_others_are_told(shop: Shop, other_shop: Shop) -> None:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                lock(shop, LockKind.SLOTS)
                held.set()
                release.wait(10)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(10)
        with transaction.atomic():
            assert not try_lock(shop, LockKind.SLOTS)
            assert try_lock(shop, LockKind.TOKEN), "another kind of the same shop is free"
            assert try_lock(other_shop, LockKind.SLOTS), "the same kind of another shop is free"
        with pytest.raises(Transient, match="another process"), transaction.atomic():
            lock(shop, LockKind.SLOTS, wait_s=0.1)
    finally:
        release.set()
        holder.join()
    with transaction.atomic():
        assert try_lock(shop, LockKind.SLOTS), "it is free once the transaction has ended"


def test_a_search_is_alone_until_it_ends_or_its_process_does() -> None:
    seen: list[bool] = []

    def ask(*, ends_well: bool) -> None:
        claim = alone(LockKind.SEARCH)
        seen.append(claim.__enter__())
        if ends_well:
            claim.__exit__(None, None, None)
        connection.close()  # as a killed process's connection is

    def elsewhere(*, ends_well: bool = True) -> bool:
        thread = threading.Thread(target=ask, kwargs={"ends_well": ends_well})
        thread.start()
        thread.join()
        return seen[-1]

    with alone(LockKind.SEARCH) as taken:
        assert taken
        with transaction.atomic():
            pass
        assert not elsewhere(), "over the ends of transactions"
    assert elsewhere(ends_well=False)
    assert elsewhere(), "what died in its search keeps nobody waiting"
