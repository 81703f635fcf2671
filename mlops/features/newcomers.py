"""Products that are new: what they are like, and how those who saw them took it, in Redis for the storefront.

A product is new for `AGE`. Once a minute each shop's newest are compared with what is kept: who is missing gets its
neighbours by what it is (words of title, type, vendor and tags, weighted by rarity, and price), who is too old goes. So a
product can be shown a minute after its webhook, long before anybody has bought it or a version has learnt of it.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from tenancy.models import Shop
from tenancy.redis import client, key
from tenancy.scope import scoped

AGE = timedelta(days=30)
# The newest; a shop that publishes more at once has the others tried as these grow old or sell.
MOST = 200
ALIKE = 20
# A word of more products tells none apart; and each costs a look at all of its products.
MOST_COMMON = 0.2
# Products at half or double the price are about half as alike.
PRICE_SCALE = 1.0
_WORD = re.compile(r"[^\W\d_]{2,}", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Args:
    alike: product ids, nearest first.
    shown, clicked: how often it was tried, and clicked then.
    """

    product_id: int
    alike: tuple[int, ...]
    shown: int
    clicked: int


@dataclass(frozen=True, slots=True)
class Described:
    """A product by what it is."""

    product_id: int
    text: str
    price: float | None

    def words(self) -> frozenset[str]:
        return frozenset(_WORD.findall(self.text.lower()))


def read(shop_id: int, *, now: float) -> dict[int, Newcomer]:
    """The shop's new products by number, in one round trip.

    Args:
        now: seconds since 1970.
    """
    pipe = client().pipeline(transaction=False)
    pipe.hgetall(_key(shop_id))
    pipe.hgetall(_tried_key(shop_id))
    kept, tried = pipe.execute()
    found = {}
    for name, packed in kept.items():
        published, alike = json.loads(packed)
        if now - published <= AGE.total_seconds():
            shown, clicked = (int(tried.get(b"%b:%b" % (name, what), 0)) for what in (b"shown", b"clicked"))
            found[int(name)] = Newcomer(int(name), tuple(alike), shown, clicked)
    return found


def count(shop_id: int, *, shown: Iterable[int] = (), clicked: Iterable[int] = ()) -> None:
    """Note that these were tried. A rough figure: a repeated delivery counts twice, and it is lost with Redis."""
    told = Counter([f"{each}:shown" for each in shown] + [f"{each}:clicked" for each in clicked])
    if not told:
        return
    pipe = client().pipeline(transaction=False)
    for name, times in told.items():
        pipe.hincrby(_tried_key(shop_id), name, times)
    pipe.expire(_tried_key(shop_id), 2 * AGE)
    pipe.execute()


@scoped
def renew(shop: Shop, *, now: datetime) -> int:
    """Bring what is kept up to the shop's newest products; returns how many were missing."""
    since = (now - AGE).timestamp()
    newest: Any = client().zrevrangebyscore(
        key("newest", shop.pk), now.timestamp(), since, start=0, num=MOST, withscores=True
    )
    wanted = {int(member): published for member, published in newest}
    kept: Any = client().hkeys(_key(shop.pk))
    stored = {int(each) for each in kept}
    gone = stored - wanted.keys()
    if gone:
        client().hdel(_key(shop.pk), *map(str, gone))
        client().hdel(
            _tried_key(shop.pk), *(f"{each}:{what}" for each in gone for what in ("shown", "clicked"))
        )
    missing = wanted.keys() - stored
    if missing:
        found = alike(sorted(missing), _described(shop.pk))
        packed: dict[Any, Any] = {
            str(each): json.dumps([wanted[each], found.get(each, [])]) for each in sorted(missing)
        }
        client().hset(_key(shop.pk), mapping=packed)
    return len(missing)


def forget(shop_id: int) -> None:
    """Drop all that is kept of a shop."""
    client().delete(_key(shop_id), _tried_key(shop_id))


def alike(asked: Sequence[int], products: Sequence[Described], *, most: int = ALIKE) -> dict[int, list[int]]:
    """For each asked product the nearest others: cosine of shared words by rarity, less by how far the prices lie apart.

    Pure. A product that shares no word with another has no neighbours.
    """
    words = {each.product_id: each.words() for each in products}
    prices = {each.product_id: each.price for each in products}
    having: dict[str, list[int]] = {}
    for product_id, those in words.items():
        for word in those:
            having.setdefault(word, []).append(product_id)
    common = max(2.0, MOST_COMMON * len(products))
    rarity = {
        word: math.log(len(products) / len(those)) ** 2
        for word, those in having.items()
        if 1 < len(those) <= common
    }
    length = {
        product_id: math.sqrt(sum(rarity.get(word, 0.0) for word in those))
        for product_id, those in words.items()
    }
    found = {}
    for product_id in asked:
        shared: dict[int, float] = {}
        for word in sorted(words.get(product_id, ())):
            for other in having[word] if word in rarity else ():
                shared[other] = shared.get(other, 0.0) + rarity[word]
        shared.pop(product_id, None)
        score = {
            other: weight
            / max(length[product_id] * length[other], 1e-9)
            * _near(prices[product_id], prices[other])
            for other, weight in shared.items()
        }
        found[product_id] = sorted(score, key=lambda other: (-score[other], other))[:most]
    return found


def _near(mine: float | None, theirs: float | None) -> float:
    if not mine or not theirs or mine <= 0 or theirs <= 0:
        return 1.0
    return math.exp(-abs(math.log(mine / theirs)) / PRICE_SCALE)


def _described(shop_id: int) -> list[Described]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select p.product_id, p.title || ' ' || p.product_type || ' ' || p.vendor || ' '"
            " || array_to_string(p.tags, ' '),"
            " (select min(v.price) from features_variant v"
            "   where v.shop_id = p.shop_id and v.product_id = p.product_id)"
            " from features_product p where p.shop_id = %s and p.deleted_at is null and p.status = 'active'"
            " order by p.product_id",
            [shop_id],
        )
        return [
            Described(product_id, text, None if price is None else float(price))
            for product_id, text, price in cursor.fetchall()
        ]


def _key(shop_id: int) -> str:
    return key("newcomers", shop_id)


def _tried_key(shop_id: int) -> str:
    return key("tried", shop_id)
