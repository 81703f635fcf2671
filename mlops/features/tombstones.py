"""Who was erased: keyed hashes that recognise a person who comes again, and tell nobody who it was.

An erasure finds what is stored; an exposure still in a stream, a delivery still in the inbox or a late retry comes after
it. Whatever is written passes `strip` or `without`, under the lock under which erasing is done, so none slips through
between the two.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection
from redis.exceptions import RedisError

from mlops.features.events import (
    AttributeTold,
    Click,
    CustomerChanged,
    CustomerDeleted,
    CustomerMerged,
    Event,
    Exposure,
    OrderPlaced,
    ProductChanged,
)
from tenancy import pseudonyms
from tenancy.errors import Transient
from tenancy.models import Shop
from tenancy.redis import client, key
from tenancy.scope import scoped

# Present in a shop's copy once it is whole, so that "nobody was erased" and "Redis lost it" differ.
_PUBLISHED = b"published"
CUSTOMER, VISITOR = "customer", "visitor"
Shown = TypeVar("Shown", Exposure, Click)
# A shorter number stands for many things; the search after an erasure looks for no shorter one either.
_NUMBER = re.compile(r"(?<![0-9])[1-9][0-9]{7,18}(?![0-9])")


@dataclass(frozen=True, slots=True)
class Erased:
    """Those among some people who were erased."""

    customers: frozenset[int] = frozenset()
    visitors: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.customers or self.visitors)


@scoped
def set_up(shop: Shop, *, customers: Iterable[int], visitors: Iterable[str], now: datetime) -> None:
    """Remember that these were erased. Safe to repeat; call it in the transaction that erases them."""
    names = pseudonyms.of(shop)
    marks: list[bytes] = [names.mark(CUSTOMER, each) for each in customers] + [
        names.mark(VISITOR, each) for each in visitors
    ]
    # Before the commit: a mark too much hides somebody who is still there, one too few shows somebody who is not.
    try:
        if marks:
            client().sadd(_online_key(shop.pk), *marks)
    except RedisError as error:
        raise Transient("the fast copy of the erased does not answer", code="redis_down") from error
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into features_tombstone (shop_id, mark, set_up_at) select %s, u.mark, %s from unnest(%s::bytea[])"
            " as u(mark) on conflict (shop_id, mark) do nothing",
            [shop.pk, now, marks],
        )


def is_erased(shop_id: int, mark: bytes) -> bool:
    """Whether the mark of a customer or visitor is one of the erased: from the Redis copy, which is made when it is missing.

    Raises:
        RedisError: Redis does not answer.
    """
    published, erased = _in_copy(shop_id, mark)
    if not published:
        _publish(shop_id)
        _, erased = _in_copy(shop_id, mark)
    return erased


def forget_online(shop_id: int) -> None:
    """Drop the copy of a shop."""
    client().delete(_online_key(shop_id))


def _in_copy(shop_id: int, mark: bytes) -> tuple[bool, bool]:
    found: Any = client().smismember(_online_key(shop_id), [_PUBLISHED, mark])
    return bool(found[0]), bool(found[1])


@scoped
def _publish(shop_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select mark from features_tombstone where shop_id = %s", [shop_id])
        marks = [bytes(row[0]) for row in cursor.fetchall()]
    client().sadd(_online_key(shop_id), _PUBLISHED, *marks)


def _online_key(shop_id: int) -> str:
    return key("erased", shop_id)


@scoped
def count(shop_id: int) -> int:
    """How many the shop has; it only grows."""
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from features_tombstone where shop_id = %s", [shop_id])
        return int(cursor.fetchone()[0])


@scoped
def among(shop: Shop, *, customers: Iterable[int] = (), visitors: Iterable[str] = ()) -> Erased:
    """Who of these was erased. A shop where nobody was costs one small query."""
    if not count(shop.pk):
        return Erased()
    names = pseudonyms.of(shop)
    people = {names.mark(CUSTOMER, each): each for each in customers}
    browsers = {names.mark(VISITOR, each): each for each in visitors}
    with connection.cursor() as cursor:
        cursor.execute(
            "select mark from features_tombstone where shop_id = %s and mark = any(%s::bytea[])",
            [shop.pk, [*people, *browsers]],
        )
        found = {bytes(row[0]) for row in cursor.fetchall()}
    return Erased(
        frozenset(each for mark, each in people.items() if mark in found),
        frozenset(each for mark, each in browsers.items() if mark in found),
    )


def strip(shop: Shop, events: Sequence[Event]) -> list[Event]:
    """The events without the erased. Call it under the shop's EVENTS lock.

    An erased customer's order stays as a sale of nobody; what tells only of the customer falls away.
    """
    return list(strip_numbered(shop, dict(enumerate(events))).values())


def strip_numbered(shop: Shop, events: dict[int, Event]) -> dict[int, Event]:
    """As `strip`, for events under numbers that others know them by."""
    if not count(shop.pk):
        return events
    customers, visitors = _named(events.values())
    erased = among(shop, customers=customers, visitors=visitors)
    personal = mentioning(shop, {told.raw for each in events.values() for told in _told(each) if told.raw})
    if not erased and not personal:
        return events
    stripped = {number: _without(_silent(each, personal), erased) for number, each in events.items()}
    return {number: each for number, each in stripped.items() if each is not None}


def without(shop: Shop, shown: Sequence[Shown]) -> list[Shown]:
    """Exposures or clicks of one shop, those of erased visitors as nobody's."""
    erased = among(shop, visitors={each.visitor for each in shown if each.visitor})
    return [
        dataclasses.replace(each, visitor=None) if each.visitor in erased.visitors else each for each in shown
    ]


def mentioning(shop: Shop, texts: Iterable[str]) -> frozenset[str]:
    """Those of these texts in which the Shopify number of an erased customer stands."""
    found = {text: {int(each) for each in _NUMBER.findall(text)} for text in texts}
    if not any(found.values()) or not count(shop.pk):
        return frozenset()
    names = pseudonyms.of(shop)
    people = {text: {names.of_customer(each) for each in numbers} for text, numbers in found.items()}
    erased = among(shop, customers=set().union(*people.values())).customers
    return frozenset(text for text, those in people.items() if those & erased)


def _told(event: Event) -> tuple[AttributeTold, ...]:
    return event.attributes or () if isinstance(event, ProductChanged) else ()


def _silent(event: Event, personal: frozenset[str]) -> Event:
    """A product without the metafield values that mention a person."""
    if not isinstance(event, ProductChanged) or not any(told.raw in personal for told in _told(event)):
        return event
    return dataclasses.replace(
        event,
        attributes=tuple(
            dataclasses.replace(told, raw=None, type="") if told.raw in personal else told
            for told in _told(event)
        ),
    )


def _named(events: Iterable[Event]) -> tuple[set[int], set[str]]:
    customers: set[int] = set()
    visitors: set[str] = set()
    for each in events:
        if isinstance(each, OrderPlaced):
            if each.customer_id is not None:
                customers.add(each.customer_id)
            if each.visitor:
                visitors.add(each.visitor)
        elif isinstance(each, CustomerChanged | CustomerDeleted):
            customers.add(each.customer_id)
        elif isinstance(each, CustomerMerged):
            customers |= {each.kept_id, each.deleted_id}
    return customers, visitors


def _without(event: Event, erased: Erased) -> Event | None:
    if isinstance(event, OrderPlaced):
        if event.customer_id in erased.customers:
            return dataclasses.replace(event, customer_id=None, visitor=None)
        return dataclasses.replace(event, visitor=None) if event.visitor in erased.visitors else event
    if isinstance(event, CustomerChanged | CustomerDeleted):
        return None if event.customer_id in erased.customers else event
    if isinstance(event, CustomerMerged):
        return None if {event.kept_id, event.deleted_id} & erased.customers else event
    return event
