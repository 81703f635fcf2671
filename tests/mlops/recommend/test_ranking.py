"""Who may answer: a ranker that learnt something, or the generator that it did not beat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.two_stage import RANKER
from mlops.training.recommend.cold_start import fit_cold_start
from mlops.training.recommend.examples import DISCOUNT, Examples, ndcg
from mlops.training.recommend.item_signals import popularity
from mlops.training.recommend.ledger import ledger
from mlops.training.recommend.ranking import decide, fit, learn, standard_error
from mlops.training.recommend.windows import window_length, window_starts
from tests.mlops.backtest.shops import line, lines

NAMES = (
    "popular",
    "own_h180",
    "own_h180:ratio",
    "own_h180:rank",
    "knn_h60",
    "knn_h60:ratio",
    "knn_h60:rank",
    "hidden",
)
WIDTH = 20


def made(seed: int, *, queries: int, hidden_tells: bool, own_tells: bool) -> Examples:
    """Queries with one purchase among twenty candidates, told by a generator's score, by a hidden feature, or by nothing."""
    draw = np.random.default_rng(seed)
    x = draw.random((queries * WIDTH, len(NAMES)))
    right = draw.integers(WIDTH, size=queries)
    bought = np.zeros(queries * WIDTH, bool)
    bought[np.arange(queries) * WIDTH + right] = True
    if hidden_tells:
        x[bought, NAMES.index("hidden")] += 0.7
    if own_tells:
        x[bought, NAMES.index("own_h180")] += 0.7
    return Examples(
        x=x.astype(np.float16),
        bought=bought,
        item=np.tile(np.arange(WIDTH, dtype=np.int32), queries),
        sizes=np.full(queries, WIDTH),
        known=np.ones(queries, bool),
        ideal=np.full(queries, DISCOUNT[0]),
        unit=np.arange(queries),
        names=NAMES,
        usual=np.ones(queries * WIDTH, bool),
    )


@pytest.mark.parametrize(
    ("hidden_tells", "own_tells", "who"),
    [(True, False, RANKER), (True, True, RANKER), (False, True, "own_h180"), (False, False, "own_h180")],
)
def test_a_ranker_answers_only_where_it_beats_the_best_generator(
    hidden_tells: bool, own_tells: bool, who: str
) -> None:
    told = {"hidden_tells": hidden_tells, "own_tells": own_tells}
    older = [made(seed, queries=300, **told) for seed in (1, 2)]
    held_out = made(3, queries=400, **told)
    learnt = learn(Slot.HOME, older, [held_out], held_out, seed=1)
    assert learnt.choice.known == who
    assert (learnt.ranker is not None) == (who == RANKER)


def test_with_too_few_queries_the_usual_generator_answers() -> None:
    few = made(1, queries=30, hidden_tells=True, own_tells=False)
    learnt = learn(Slot.HOME, [few], [few], few, seed=1)
    assert learnt.ranker is None
    assert learnt.choice.known == "own_h180"


def test_a_generator_that_is_ahead_by_chance_seldom_answers() -> None:
    """Three generators that tell nothing: whichever leads by luck, the usual one stays in nine of ten shops."""
    draws = [made(seed, queries=60, hidden_tells=False, own_tells=False) for seed in range(60)]
    lucky = [decide(Slot.HOME, few, None)[0].known != "own_h180" for few in draws]
    assert sum(lucky) <= 6


def test_an_error_counts_customers_and_not_their_queries() -> None:
    """Ten customers with ten equal queries each tell as much as ten queries; one customer tells nothing."""
    each = np.random.default_rng(1).normal(size=10)
    once = standard_error(each, np.arange(10))
    assert once == pytest.approx(each.std(ddof=1) / np.sqrt(10))
    assert standard_error(np.repeat(each, 10), np.repeat(np.arange(10), 10)) == pytest.approx(once)
    assert standard_error(each, np.zeros(10, np.int64)) == float("inf")


def test_the_same_examples_give_the_same_ranker() -> None:
    parts = [made(1, queries=200, hidden_tells=True, own_tells=False)]
    assert fit(parts, 20, seed=4).model_to_string() == fit(parts, 20, seed=4).model_to_string()


def test_ndcg_by_hand() -> None:
    """Two relevant, one found at place 1, one at place 3: (1 + 1/2) / (1 + 1/log2(3))."""
    found = made(1, queries=1, hidden_tells=False, own_tells=False)
    bought = np.zeros(WIDTH, bool)
    bought[[4, 7]] = True
    scores = np.zeros(WIDTH)
    scores[[4, 1, 7]] = [3.0, 2.0, 1.0]
    one = Examples(
        found.x,
        bought,
        found.item,
        found.sizes,
        found.known,
        np.array([1 + DISCOUNT[1]]),
        found.unit,
        NAMES,
        found.usual,
    )
    assert ndcg(scores, one)[0] == pytest.approx(1.5 / (1 + 1 / np.log2(3)))


def book_of(rows: list[dict[str, object]]) -> pl.DataFrame:
    frame = lines(rows).rename({"ordered_at": "at"})
    return frame.with_columns(frame["at"].dt.epoch("ms"))


def test_steps_are_known_from_dates() -> None:
    steps = [
        line(f"{who}-{step}", f"c{who}", step, f"p{step}") for who in range(9) for step in range(2 + who % 3)
    ]
    book = ledger(book_of(steps))
    assert not book.sales.dated
    assert book.now == 1.0
    last = {int(who): float(book.sales.day[book.sales.customer == who].max()) for who in range(9)}
    assert set(last.values()) == {0.0}
    assert window_length(book.sales, book.now) == 1.0
    dates = [
        line(f"{who}-{step}", f"c{who}", who / 3 + 5 * step, f"p{step}")
        for who in range(9)
        for step in range(4)
    ]
    assert ledger(book_of(dates)).sales.dated


def test_lines_may_come_in_any_order_and_twice() -> None:
    rows = [line(f"o{n}", f"c{n % 4}", n / 2, f"p{n % 5}") for n in range(50)]
    rows += [line("o3", "c3", 1.5, "p9", cancelled=True), line("o4", "c0", 2, "p9", quantity=0)]
    frame = book_of(rows)
    once, again = ledger(frame), ledger(pl.concat([frame, frame]).sample(fraction=1.0, shuffle=True, seed=3))
    assert once.skus == again.skus == [f"p{n}" for n in range(5)]
    for name in ("order", "item", "customer", "day", "price"):
        np.testing.assert_array_equal(getattr(once.sales, name), getattr(again.sales, name))


def test_a_history_too_short_has_no_windows() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [line(f"o{n}", f"c{n}", n / 200, "p1") for n in range(150)]
    book = ledger(book_of(rows))
    assert window_starts(book.sales, book.now) == []
    assert book.day(np.array([int((start - timedelta(days=9)).timestamp() * 1000)])).tolist() == [book.now]


def test_newcomers_are_shown_what_newcomers_buy() -> None:
    """Regulars buy p0 to p4 every day; each newcomer's first order is among p5 to p9."""
    draw = np.random.default_rng(1)
    rows = [
        line(f"r{day}-{who}", f"regular{who}", day, f"p{draw.integers(5)}")
        for day in range(150)
        for who in range(6)
    ]
    rows += [line(f"n{n}", f"new{n}", n / 4, f"p{5 + draw.integers(5)}") for n in range(600)]
    book = ledger(book_of(rows))
    cold = fit_cold_start(book.sales, book.now, 15.0, seed=1)
    assert cold.weights is not None or cold.half_life.startswith("first")
    scores = cold.scores(popularity(book.sales, book.now))
    assert set(np.argsort(-scores)[:5]) == {5, 6, 7, 8, 9}
