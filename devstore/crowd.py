"""The shop's customers: what they like, how often they come, and on which day they first appear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devstore.catalogue_words import DEPARTMENTS, FIRST_NAMES, LAST_NAMES, STYLES
from devstore.store import ID_BASE, ID_STEP, Store, domain_offset, insert_sql
from devstore.times import time_texts

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BATCH = 20_000  # customers per transaction: 12 MB of rows, 0.1 s
TASTE_SPREAD = 0.35  # Dirichlet concentration per department: most people love one or two
SHARE_OF_BUYERS = 0.97  # the others made an account and never bought


@dataclass(frozen=True, slots=True)
class Crowd:
    """Place c is a customer, in order of arrival; those from `buyers` on never order.

    taste: share of each department in what c wants, shape (customers, departments), rows sum to 1.
    style: the style c prefers, index into STYLES. arrived_before: buyers known before each day, shape (days + 1,).
    activity: running sum of how often c comes back, shape (buyers + 1,), starting at 0.
    """

    customer_id: Ints
    taste: NDArray[np.float32]
    style: Ints
    activity: Floats
    arrived_before: Ints
    buyers: int


def build_crowd(rng: np.random.Generator, *, customers: int, orders_per_day: Ints, domain: str) -> Crowd:
    """`customers` people, fewer of them buyers when there are not orders enough to go round."""
    buyers = min(max(1, round(customers * SHARE_OF_BUYERS)), max(1, int(orders_per_day.sum() * 0.8)))
    taste = rng.standard_gamma(TASTE_SPREAD, (customers, len(DEPARTMENTS)), dtype=np.float32) + np.float32(
        1e-4
    )
    taste /= taste.sum(axis=1, keepdims=True)
    activity = rng.gamma(0.6, 1.0, buyers) + 0.02
    number = np.arange(1, customers + 1, dtype=np.int64)
    return Crowd(
        customer_id=ID_BASE["customers"] + domain_offset(domain) + number * ID_STEP,
        taste=taste,
        style=rng.integers(0, len(STYLES), customers),
        activity=np.concatenate([[0.0], np.cumsum(activity)]),
        arrived_before=_arrivals(orders_per_day, buyers),
        buyers=buyers,
    )


def write_crowd(
    store: Store, crowd: Crowd, rng: np.random.Generator, *, first_seen: Ints, last_seen: Ints, now: int
) -> None:
    """Write all customers and their true tastes; `first_seen`, `last_seen` in epoch seconds, 0 for non-buyers."""
    total = len(crowd.customer_id)
    start = int(first_seen[first_seen > 0].min(initial=now))
    never = first_seen == 0
    registered = rng.integers(start, max(now, start + 1), total)
    created = np.where(never, registered, first_seen - 60)
    updated = np.where(never, registered, last_seen)
    first_name, last_name = rng.integers(0, len(FIRST_NAMES), total), rng.integers(0, len(LAST_NAMES), total)
    with_phone = rng.random(total) < 0.4
    for begin in range(0, total, BATCH):
        part = slice(begin, min(begin + BATCH, total))
        ids = crowd.customer_id[part].tolist()
        people = [
            (
                customer_id, f"customer-{begin + i + 1}@example.com", FIRST_NAMES[first_name[begin + i]],
                LAST_NAMES[last_name[begin + i]],
                f"+44207946{(begin + i) % 1000:04d}" if with_phone[begin + i] else None, born, changed,
                "DISABLED" if never[begin + i] else "ENABLED",
            )
            for i, (customer_id, born, changed) in enumerate(
                zip(ids, time_texts(created[part]), time_texts(updated[part]), strict=True)
            )
        ]  # fmt: skip
        percent = np.rint(crowd.taste[part] * 100).astype(np.int64).tolist()
        truths = [
            (customer_id, STYLES[style].title, "[" + ",".join(map(str, row)) + "]")
            for customer_id, style, row in zip(ids, crowd.style[part].tolist(), percent, strict=True)
        ]
        with store.transaction() as tx:
            tx.executemany(insert_sql("customers"), people)
            tx.executemany("INSERT INTO true_tastes VALUES (?, ?, ?)", truths)


def _arrivals(orders_per_day: Ints, buyers: int) -> Ints:
    """Buyers known before each day: many new ones at first, fewer later, never more in a day than its orders."""
    share = np.concatenate([[0.0], np.cumsum(orders_per_day)]) / max(int(orders_per_day.sum()), 1)
    wanted = np.rint(buyers * share**0.8).astype(np.int64)
    known = np.zeros(len(wanted), dtype=np.int64)
    for day, orders in enumerate(orders_per_day.tolist()):
        known[day + 1] = min(int(wanted[day + 1]), int(known[day]) + int(orders * 0.92))
    return known
