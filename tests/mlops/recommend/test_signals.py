"""What is known at a moment: never the future, the same for one query as for many, and neighbours that are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from mlops.predictors.recommend.features import Slot, pairs, slots_of
from mlops.predictors.recommend.packing import from_arrays, to_arrays
from mlops.predictors.recommend.scores import context_scores
from mlops.predictors.recommend.signals import UNKNOWN, Batch, Signals
from mlops.predictors.recommend.two_stage import TwoStage
from mlops.training.recommend import tables
from mlops.training.recommend.content import content_table
from mlops.training.recommend.fit import fit_recommender
from mlops.training.recommend.fit_signals import fit_signals
from mlops.training.recommend.ledger import Ledger, ledger
from mlops.training.recommend.windows import ask, context_matrix, window_length, window_starts
from tests.mlops.backtest.shops import themed_shop


@pytest.fixture(scope="module")
def book() -> Ledger:
    lines = themed_shop(customers=60, days=140).rename({"ordered_at": "at"})
    return ledger(lines.with_columns(lines["at"].dt.epoch("ms")))


@pytest.fixture(scope="module")
def signals(book: Ledger) -> Signals:
    return fit_signals(book.sales, book.now, 14.0)


def batch_of(book: Ledger, signals: Signals) -> Batch:
    contexts = [np.array(each, np.int32) for each in ([], [], [3], [3], [4, 10], [4, 10, 16])]
    return Batch(
        np.array([1, 2, 3, UNKNOWN, 4, UNKNOWN], np.int32),
        np.full(6, signals.now + 2.0),
        context_matrix(contexts, len(book.skus)),
        np.array([False, True, False, False, False, False]),
    )


def test_windows_do_not_see_their_own_sales(book: Ledger) -> None:
    """Whatever is sold from the start of a window on, the signals before it are the same."""
    start = window_starts(book.sales, book.now)[1]
    later = book.sales.day >= start
    shuffled = book.sales.item.copy()
    shuffled[later] = np.random.default_rng(5).permutation(shuffled[later])
    other = replace(book.sales, item=shuffled)
    length = window_length(book.sales, book.now)
    mine, theirs = (fit_signals(each.before(start), start, length) for each in (book.sales, other))
    for name in ("item_features", "own_features", "customer_features"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    for name, table in mine.tables.items():
        assert (table != theirs.tables[name]).nnz == 0
    assert len(ask(Slot.HOME, book.sales, start, length, np.random.default_rng(1))) > 10


@pytest.mark.parametrize("slot", [Slot.HOME, Slot.NEW, Slot.PAGE, Slot.CART])
def test_truth_lies_in_the_window_and_fits_the_slot(book: Ledger, slot: Slot) -> None:
    start, length = window_starts(book.sales, book.now)[0], window_length(book.sales, book.now)
    asked = ask(slot, book.sales, start, length, np.random.default_rng(1))
    assert set(slots_of(asked.batch)) == {slot}
    inside = book.sales.within(start, start + length)
    before = book.sales.before(start)
    for row, right in enumerate(asked.relevant):
        who = int(asked.unit[row])
        assert len(right)
        assert set(right) <= set(inside.item[inside.customer == who])
        context = asked.batch.context[row].indices
        assert not set(right) & set(context)
        if slot == Slot.NEW:
            assert not set(right) & set(before.item[before.customer == who])


def test_one_query_is_told_the_same_as_many(book: Ledger, signals: Signals) -> None:
    batch = batch_of(book, signals)
    for slot in (Slot.HOME, Slot.NEW, Slot.PAGE, Slot.CART):
        rows = np.flatnonzero(np.array(slots_of(batch)) == slot)
        together = pairs(signals, batch.take(rows), slot)
        for place, row in enumerate(rows):
            alone = pairs(signals, batch.take(np.array([row])), slot)
            mine = together.query == place
            assert alone.names == together.names
            np.testing.assert_array_equal(alone.item, together.item[mine])
            np.testing.assert_allclose(alone.x, together.x[mine], rtol=2e-3)


def test_without_a_ranker_the_list_for_newcomers_answers(book: Ledger, signals: Signals) -> None:
    newcomers = signals.popularity["h30"]
    answers = TwoStage(signals, newcomers, {}, {}).recommend(batch_of(book, signals), np.full(6, 5))
    best = np.argsort(-newcomers, kind="stable")[:8]
    assert answers[0].item.tolist() == best[:5].tolist()
    owned = set(signals.own[2].indices.tolist())
    assert not owned & set(answers[1].item.tolist())
    assert 3 not in answers[2].item


def test_a_regression_finds_what_predicts() -> None:
    """Item 2 is bought exactly when item 0 is; item 1 is bought at random."""
    draw = np.random.default_rng(2)
    first, noise = draw.random(500) < 0.3, draw.random(500) < 0.5
    rows = sparse.csr_matrix(
        np.stack([first, noise, first, draw.random(500) < 0.2], axis=1).astype(np.float32)
    )
    found = tables.regressions(rows, 1.0).toarray()
    assert found[0, 2] > 0.8
    assert abs(found[1, 2]) < 0.1
    assert not found.diagonal().any()


def test_neighbours_of_a_page_are_conditional_chances() -> None:
    """Two orders of (0, 1), one of (0, 2): each counts 1 / its size, so 1 is twice as likely beside 0 as 2."""
    rows = sparse.csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1]], np.float32))
    found = tables.given(rows).toarray()
    assert found[0, 1] == pytest.approx(2 * found[0, 2])
    assert 0.6 < found[0, 1] < 2 / 3
    assert found[2, 1] == 0.0


def test_a_page_counts_the_own_orders_too(book: Ledger, signals: Signals) -> None:
    """What is given by the page, the customer's orders with the item over one more than all, and the share of sales."""
    batch = batch_of(book, signals).take(slice(2, 4))
    found = context_scores(signals, batch)
    customer = int(batch.customer[0])
    mine = book.sales.take(book.sales.customer == customer)
    orders = len(np.unique(mine.order))
    held = np.bincount(mine.item, minlength=signals.n_items) / (orders + 1)
    shared = found["x_given_h365"] + signals.popularity["popular"]
    assert held.any()
    np.testing.assert_allclose(found["x_given_own"][0], shared[0] + held, rtol=1e-5)
    np.testing.assert_allclose(found["x_given_own"][1], shared[1], rtol=1e-5)
    # The two pages are the same, seen by a customer and by nobody.
    np.testing.assert_array_equal(found["x_given_h365"][0], found["x_given_h365"][1])


def test_the_next_order_follows_its_direction() -> None:
    customer = np.repeat(np.arange(20, dtype=np.int32), 2)
    found = tables.transitions(
        customer, np.tile([1, 0], 20), np.tile([0, 1], 20).astype(np.int32), 3
    ).toarray()
    assert found[0, 1] == pytest.approx(2 * found[1, 0], rel=1e-5)
    assert found[2].sum() == 0.0


def test_alike_by_words_and_codes() -> None:
    """Titles share a word, codes share a beginning; numbers and dates in a product file say nothing."""
    texts = {
        "22896": {"title": "Red spotted cup", "sold": "2024-01-01"},
        "85014A": {"title": "Blue spotted umbrella", "sold": "2024-01-01"},
        "22897": {"title": "Wooden duck", "sold": "2024-01-01"},
        "85099": {"title": "Paper lantern", "sold": "2024-01-01"},
    }
    skus = sorted(texts)
    by_words = content_table(skus, texts, codes=False)
    assert by_words is not None
    assert by_words[skus.index("22896"), skus.index("85014A")] > 0.9
    assert by_words.nnz == 2
    by_codes = content_table(skus, {}, codes=True)
    assert by_codes is not None
    assert by_codes[skus.index("22896"), skus.index("22897")] > 0.9
    assert by_codes[skus.index("22896"), skus.index("85014A")] == 0.0
    assert content_table(["1", "2"], {}, codes=True) is None


def test_a_packed_recommender_answers_the_same(book: Ledger, signals: Signals) -> None:
    told: list[str] = []
    slots = {Slot.HOME, Slot.PAGE, Slot.CART}
    fitted = fit_recommender(book.sales, book.now, slots, 1, told.append).recommender
    again = from_arrays({name: each.copy() for name, each in to_arrays(fitted).items()})
    batch = batch_of(book, signals)
    for mine, theirs in zip(
        fitted.recommend(batch, np.full(6, 7)), again.recommend(batch, np.full(6, 7)), strict=True
    ):
        np.testing.assert_array_equal(mine.item, theirs.item)
        np.testing.assert_array_equal(mine.score, theirs.score)
    assert any("window" in line for line in told)
