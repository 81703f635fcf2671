"""The Redis copy that the storefront path reads: shops by domain, product cards, newest products.

Postgres stays the truth; everything here can be rebuilt (`manage.py rebuild_online`). A product that changes is marked as
owed before its transaction commits and refreshed after it, so a process that dies in between leaves a debt that
`settle` pays, not a stale card.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from redis.exceptions import RedisError

from mlops.features import newcomers, news, tombstones
from mlops.features.money import written
from tenancy.errors import Transient
from tenancy.locks import LockKind, lock
from tenancy.models import Shop, ShopState
from tenancy.redis import client, key
from tenancy.scope import scoped

log = logging.getLogger("shelfwise.online")

# Cards of 1,000 products are one statement of some 30 ms and 0.5 MB.
BATCH_PRODUCTS = 1_000
# The newest tier needs a few dozen; the rest covers those that sell out.
NEWEST_KEPT = 500
DEBT_AGE_S = 5.0
# Readers look twice a second; one that was away for longer than this many changes starts afresh.
CHANGES_KEPT = 256


@dataclass(frozen=True, slots=True)
class OnlineShop:
    """A shop as the storefront path knows it."""

    id: int
    domain: str
    installed: bool
    currency: str


@dataclass(frozen=True, slots=True)
class Card:
    """What a tile shows, and whether it may be shown.

    Args:
        variant_id: the first sellable variant by position; None when no variant can be sold.
        price: as text in the shop's currency.
        eligible: active, published, and in stock or sold without stock.
    """

    product_id: int
    variant_id: int | None
    handle: str
    title: str
    image: str | None
    price: str
    compare_at_price: str | None
    eligible: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to a shop's cards since a reader last looked.

    Args:
        mark: where to go on from; None when nothing was ever logged, or Redis lost it.
        products: those whose card may differ; None when that may be any.
    """

    mark: bytes | None
    products: frozenset[int] | None


def publish_shop(shop: Shop) -> None:
    """Write a shop's entry in the directory; a shop that is not installed is no longer served."""
    packed = {"id": shop.pk, "installed": shop.state != ShopState.UNINSTALLED, "currency": shop.currency}
    client().hset(key("shops"), shop.domain, json.dumps(packed))


def find_shop(domain: str) -> OnlineShop | None:
    """The shop of a domain; None for one we never heard of.

    A miss asks Postgres once and repairs the copy, so a Redis that lost its memory heals by itself.
    """
    packed: Any = client().hget(key("shops"), domain)
    if packed is None:
        shop = Shop.objects.filter(domain=domain).first()
        if shop is None:
            return None
        publish_shop(shop)
        if not client().exists(_cards_key(shop.pk)):
            rebuild(shop)
        return find_shop(domain)
    found = json.loads(packed)
    return OnlineShop(found["id"], domain, found["installed"], found["currency"])


def cards(shop_id: int, product_ids: Sequence[int]) -> dict[int, Card]:
    """Cards of those of the products that exist, in one round trip."""
    packed = packed_cards(shop_id, product_ids)
    return {
        product_id: unpack_card(product_id, each)
        for product_id, each in zip(product_ids, packed, strict=True)
        if each is not None
    }


def packed_cards(shop_id: int, product_ids: Sequence[int]) -> list[bytes | None]:
    """As `cards`, but unread: None for a product that does not exist. Reading a card costs more than fetching it."""
    if not product_ids:
        return []
    found: Any = client().hmget(_cards_key(shop_id), [str(each) for each in product_ids])
    return list(found)


def unpack_card(product_id: int, packed: bytes) -> Card:
    return Card(product_id, *json.loads(packed))


def newest(shop_id: int, count: int) -> list[int]:
    """Eligible products, latest published first."""
    found: Any = client().zrevrange(_newest_key(shop_id), 0, count - 1)
    return [int(each) for each in found]


def changes(shop_id: int, since: bytes | None) -> Changes:
    """The products whose cards were written after this mark; the log is written in one transaction with the cards."""
    if since is not None:
        found: Any = client().xrange(_changes_key(shop_id), min=since)
        # The mark itself comes back first as long as neither trimming nor a lost memory has made a gap.
        if found and found[0][0] == since:
            named = b",".join(fields[b"products"] for _, fields in found[1:])
            return Changes(found[-1][0], frozenset(map(int, named.split(b","))) if named else frozenset())
    last: Any = client().xrevrange(_changes_key(shop_id), count=1)
    return Changes(last[0][0] if last else None, None)


@scoped
def refresh_on_commit(
    shop: Shop, product_ids: Collection[int], inventory_items: Collection[int], *, tell_features: bool = True
) -> None:
    """Refresh the cards of these products, and of the products of these inventory items, after the commit.

    Args:
        tell_features: their feature vectors too; an import leaves that to the next refresh of all.

    Raises:
        Transient: Redis does not answer; the caller's transaction must not commit, or the copy would stay stale.
    """
    owed = set(product_ids)
    if inventory_items:
        with connection.cursor() as cursor:
            cursor.execute(
                "select distinct product_id from features_variant"
                " where shop_id = %s and inventory_item_id = any(%s)",
                [shop.pk, list(inventory_items)],
            )
            owed |= {row[0] for row in cursor.fetchall()}
    if not owed:
        return
    try:
        client().zadd(key("owed"), {f"{shop.pk}:{each}": time.time() for each in owed})
        if tell_features:
            news.tell(shop.pk, products=owed)
    except RedisError as error:
        raise Transient("the fast copy of the catalogue does not answer", code="redis_down") from error
    transaction.on_commit(lambda: _pay(shop, sorted(owed)), robust=True)


def settle(*, older_than_s: float = DEBT_AGE_S) -> int:
    """Refresh products whose writer died before it could; returns how many."""
    found: Any = client().zrangebyscore(
        key("owed"), 0, time.time() - older_than_s, start=0, num=BATCH_PRODUCTS
    )
    by_shop: dict[int, list[int]] = {}
    for member in found:
        shop_id, _, product_id = member.decode().partition(":")
        by_shop.setdefault(int(shop_id), []).append(int(product_id))
    for shop in Shop.objects.filter(pk__in=by_shop):
        _pay(shop, by_shop.pop(shop.pk))
    for shop_id, product_ids in by_shop.items():
        client().zrem(key("owed"), *(f"{shop_id}:{each}" for each in product_ids))
    return len(found)


@scoped
def rebuild(shop: Shop) -> int:
    """Write every card of the shop anew and drop those of products that are gone; returns how many there are."""
    publish_shop(shop)
    with connection.cursor() as cursor:
        cursor.execute("select product_id from features_product where shop_id = %s", [shop.pk])
        living = {row[0] for row in cursor.fetchall()}
    stored: Any = client().hkeys(_cards_key(shop.pk))
    refresh(shop, sorted(living | {int(each) for each in stored}))
    return len(living)


def forget(shop_id: int, domain: str) -> None:
    """Drop all that is kept of a shop."""
    client().hdel(key("shops"), domain)
    client().delete(_cards_key(shop_id), _newest_key(shop_id), _changes_key(shop_id))
    newcomers.forget(shop_id)
    tombstones.forget_online(shop_id)


@scoped
def refresh(shop: Shop, product_ids: Sequence[int]) -> None:
    """Bring the cards of these products up to what Postgres holds now."""
    for start in range(0, len(product_ids), BATCH_PRODUCTS):
        batch = product_ids[start : start + BATCH_PRODUCTS]
        with transaction.atomic():
            # Read and write under one lock: the later refresh has always read the later state.
            lock(shop, LockKind.ONLINE, wait_s=30.0)
            _write(shop, batch, _read(shop, batch))


def _pay(shop: Shop, product_ids: Sequence[int]) -> None:
    began = time.time()
    refresh(shop, product_ids)
    members = [f"{shop.pk}:{each}" for each in product_ids]
    # A debt made after we began reading is not ours to strike out.
    scores: Any = client().zmscore(key("owed"), members)
    paid = [
        member for member, score in zip(members, scores, strict=True) if score is not None and score <= began
    ]
    if paid:
        client().zrem(key("owed"), *paid)


def _write(shop: Shop, product_ids: Sequence[int], rows: dict[int, tuple[Card, datetime | None]]) -> None:
    gone = [each for each in product_ids if each not in rows]
    hidden = [product_id for product_id, (card, _) in rows.items() if not card.eligible]
    pipe = client().pipeline(transaction=True)
    if rows:
        pipe.hset(_cards_key(shop.pk), mapping={str(each): _pack(card) for each, (card, _) in rows.items()})
    if gone:
        pipe.hdel(_cards_key(shop.pk), *map(str, gone))
    fresh = {str(each): at.timestamp() for each, (card, at) in rows.items() if card.eligible and at}
    if fresh:
        pipe.zadd(_newest_key(shop.pk), fresh)
    if gone or hidden:
        pipe.zrem(_newest_key(shop.pk), *map(str, (*gone, *hidden)))
    named = ",".join(map(str, product_ids))
    pipe.xadd(_changes_key(shop.pk), {"products": named}, maxlen=CHANGES_KEPT, approximate=True)
    pipe.execute()


def _read(shop: Shop, product_ids: Sequence[int]) -> dict[int, tuple[Card, datetime | None]]:
    with connection.cursor() as cursor:
        cursor.execute(_CARDS_SQL, [shop.pk, list(product_ids)])
        rows = cursor.fetchall()

    def money(amount: Decimal | None) -> str | None:
        return None if amount is None else written(amount, shop.currency)

    found: dict[int, tuple[Card, datetime | None]] = {}
    for product_id, handle, title, image, shown, at, variant_id, price, compare, sellable in rows:
        eligible = bool(shown and sellable)
        card = Card(
            product_id=product_id,
            variant_id=variant_id if eligible else None,
            handle=handle,
            title=title,
            image=image,
            price=money(price) or "",
            compare_at_price=money(compare),
            eligible=eligible,
        )
        found[product_id] = (card, at)
    return found


# The stock of a tracked variant is the total over its locations when one of them changed after the product did, and the
# total in the product itself otherwise.
_CARDS_SQL = """
select p.product_id, p.handle, p.title, p.image_url, p.status = 'active' and p.published_at is not null,
       p.published_at, v.variant_id, v.price, v.compare_at_price, v.sellable
  from features_product p
  left join lateral (
       select w.variant_id, w.price, w.compare_at_price,
              w.available is null or w.continue_selling
              or coalesce(case when s.at >= p.version_at then s.total end, w.available) > 0 as sellable
         from features_variant w
         left join lateral (
              select max(l.version_at) as at, sum(coalesce(l.available, 0)) as total
                from features_stocklevel l
               where l.shop_id = w.shop_id and l.inventory_item_id = w.inventory_item_id) s on true
        where w.shop_id = p.shop_id and w.product_id = p.product_id
        order by sellable desc, w.position, w.variant_id limit 1) v on true
 where p.shop_id = %s and p.product_id = any(%s) and p.deleted_at is null
"""


def _pack(card: Card) -> str:
    return json.dumps(
        [
            card.variant_id,
            card.handle,
            card.title,
            card.image,
            card.price,
            card.compare_at_price,
            card.eligible,
        ],
        ensure_ascii=False,
    )


def _cards_key(shop_id: int) -> str:
    return key("cards", shop_id)


def _newest_key(shop_id: int) -> str:
    return key("newest", shop_id)


def _changes_key(shop_id: int) -> str:
    return key("card-changes", shop_id)
