"""A shop with a catalogue and a planted history, small enough for a test."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from mlops.features import online, store
from mlops.features.events import Source
from mlops.training import run as training
from mlops.training.models import TrainingRun
from tenancy.models import Shop
from tenancy.scope import scope
from tests.mlops.builders import NOON, line, order, product

N_PRODUCTS = 30


def stock(shop: Shop, *, products: int = N_PRODUCTS) -> None:
    """A catalogue of eligible products 1 .. n, also in the Redis copy."""
    events = [product(each) for each in range(1, products + 1)]
    store.append(shop, events, source=Source.BACKFILL, now=NOON)
    online.rebuild(shop)


def sell(shop: Shop, *, orders: int, days: int = 200) -> None:
    """Orders whose baskets stay on one side of a checkerboard: even products with even, odd with odd."""
    generator = np.random.default_rng(11)
    events = []
    for number in range(orders):
        side = np.arange(1 + number % 2, N_PRODUCTS + 1, 2)
        basket = generator.choice(side, 4, replace=False)
        lines = [line(number * 10 + at, int(each)) for at, each in enumerate(basket)]
        at = NOON - timedelta(days=days * (1 - number / orders), minutes=1)
        events.append(order(number + 1, lines, ordered_at=at, customer_id=number % 40))
    store.append(shop, events, source=Source.BACKFILL, now=NOON)


def train(shop: Shop, *, reason: str = "test") -> TrainingRun:
    """A run from request to end, in this process."""
    run = training.request(shop, reason=reason, actor="system:test", now=NOON)
    with scope(shop):
        while training.advance(shop, now=NOON):
            pass
        return TrainingRun.objects.get(pk=run.pk)
