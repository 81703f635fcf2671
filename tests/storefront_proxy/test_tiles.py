"""Tiles in memory: never more than one look behind Redis, whatever is written, lost or raced."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from datetime import timedelta
from itertools import count

import pytest

from mlops.features import online, store
from mlops.features.events import ProductDeleted, Source, StockChanged
from mlops.features.online import OnlineShop
from storefront_proxy import tiles
from storefront_proxy.tiles import MAX_AGE_S, MOST_KEPT, Tiles
from tenancy.models import Shop
from tenancy.redis import client, key
from tests.mlops.builders import NOON, product
from tests.mlops.shops import N_PRODUCTS
from tests.storefront_proxy.storefront import Storefront

EVERY = range(1, N_PRODUCTS + 3)  # two of them do not exist


@pytest.fixture
def known(stocked: Storefront, shop: Shop) -> OnlineShop:
    return OnlineShop(shop.pk, shop.domain, installed=True, currency=shop.currency)


_seconds = count(1)


def set_stock(shop: Shop, product_id: int, available: int) -> None:
    at = NOON + timedelta(seconds=next(_seconds))
    store.append(shop, [StockChanged(product_id * 100, 1, available, at)], source=Source.WEBHOOK, now=NOON)
    online.refresh(shop, [product_id])


def shown(held: Tiles) -> list[int]:
    return [each for each, tile in zip(EVERY, held.get(EVERY), strict=True) if tile]


def in_redis(shop: Shop, product_ids: Sequence[int] = EVERY) -> list[int]:
    return [each for each, card in online.cards(shop.pk, product_ids).items() if card.eligible]


def cards_read() -> int:
    return int(client().info("commandstats").get("cmdstat_hmget", {"calls": 0})["calls"])


def test_what_is_held_costs_no_round_trip(known: OnlineShop) -> None:
    shown(tiles.of(known, now=0.0))
    before = cards_read()
    for tenth in range(100):
        assert len(shown(tiles.of(known, now=tenth / 10))) == N_PRODUCTS
    assert cards_read() == before


def test_a_change_is_seen_at_the_next_look_and_only_it_is_read_anew(known: OnlineShop, shop: Shop) -> None:
    shown(tiles.of(known, now=0.0))
    set_stock(shop, 7, 0)
    assert 7 in shown(tiles.of(known, now=MAX_AGE_S))
    before = len(tiles.of(known, now=MAX_AGE_S))
    held = tiles.of(known, now=2 * MAX_AGE_S)
    assert len(held) == before - 1
    assert 7 not in shown(held)


def test_any_course_of_changes_ends_as_redis_has_it(known: OnlineShop, shop: Shop) -> None:
    drawn = random.Random(5)
    for step in range(60):
        for _ in range(drawn.randint(0, 3)):
            set_stock(shop, drawn.randint(1, N_PRODUCTS), drawn.choice([0, 5]))
        if step == 20:
            client().xtrim(key("card-changes", shop.pk), maxlen=1, approximate=False)
        if step == 40:
            store.append(shop, [ProductDeleted(3, NOON + timedelta(days=1))], source=Source.WEBHOOK, now=NOON)
            online.rebuild(shop)
        held = tiles.of(known, now=float(step))
        assert shown(held) == in_redis(shop)
        assert sorted(held.newest()) == in_redis(shop)
    assert not held.exists(3)


def test_a_new_product_is_seen_by_those_who_asked_before_it_existed(known: OnlineShop, shop: Shop) -> None:
    new = EVERY[-1]
    assert tiles.of(known, now=0.0).get([new]) == [None]
    store.append(shop, [product(new)], source=Source.WEBHOOK, now=NOON)
    online.refresh(shop, [new])
    held = tiles.of(known, now=1.0)
    assert held.exists(new)
    assert held.newest()[0] == new


def test_a_redis_that_lost_its_memory_takes_ours_with_it(known: OnlineShop, shop: Shop) -> None:
    shown(tiles.of(known, now=0.0))
    client().delete(key("cards", shop.pk), key("card-changes", shop.pk))
    assert shown(tiles.of(known, now=1.0)) == []
    online.rebuild(shop)
    assert len(shown(tiles.of(known, now=2.0))) == N_PRODUCTS


def test_another_currency_is_another_tile(known: OnlineShop) -> None:
    in_yen = OnlineShop(known.id, known.domain, installed=True, currency="JPY")
    for shop, currency in ((known, b"GBP"), (in_yen, b"JPY"), (known, b"GBP")):
        tile = tiles.of(shop, now=0.0).get([7])[0]
        assert tile is not None
        assert b'"currency":"%b"' % currency in tile


def test_memory_is_bounded_and_buyers_cannot_fill_it(known: OnlineShop) -> None:
    held = tiles.of(known, now=0.0)
    assert not any(held.exists(10**9 + each) for each in range(50))
    assert len(held) == 0
    held.get(range(1, MOST_KEPT + 2))
    assert len(tiles.of(known, now=0.0)) == 0
    assert len(shown(tiles.of(known, now=0.0))) == N_PRODUCTS


def test_readers_beside_a_writer_keep_nothing_stale(known: OnlineShop, shop: Shop) -> None:
    clock = count()
    done = threading.Event()
    errors: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                shown(tiles.of(known, now=float(next(clock))))
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for each in readers:
        each.start()
    drawn = random.Random(9)
    for _ in range(60):
        set_stock(shop, drawn.randint(1, 6), drawn.choice([0, 5]))
    done.set()
    for each in readers:
        each.join()
    assert errors == []
    assert shown(tiles.of(known, now=float(next(clock)))) == in_redis(shop)
