"""What is bought on one day: who comes, what they pick, what goes with it, and when they need it again."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from devstore.catalogue import Catalogue
from devstore.catalogue_words import DEPARTMENTS, STYLES
from devstore.crowd import Crowd

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

GUEST_SHARE = 0.08
DUE_SHARE = 0.45  # at most this part of a day's orders comes because something ran out
OWN_STYLE_SHARE = 0.5  # how often a shopper looks only at the style they like
MEAN_EXTRA_LINES = 1.2
MAX_LINES = 14
REPEAT_PROBABILITY = 0.55
REPEAT_SPREAD = 0.12  # standard deviation of the interval, as a part of it
NEW_PRODUCT_LIFT = 1.6


@dataclass(frozen=True, slots=True)
class DayBaskets:
    """Orders of one day. customer: place c or -1 for a guest, shape (orders,).

    Lines, all of shape (lines,), sorted by order: order (0..orders-1), product (p), variant (v), quantity.
    """

    customer: Ints
    order: Ints
    product: Ints
    variant: Ints
    quantity: Ints


@dataclass(slots=True)
class Rhythm:
    """Who needs which product again on which day: day -> places c and p. Days past are dropped."""

    due: defaultdict[int, list[tuple[Ints, Ints]]] = field(default_factory=lambda: defaultdict(list))

    def take(self, day: int, most: int) -> tuple[Ints, Ints]:
        """At most `most` needs of this day; the rest waits for the next."""
        parts = self.due.pop(day, [])
        if not parts:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        customers, products = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        if len(customers) > most:
            self.due[day + 1].append((customers[most:], products[most:]))
        return customers[:most], products[:most]

    def plan(
        self, rng: np.random.Generator, catalogue: Catalogue, day: int, customers: Ints, products: Ints
    ) -> None:
        """Each purchase of a product that runs out is repeated with REPEAT_PROBABILITY, about a cycle later."""
        again = (customers >= 0) & (catalogue.cycle_days[products] > 0)
        again &= rng.random(len(products)) < REPEAT_PROBABILITY
        customers, products = customers[again], products[again]
        if not len(customers):
            return
        wait = catalogue.cycle_days[products] * rng.normal(1, REPEAT_SPREAD, len(products))
        when = day + np.maximum(np.rint(wait).astype(np.int64), 2)
        order = np.argsort(when, kind="stable")
        days, starts = np.unique(when[order], return_index=True)
        for due_day, part in zip(days.tolist(), np.split(order, starts[1:]), strict=True):
            self.due[due_day].append((customers[part], products[part]))


def product_weights(catalogue: Catalogue, day: int, out_of_stock: Ints) -> Floats:
    """How much each product is wanted on a day, shape (products,); 0 where it cannot be sold."""
    age = day - catalogue.launched
    weight = catalogue.popularity * np.exp(catalogue.daily_trend * np.clip(age, 0, 720))
    weight = np.where((age >= 0) & (age < 30) & (catalogue.launched > 0), weight * NEW_PRODUCT_LIFT, weight)
    weight[(age < 0) | (day >= catalogue.retired)] = 0
    weight[out_of_stock] = 0
    return weight


def bounds(catalogue: Catalogue) -> tuple[Ints, Ints]:
    """Where departments, and styles within departments, begin and end: (departments + 1,), (both + 1,)."""
    group = catalogue.department * len(STYLES) + catalogue.style
    return (
        np.searchsorted(catalogue.department, np.arange(len(DEPARTMENTS) + 1)),
        np.searchsorted(group, np.arange(len(DEPARTMENTS) * len(STYLES) + 1)),
    )


def simulate_day(
    rng: np.random.Generator,
    catalogue: Catalogue,
    crowd: Crowd,
    rhythm: Rhythm,
    *,
    day: int,
    orders: int,
    weight: Floats,
    wanted: Floats,
) -> DayBaskets:
    """One day's baskets. `weight`: from product_weights; `wanted`: season and promotion factor per department."""
    customer, needed = _visitors(rng, crowd, rhythm, day, orders)
    extra = np.minimum(rng.poisson(rng.gamma(0.8, MEAN_EXTRA_LINES / 0.8, orders)), MAX_LINES - 1)
    needed = np.where((needed >= 0) & (weight[needed] > 0), needed, -1)
    order = np.concatenate([np.arange(orders), np.repeat(np.arange(orders), extra)])
    picked = _pick(rng, catalogue, crowd, customer[order], weight=weight, wanted=wanted)
    picked[:orders] = np.where(needed >= 0, needed, picked[:orders])
    partner = catalogue.partner[picked]
    together = (partner >= 0) & (rng.random(len(picked)) < catalogue.partner_probability[picked])
    together &= weight[partner] > 0
    order = np.concatenate([order, order[together]])
    product = np.concatenate([picked, partner[together]])
    _, first = np.unique(order * len(weight) + product, return_index=True)
    kept = first[np.argsort(order[first] * len(order) + first)]
    order, product = order[kept], product[kept]
    count = catalogue.variant_count[product]
    variant = catalogue.first_variant[product] + (count * rng.random(len(product)) ** 1.5).astype(np.int64)
    cheap = catalogue.variant_pence[variant] < 1000
    more = rng.random(len(product)) < np.where(cheap, 0.3, 0.08)
    quantity = 1 + np.where(more, np.minimum(rng.geometric(0.55, len(product)), 9), 0)
    rhythm.plan(rng, catalogue, day, customer[order], product)
    return DayBaskets(customer, order, product, variant, quantity)


def _visitors(
    rng: np.random.Generator, crowd: Crowd, rhythm: Rhythm, day: int, orders: int
) -> tuple[Ints, Ints]:
    """Who orders (place c or -1) and what they came for (place p or -1), in no particular order."""
    known, after = int(crowd.arrived_before[day]), int(crowd.arrived_before[day + 1])
    new = np.arange(known, after, dtype=np.int64)[:orders]
    left = orders - len(new)
    guests = int(rng.binomial(left, GUEST_SHARE)) if known else left
    due, products = rhythm.take(day, min(int(orders * DUE_SHARE), left - guests))
    back = left - guests - len(due)
    drawn = rng.random(back) * crowd.activity[known]
    returning = np.searchsorted(crowd.activity[1 : known + 1], drawn, side="right")
    customer = np.concatenate([due, new, np.minimum(returning, max(known - 1, 0)), np.full(guests, -1)])
    needed = np.concatenate([products, np.full(orders - len(due), -1)])
    mixed = rng.permutation(orders)
    return customer[mixed].astype(np.int64), needed[mixed].astype(np.int64)


def _pick(
    rng: np.random.Generator,
    catalogue: Catalogue,
    crowd: Crowd,
    customer: Ints,
    *,
    weight: Floats,
    wanted: Floats,
) -> Ints:
    """One product per line: a department by taste and season, often only the liked style, then by popularity."""
    lines = len(customer)
    someone = np.where(customer >= 0, customer, rng.integers(0, len(crowd.style), lines))
    chance = np.cumsum(crowd.taste[someone] * wanted, axis=1)
    department = (rng.random((lines, 1)) * chance[:, -1:] >= chance).sum(axis=1).clip(0, len(DEPARTMENTS) - 1)
    running = np.concatenate([[0.0], np.cumsum(weight)])
    of_department, of_group = bounds(catalogue)
    group = department * len(STYLES) + crowd.style[someone]
    own_style = rng.random(lines) < OWN_STYLE_SHARE
    low, high = running[of_department[department]], running[of_department[department + 1]]
    narrow_low, narrow_high = running[of_group[group]], running[of_group[group + 1]]
    use_narrow = own_style & (narrow_high > narrow_low)
    low, high = np.where(use_narrow, narrow_low, low), np.where(use_narrow, narrow_high, high)
    empty = high <= low
    low, high = np.where(empty, 0.0, low), np.where(empty, running[-1], high)
    point = np.minimum(low + rng.random(lines) * (high - low), np.nextafter(high, low))
    place: Ints = np.searchsorted(running, point, side="right").astype(np.int64) - 1
    return place
