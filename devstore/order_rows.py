"""A day's baskets as rows: prices and discounts, then what became of each order by now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devstore.baskets import DayBaskets
from devstore.catalogue import Catalogue, money_text
from devstore.seasons import Promotion
from devstore.store import ID_BASE, ID_STEP
from devstore.times import time_texts

Ints = NDArray[np.int64]
Row = tuple[Any, ...]

CODE_USE = 0.45  # of the orders that a code would make cheaper
SHIPPING_PENCE, FREE_FROM_PENCE = 395, 4000
TEST_SHARE, CANCELLED_SHARE, WHOLE_REFUND_SHARE, PART_REFUND_SHARE = 0.003, 0.015, 0.012, 0.04
DAY = 86_400
SOURCES = ("web", "pos", "shopify_draft_order")
SOURCE_SHARES = (0.92, 0.06, 0.02)
LOCALES = ("en-GB", "en-IE", "de-DE", "fr-FR")
LOCALE_SHARES = (0.86, 0.06, 0.05, 0.03)
COUNTRY_OF = {"en-GB": "GB", "en-IE": "IE", "de-DE": "DE", "fr-FR": "FR"}


@dataclass(frozen=True, slots=True)
class DayRows:
    """Rows ready for the tables, columns as in schema.sql; `seconds` is when each order was placed."""

    orders: list[Row]
    lines: list[Row]
    refunds: list[Row]
    refund_lines: list[Row]


@dataclass(slots=True)
class Counters:
    """How many of each kind were given an id so far."""

    offset: int
    orders: int = 0
    lines: int = 0
    refunds: int = 0
    refund_lines: int = 0

    def id_of(self, kind: str, number: int) -> int:
        return ID_BASE[kind] + self.offset + number * ID_STEP


@dataclass(frozen=True, slots=True)
class Prices:
    """Pence per line, shape (lines,), and the code each order used, by order in the day."""

    unit: Ints
    discount: Ints
    coded: NDArray[np.bool_]


def price_lines(
    rng: np.random.Generator, catalogue: Catalogue, baskets: DayBaskets, promotion: Promotion | None
) -> Prices:
    """Price drops lower the unit price; codes leave it and take a discount off the whole line."""
    unit = catalogue.variant_pence[baskets.variant]
    discount = np.zeros_like(unit)
    coded = np.zeros(len(baskets.customer), dtype=bool)
    if promotion is None:
        return Prices(unit, discount, coded)
    eligible = ~catalogue.gift_card[baskets.product]
    if promotion.department >= 0:
        eligible &= catalogue.department[baskets.product] == promotion.department
    if promotion.code is None:
        return Prices(np.where(eligible, dropped(unit, promotion.percent), unit), discount, coded)
    users = rng.random(len(coded)) < CODE_USE
    taken = eligible & users[baskets.order]
    discount = np.where(taken, unit * baskets.quantity * promotion.percent // 100, 0)
    coded = np.bincount(baskets.order, discount, minlength=len(coded)) > 0
    return Prices(unit, discount, coded)


def dropped(pence: Ints, percent: int) -> Ints:
    """The price during a drop: rounded down to five pence."""
    return pence * (100 - percent) // 100 // 5 * 5


def day_rows(
    rng: np.random.Generator,
    catalogue: Catalogue,
    baskets: DayBaskets,
    customer_id: Ints,
    *,
    seconds: Ints,
    promotion: Promotion | None,
    counters: Counters,
    currency: str,
    now: int,
) -> DayRows:
    """All rows of one day. `seconds`: sorted epoch seconds of the orders; nothing is dated `now` or later."""
    total = len(baskets.customer)
    prices = price_lines(rng, catalogue, baskets, promotion)
    whole = prices.unit * baskets.quantity - prices.discount
    subtotal = np.bincount(baskets.order, whole, minlength=total).astype(np.int64)
    discounts = np.bincount(baskets.order, prices.discount, minlength=total).astype(np.int64)
    ships = np.bincount(baskets.order, ~catalogue.gift_card[baskets.product], minlength=total) > 0
    source = rng.choice(len(SOURCES), total, p=SOURCE_SHARES)
    shipping = np.where((subtotal < FREE_FROM_PENCE) & ships & (source != 1), SHIPPING_PENCE, 0)
    paid = subtotal + shipping
    fate = rng.random(total)
    test = fate < TEST_SHARE
    cancelled = ~test & (fate < TEST_SHARE + CANCELLED_SHARE)
    wholly = ~test & ~cancelled & (fate < TEST_SHARE + CANCELLED_SHARE + WHOLE_REFUND_SHARE)
    partly = ~test & (fate > 1 - PART_REFUND_SHARE)
    wait = np.where(cancelled, rng.integers(600, 2 * DAY, total), rng.integers(3 * DAY, 28 * DAY, total))
    settled = seconds + wait
    happened = settled < now
    cancelled, wholly, partly = cancelled & happened, wholly & happened, partly & happened
    sent = seconds + rng.integers(DAY // 4, 3 * DAY, total)
    fulfilled = (sent < now) & ~cancelled
    refunded_now = cancelled | wholly | partly
    updated = np.maximum(np.where(fulfilled, sent, seconds), np.where(refunded_now, settled, 0))
    updated = np.maximum(updated, seconds)

    first_line = np.searchsorted(baskets.order, np.arange(total))
    line_count = np.diff(np.append(first_line, len(baskets.order)))
    returned = np.zeros_like(baskets.quantity)
    every = (cancelled | wholly)[baskets.order]
    returned[every] = baskets.quantity[every]
    one = first_line + (rng.random(total) * line_count).astype(np.int64)
    one = one[partly & (line_count > 0)]
    returned[one] = 1 + (rng.random(len(one)) * baskets.quantity[one]).astype(np.int64)
    worth = np.where(returned == baskets.quantity, whole, whole * returned // baskets.quantity)
    refunded = np.bincount(baskets.order, worth, minlength=total).astype(np.int64)
    refunded += np.where(cancelled | wholly, shipping, 0)

    settled_text = time_texts(settled)
    refunds, refund_lines = _refund_rows(
        baskets,
        counters,
        returned,
        worth,
        refunded,
        settled_text,
        first_line,
        line_count,
        cancelled,
        refunded_now,
    )
    orders = _order_rows(
        rng, baskets, customer_id, counters, seconds=seconds, updated=updated, settled=settled_text,
        cancelled=cancelled, test=test, fulfilled=fulfilled, source=source, sent=sent, currency=currency,
        code=promotion.code if promotion else None, coded=prices.coded,
        amounts=(subtotal, paid, discounts, refunded, shipping),
    )  # fmt: skip
    lines = _line_rows(catalogue, baskets, prices, whole, counters, returned, first_line)
    counters.orders += total
    counters.lines += len(lines)
    return DayRows(orders, lines, refunds, refund_lines)


def _order_rows(
    rng: np.random.Generator,
    baskets: DayBaskets,
    customer_id: Ints,
    counters: Counters,
    *,
    seconds: Ints,
    updated: Ints,
    settled: list[str],
    cancelled: NDArray[np.bool_],
    test: NDArray[np.bool_],
    fulfilled: NDArray[np.bool_],
    source: Ints,
    sent: Ints,
    currency: str,
    code: str | None,
    coded: NDArray[np.bool_],
    amounts: tuple[Ints, Ints, Ints, Ints, Ints],
) -> list[Row]:
    total = len(baskets.customer)
    subtotal, paid, discounts, refunded, shipping = (amount.tolist() for amount in amounts)
    tokens = rng.bytes(32 * total).hex()
    locale = rng.choice(len(LOCALES), total, p=LOCALE_SHARES).tolist()
    reasons = rng.choice(["CUSTOMER", "INVENTORY", "FRAUD"], total, p=[0.7, 0.2, 0.1]).tolist()
    created, changed, closed = time_texts(seconds), time_texts(updated), time_texts(sent)
    buyers = [int(customer_id[c]) if c >= 0 else None for c in baskets.customer.tolist()]
    rows: list[Row] = []
    for i in range(total):
        number = counters.orders + i + 1
        in_shop = source[i] == 1
        gone = bool(cancelled[i])
        language = None if in_shop else LOCALES[locale[i]]
        rows.append(
            (
                counters.id_of("orders", number), f"#{1000 + number}", 1000 + number,
                buyers[i], created[i], created[i], changed[i],
                settled[i] if gone else None, reasons[i] if gone else None, int(test[i]), currency, currency,
                "PAID" if refunded[i] == 0 else "REFUNDED" if refunded[i] >= paid[i] else "PARTIALLY_REFUNDED",
                "FULFILLED" if fulfilled[i] else "UNFULFILLED", SOURCES[source[i]],
                None if in_shop else tokens[64 * i : 64 * i + 32],
                None if in_shop else tokens[64 * i + 32 : 64 * i + 64],
                money_text(subtotal[i]), money_text(paid[i]), money_text(discounts[i]), money_text(refunded[i]),
                money_text(shipping[i]), money_text((paid[i] + 3) // 6), code if coded[i] else None, "[]", "[]",
                language, COUNTRY_OF[language] if language else "GB", None,
                settled[i] if gone else closed[i] if fulfilled[i] else None,
            )
        )  # fmt: skip
    return rows


def _line_rows(
    catalogue: Catalogue,
    baskets: DayBaskets,
    prices: Prices,
    whole: Ints,
    counters: Counters,
    returned: Ints,
    first_line: Ints,
) -> list[Row]:
    line_id = (
        ID_BASE["order_lines"] + counters.offset + (counters.lines + 1 + np.arange(len(whole))) * ID_STEP
    )
    order_id = ID_BASE["orders"] + counters.offset + (counters.orders + 1 + baskets.order) * ID_STEP
    position = np.arange(len(whole)) - first_line[baskets.order] + 1
    each = (2 * whole + baskets.quantity) // (2 * baskets.quantity)
    gift = catalogue.gift_card[baskets.product].astype(np.int64)
    columns = (
        line_id, order_id, position, catalogue.product_id[baskets.product], catalogue.variant_id[baskets.variant],
        baskets.product, baskets.variant, baskets.quantity, baskets.quantity - returned, prices.unit, each,
        prices.discount, gift,
    )  # fmt: skip
    return [
        (
            line, order, place, product, variant, catalogue.title[p], catalogue.variant_title[v], catalogue.sku[v],
            catalogue.vendor[p], quantity, kept, money_text(unit), money_text(unit_paid), money_text(off), "[]", card,
            1 - card,
        )
        for line, order, place, product, variant, p, v, quantity, kept, unit, unit_paid, off, card in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]  # fmt: skip


def _refund_rows(
    baskets: DayBaskets,
    counters: Counters,
    returned: Ints,
    worth: Ints,
    refunded: Ints,
    settled: list[str],
    first_line: Ints,
    line_count: Ints,
    cancelled: NDArray[np.bool_],
    refunded_now: NDArray[np.bool_],
) -> tuple[list[Row], list[Row]]:
    refunds: list[Row] = []
    lines: list[Row] = []
    for i in np.flatnonzero(refunded_now).tolist():
        counters.refunds += 1
        refund_id = counters.id_of("refunds", counters.refunds)
        order_id = counters.id_of("orders", counters.orders + i + 1)
        note = None if cancelled[i] else "Returned"
        refunds.append((refund_id, order_id, settled[i], money_text(int(refunded[i])), note, 1))
        for at in range(int(first_line[i]), int(first_line[i] + line_count[i])):
            if returned[at]:
                counters.refund_lines += 1
                lines.append(
                    (
                        counters.id_of("refund_lines", counters.refund_lines), refund_id,
                        counters.id_of("order_lines", counters.lines + 1 + at), int(returned[at]),
                        money_text(int(worth[at])), "CANCEL" if cancelled[i] else "RETURN",
                    )
                )  # fmt: skip
    return refunds, lines
