"""What the app could do with a shop's exports, and why not more. Pure: counts in, sentences out.

The bounds are those of the trainers where they have some (`mlops.training.recommend.windows`: 200 order lines before a
window of a week); the rest are ours, said in the sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shopify_app.exports.tally import Orders

LEAST_ORDERS, LEAST_DAYS = 200, 35
OFTEN = 5  # purchases from which on a product has neighbours worth showing
LEAST_PRODUCTS = 20
LEAST_TOGETHER = 200  # orders of several products
WEEKLY = 26  # purchases of one product from which on its demand can be told by week
SEASON_DAYS = 365


class Answer(StrEnum):
    YES = "yes"
    THIN = "thinly"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that the app does, whether these orders are enough for it, and why."""

    what: str
    answer: Answer
    why: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The numbers that the verdicts rest on. `exact` is False where many things were counted by an even sample."""

    orders: int
    lines: int
    days: int
    months: float
    orders_per_day: float
    customer_share: float
    customers: int
    repeat_rate: float
    several_share: float
    products: int
    products_often: int
    products_weekly: int
    cancelled: int
    exact: bool


def facts(orders: Orders) -> Facts:
    """The numbers of the whole file."""
    days = (orders.last - orders.first).days + 1 if orders.first and orders.last else 0
    total = max(1, orders.orders)
    return Facts(
        orders=orders.orders,
        lines=orders.lines,
        days=days,
        months=round(days / 30.44, 1),
        orders_per_day=round(orders.orders / days, 2) if days else 0.0,
        customer_share=round(orders.with_customer / total, 4),
        customers=orders.customers.different,
        repeat_rate=round(orders.customers.share_at_least(2), 4),
        several_share=round(orders.several_products / total, 4),
        products=orders.products.different,
        products_often=orders.products.at_least(OFTEN),
        products_weekly=orders.products.at_least(WEEKLY),
        cancelled=orders.cancelled,
        exact=orders.customers.exact and orders.products.exact,
    )


def verdicts(found: Facts) -> list[Verdict]:
    """What the app could do with these orders."""
    return [_trending(found), _together(found), _measured(found), _forecasts(found), _repeat(found)]


def _trending(found: Facts) -> Verdict:
    answer = Answer.YES if found.orders >= 50 else Answer.THIN if found.orders else Answer.NO
    return Verdict("show what sells now", answer, f"{found.orders:,} orders; 50 make a ranking worth showing")


def _together(found: Facts) -> Verdict:
    several = round(found.orders * found.several_share)
    enough = several >= LEAST_TOGETHER and found.products_often >= LEAST_PRODUCTS
    answer = Answer.YES if enough else Answer.THIN if several >= LEAST_TOGETHER // 10 else Answer.NO
    why = (
        f"{several:,} orders hold several products and {found.products_often:,} products were bought {OFTEN} times or more;"
        f" {LEAST_TOGETHER} and {LEAST_PRODUCTS} are enough"
    )
    return Verdict("recommend what is bought together", answer, why)


def _measured(found: Facts) -> Verdict:
    enough = found.orders >= LEAST_ORDERS and found.days >= LEAST_DAYS
    why = f"{found.orders:,} orders over {found.days:,} days; {LEAST_ORDERS} over {LEAST_DAYS} are needed"
    return Verdict("measure a model on orders that it has not seen", Answer.YES if enough else Answer.NO, why)


def _forecasts(found: Facts) -> Verdict:
    long = found.days >= SEASON_DAYS
    answer = Answer.NO
    if found.products_weekly >= LEAST_PRODUCTS and found.days >= 90:
        answer = Answer.YES if long else Answer.THIN
    why = (
        f"{found.products_weekly:,} products were bought {WEEKLY} times or more over {found.months} months;"
        f" {LEAST_PRODUCTS} over three months are needed, and a year to know a season"
    )
    return Verdict("learn demand by week", answer, why)


def _repeat(found: Facts) -> Verdict:
    again = round(found.customers * found.repeat_rate)
    answer = Answer.YES if again >= 500 else Answer.THIN if again >= 50 else Answer.NO
    why = (
        f"{found.customer_share:.0%} of orders name a customer and {found.repeat_rate:.0%} of {found.customers:,} customers"
        " came back; 500 who did are enough"
    )
    return Verdict("learn what a buyer wants next", answer, why)
