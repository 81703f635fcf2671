"""A shop that lives for some days before our eyes: orders, refunds, prices, stock and visits, told late and out of order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from mlops.features import store
from mlops.features.events import (
    CustomerMerged,
    Event,
    OrderDeleted,
    OrderPlaced,
    ProductDeleted,
    Source,
    StockChanged,
)
from mlops.features.storefront import CartLine, Consent, StorefrontEvent, StorefrontKind
from tenancy.models import Shop
from tests.mlops.builders import NOON, line, order, product, variant

PRODUCTS, CUSTOMERS, VISITORS, DAYS = 20, 15, 12, 40
FIRST_CUSTOMER = 4_000_000_000_000


def live(shop: Shop, *, seed: int, days: int = DAYS) -> Iterator[datetime]:
    """Tell the shop's events day by day; yields each evening, when that day is told. The last one is `NOON`."""
    draw = np.random.default_rng(seed)
    begin = NOON - timedelta(days=days)
    history = [_product(draw, each, begin - timedelta(days=50)) for each in range(1, PRODUCTS + 1)]
    past: list[Event] = [
        _order(draw, 10_000 + n, begin - timedelta(days=float(draw.uniform(0.1, 300)))) for n in range(120)
    ]
    store.append(shop, [*history, *past], source=Source.BACKFILL, now=begin)
    late: list[Event] = []
    for day in range(1, days + 1):
        morning, evening = begin + timedelta(days=day - 1), begin + timedelta(days=day)
        told = list(_day(draw, day, morning))
        # Some of it is known a day later, in any order.
        now_told = [each for each in told if draw.random() > 0.15] + late
        late = [each for each in told if each not in now_told]
        draw.shuffle(now_told)
        store.append(shop, now_told, source=Source.WEBHOOK, now=evening)
        store.record_visits(shop, list(_visits(draw, day, morning)))
        yield evening


def _moment(draw: np.random.Generator, morning: datetime) -> datetime:
    return morning + timedelta(seconds=int(draw.integers(0, 80_000)))


def _product(draw: np.random.Generator, number: int, at: datetime) -> Event:
    variants = [
        variant(
            number, variant_id=number * 10 + n, inventory_item_id=number * 100 + n, price=Decimal(int(draw.integers(300, 3000))) / 100,
            compare_at_price=Decimal(40) if draw.random() < 0.3 else None,
            available=None if draw.random() < 0.1 else int(draw.integers(0, 6)), position=n + 1,
        )
        for n in range(1 + number % 2 + int(draw.random() < 0.3))
    ]  # fmt: skip
    return product(number, version_at=at, created_at=NOON - timedelta(days=100 + number), variants=tuple(variants),
                   status="active" if draw.random() > 0.1 else "draft")  # fmt: skip


def _order(draw: np.random.Generator, number: int, at: datetime, **changes: Any) -> OrderPlaced:
    bought = draw.choice(np.arange(1, PRODUCTS + 1), int(draw.integers(1, 5)), replace=False).tolist()
    lines = [
        line(number * 10 + n, each, int(draw.integers(1, 4)), unit_price=Decimal(int(draw.integers(100, 5000))) / 100)
        for n, each in enumerate(bought)
    ]  # fmt: skip
    customer = None if draw.random() < 0.1 else FIRST_CUSTOMER + int(draw.integers(0, CUSTOMERS))
    return order(number, lines, ordered_at=at, customer_id=customer, **changes)


def _day(draw: np.random.Generator, day: int, morning: datetime) -> Iterator[Event]:
    for n in range(int(draw.integers(2, 7))):
        placed = _order(draw, day * 100 + n, _moment(draw, morning))
        yield placed
        if draw.random() < 0.3:
            later = placed.ordered_at + timedelta(hours=float(draw.uniform(0.1, 30)))
            yield _changed(draw, placed, later)
    for number in draw.choice(np.arange(1, PRODUCTS + 1), 3, replace=False).tolist():
        yield _product(draw, number, _moment(draw, morning))
        for place in (1, 2):
            yield StockChanged(number * 100, place, int(draw.integers(0, 3)), _moment(draw, morning))
    if day == 15:
        yield CustomerMerged(FIRST_CUSTOMER, FIRST_CUSTOMER + 1, _moment(draw, morning))
        yield ProductDeleted(PRODUCTS, _moment(draw, morning))
        yield OrderDeleted(200, _moment(draw, morning))


def _changed(draw: np.random.Generator, placed: OrderPlaced, at: datetime) -> Event:
    """The same order after a cancellation, or with fewer units and sometimes without a line."""
    if draw.random() < 0.3:
        return replace(placed, version_at=at, cancelled_at=at)
    left = tuple(
        replace(each, current_quantity=int(draw.integers(0, each.quantity + 1))) for each in placed.lines
    )
    return replace(placed, version_at=at, lines=left[1:] if len(left) > 1 and draw.random() < 0.5 else left)


def _visits(draw: np.random.Generator, day: int, morning: datetime) -> Iterator[StorefrontEvent]:
    for n in range(int(draw.integers(5, 15))):
        at = _moment(draw, morning)
        number = int(draw.integers(1, PRODUCTS + 1))
        visitor = f"visitor-{int(draw.integers(0, VISITORS)):04d}"
        kinds = [StorefrontKind.PRODUCT_VIEWED]
        if draw.random() < 0.5:
            kinds.append(StorefrontKind.ADDED_TO_CART)
            if draw.random() < 0.5:
                kinds.append(StorefrontKind.CHECKOUT_COMPLETED)
        for step, kind in enumerate(kinds):
            when = at + timedelta(minutes=step)
            done = kind is StorefrontKind.CHECKOUT_COMPLETED
            yield StorefrontEvent(
                event_id=f"visit-{day}-{n}-{step}", kind=kind, at=when, client_at=when,
                received_at=when + timedelta(seconds=int(draw.integers(0, 7200))), consent=Consent.PERSONAL, visitor=visitor,
                product_id=None if done else number,
                lines=(CartLine(number, number * 10, 1, None),) if done else (),
            )  # fmt: skip
