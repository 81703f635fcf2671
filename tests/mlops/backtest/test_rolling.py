"""What is asked of the past, and what the rivals answer: nothing of a window is known before it begins."""

from __future__ import annotations

import numpy as np
import pytest

from mlops.backtest.measures.ranking import NOBODY
from mlops.backtest.rolling.questions import Questions, questions
from mlops.backtest.rolling.rivals import Rival, Rivals
from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.signals import UNKNOWN, Batch
from mlops.training.recommend.sales import Sales
from mlops.training.recommend.windows import context_matrix

# (order, customer, day, items); -1 is a guest. The window begins on day 10.
SHOP = [
    (0, 0, 1.0, [0, 1]),
    (1, 1, 2.0, [0, 2]),
    (2, 0, 8.0, [1]),
    (3, 0, 11.0, [1, 3, 2]),
    (4, 2, 12.0, [0, 1]),
    (5, -1, 13.0, [0, 1, 2]),
    (6, 1, 30.0, [0]),
]


def sales() -> Sales:
    rows = [(order, who, day, item) for order, who, day, items in SHOP for item in sorted(items)]
    order, who, day, item = zip(*rows, strict=True)
    ones = np.ones(len(rows), np.float32)
    return Sales(
        4,
        3,
        7,
        np.array(order, np.int32),
        np.array(item, np.int32),
        np.array(who, np.int32),
        np.array(day),
        ones,
        ones,
    )


def asked(slot: Slot, most: int = 100) -> Questions:
    return questions(slot, sales(), 10.0, 20.0, np.random.default_rng(0), most)


def right(found: Questions) -> list[list[int]]:
    return [sorted(found.truth[row].indices.tolist()) for row in range(len(found))]


def test_known_customers_are_asked_for_what_they_bought_of_what_had_sold() -> None:
    home, new, cold = asked(Slot.HOME), asked(Slot.NEW), asked(Slot.COLD)
    assert home.batch.customer.tolist() == [0]
    assert right(home) == [[1, 2]]  # item 3 had not sold before the window
    assert home.orders.tolist() == [2]
    assert right(new) == [[2]]
    assert new.batch.exclude_owned.all()
    assert cold.batch.customer.tolist() == [UNKNOWN]
    assert right(cold) == [[0, 1]]


def test_orders_are_asked_by_one_product_or_with_one_left_out() -> None:
    page, cart = asked(Slot.PAGE), asked(Slot.CART)
    assert len(page) == 3  # every order of two products that had sold, guests' too
    for row in range(len(page)):
        seen = page.batch.context[row].indices.tolist()
        assert len(seen) == 1
        assert not set(seen) & set(right(page)[row])
    assert len(cart) == 1
    assert cart.batch.context[0].nnz == 2
    assert len(right(cart)[0]) == 1
    assert cart.unit[0] >= 3  # a guest's order is a unit of its own


def test_only_customers_with_a_history_are_named_on_a_page() -> None:
    page = asked(Slot.PAGE)
    assert set(page.batch.customer.tolist()) <= {0, UNKNOWN}


def test_too_many_questions_are_drawn_from() -> None:
    assert len(asked(Slot.PAGE, most=2)) == 2


def rivals() -> Rivals:
    return Rivals.of(sales().before(10.0), 10.0)


def one(customer: int, context: list[int], *, exclude_owned: bool = False) -> Batch:
    return Batch(
        np.array([customer], np.int32),
        np.array([10.0]),
        context_matrix([np.array(context, np.int32)], 4),
        np.array([exclude_owned]),
    )


@pytest.mark.parametrize(
    ("rival", "query", "answer"),
    [
        (Rival.POPULAR, one(UNKNOWN, []), [0, 1, 2]),
        (Rival.LATELY, one(UNKNOWN, []), [1, 0, 2]),
        (Rival.POPULAR, one(UNKNOWN, [0]), [1, 2]),
        (Rival.REPEAT, one(0, []), [1, 0, 2]),
        (Rival.REPEAT, one(UNKNOWN, []), [1, 0, 2]),
        (Rival.TOGETHER, one(UNKNOWN, [2]), [0, 1]),
        (Rival.TOGETHER, one(1, []), [1, 0, 2]),  # all once, filled up by what sells lately
        (Rival.POPULAR, one(0, [], exclude_owned=True), [2]),
    ],
)
def test_rivals_answer_by_their_rule_and_fill_up(rival: Rival, query: Batch, answer: list[int]) -> None:
    found = rivals().answers(rival, query, 4)[0].tolist()
    assert found[: len(answer)] == answer
    assert set(found[len(answer) :]) == {NOBODY}


def test_what_was_never_sold_is_never_named() -> None:
    for rival in Rival:
        assert 3 not in rivals().answers(rival, one(UNKNOWN, []), 4)
