"""The transformer over customers' orders: numpy says what torch says, nothing is seen too early, and it must earn its place.

What needs torch (the extra `sequence`) is skipped without it; the forward pass is then still held to numbers that torch made.
"""

from __future__ import annotations

import time
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest

from mlops.predictors.recommend import sequence
from mlops.predictors.recommend.features import SEQUENCE, Slot, pairs
from mlops.predictors.recommend.packing import from_arrays, to_arrays
from mlops.predictors.recommend.sequence import (
    SequenceModel,
    forward,
    gap_rows,
    last_states,
    next_states,
    scores,
)
from mlops.predictors.recommend.signals import Batch, Floats, Signals
from mlops.predictors.recommend.two_stage import TwoStage
from mlops.training.recommend import sequence as learning
from mlops.training.recommend.examples import DISCOUNT, Examples, examples
from mlops.training.recommend.fit import fit_recommender
from mlops.training.recommend.fit_signals import fit_signals
from mlops.training.recommend.histories import chunks, histories, lesson, next_chunks
from mlops.training.recommend.ledger import Ledger, ledger
from mlops.training.recommend.sequence_worth import worth
from mlops.training.recommend.windows import ask, context_matrix, window_length, window_starts
from tests.mlops.backtest.shops import line, lines, themed_shop

NEEDS_TORCH = pytest.mark.skipif(
    find_spec("torch") is None, reason="torch is not installed (the extra `sequence`)"
)
HEADS = 2


def book_of(rows: list[dict[str, object]]) -> Ledger:
    frame = lines(rows).rename({"ordered_at": "at"})
    return ledger(frame.with_columns(frame["at"].dt.epoch("ms")))


def stepping(*, customers: int, steps: int, items: int) -> Ledger:
    """Bare sequences: everybody walks in a circle, one or two items on, half of them backwards."""
    draw = np.random.default_rng(1)
    rows = []
    for who in range(customers):
        at, step = int(draw.integers(items)), int(draw.choice([-1, 1]))
        for day in range(steps):
            rows.append(line(f"{who}-{day}", f"c{who:04d}", day, f"p{at:03d}", unit_price=None))
            at = (at + step * int(draw.choice([1, 2]))) % items
    return book_of(rows)


def weights_of(n_items: int, d: int, longest: int, *, n_shares: int = 0, seed: int = 1) -> dict[str, Floats]:
    draw = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "items": (n_items, d),
        "bias": (n_items,),
        "shares": (n_shares,),
        "gaps": (sequence.GAPS, d),
        "lags": (HEADS, longest),
        "end.gain": (d,),
        "end.shift": (d,),
        "0.mixed": (d, 3 * d),
        "0.joined": (d, d),
        "0.wide": (d, 2 * d),
        "0.wide.shift": (2 * d,),
        "0.narrow": (2 * d, d),
    }
    names = ("0.first.gain", "0.first.shift", "0.second.gain", "0.second.shift", "0.narrow.shift")
    shapes |= dict.fromkeys(names, (d,))
    return {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def book() -> Ledger:
    lines = themed_shop(customers=60, days=140, products=600).rename({"ordered_at": "at"})
    return ledger(lines.with_columns(lines["at"].dt.epoch("ms")))


@pytest.fixture(scope="module")
def silent(book: Ledger) -> Signals:
    return fit_signals(book.sales, book.now, 14.0)


@pytest.fixture(scope="module")
def speaking(book: Ledger, silent: Signals) -> Signals:
    weights = weights_of(len(book.skus), 8, 6, n_shares=3)
    told = histories(book.sales)
    states = last_states(weights, told.orders, told.gaps, told.starts, np.arange(book.sales.n_customers))
    return replace(
        silent, sequence=SequenceModel(weights, ("h10", "h30", "h365"), states, (Slot.HOME, Slot.NEW))
    )


def everybody(book: Ledger, *, exclude_owned: bool) -> Batch:
    n = book.sales.n_customers
    return Batch(
        np.arange(n, dtype=np.int32),
        np.full(n, book.now),
        context_matrix([np.empty(0, np.int32)] * n, len(book.skus)),
        np.full(n, exclude_owned),
    )


def test_the_forward_pass_says_what_torch_said() -> None:
    """The numbers were made by `sequence_net.Network.states` of torch 2.13 from the same weights and input."""
    shapes = {name: each.shape for name, each in weights_of(5, 4, 4).items()}
    weights = {
        name: np.sin(np.arange(np.prod(shapes[name]), dtype=np.float32) * 0.7 + at)
        .reshape(shapes[name])
        .astype(np.float32)
        for at, name in enumerate(sorted(shapes))
    }
    x = np.cos(np.arange(24, dtype=np.float32)).reshape(2, 3, 4)
    there = np.array([[False, True, True], [True, True, True]])
    expected = [
        [0.0601472333073616, 0.8728122115135193, 0.7527464032173157, 1.8345450162887573],
        [-0.17826037108898163, 0.9065572023391724, 0.788029670715332, 1.8441755771636963],
    ]
    np.testing.assert_allclose(forward(weights, x, there)[:, -1], expected, atol=1e-5)


def test_an_order_looks_back_only() -> None:
    """What comes later, or lies in the padding, changes nothing of what was said before."""
    weights = weights_of(5, 8, 6)
    x = np.random.default_rng(2).normal(size=(1, 6, 8)).astype(np.float32)
    there = np.array([[False, True, True, True, True, True]])
    other = x.copy()
    other[0, 0], other[0, 4:] = 9.0, -3.0
    mine, theirs = forward(weights, x, there), forward(weights, other, there)
    np.testing.assert_array_equal(mine[0, 1:4], theirs[0, 1:4])
    assert np.abs(mine[0, 4:] - theirs[0, 4:]).max() > 0.01


def test_one_sequence_is_read_as_in_a_batch(book: Ledger, speaking: Signals) -> None:
    model = speaking.sequence
    assert model is not None
    told = histories(book.sales)
    for customer in (0, 7, 33):
        rows = range(told.starts[customer], told.starts[customer + 1])
        orders = [told.orders[row].indices for row in rows]
        alone = next_states(model, orders, told.days[rows.start : rows.stop])
        np.testing.assert_allclose(alone[0], model.states[customer], atol=1e-5)


def test_scores_are_chances_over_the_mean(speaking: Signals) -> None:
    model = speaking.sequence
    assert model is not None
    known = speaking.known.copy()
    known[:3] = False
    found = scores(model, model.states[:5], speaking.popularity, known)
    assert not found[:, :3].any()
    assert (found[:, 3:] > 0).all()
    np.testing.assert_allclose(np.expm1(found).sum(axis=1), known.sum(), rtol=1e-4)


def test_reading_fifty_orders_takes_two_milliseconds() -> None:
    model = SequenceModel(weights_of(3_000, 64, 50), (), np.zeros((0, 64), np.float32), ())
    orders = [np.arange(at, at + 10, dtype=np.int32) for at in range(50)]
    days = np.arange(50.0)
    took = []
    for _ in range(60):
        began = time.thread_time()
        next_states(model, orders, days)
        took.append(time.thread_time() - began)
    assert np.median(took) < 0.002


def test_orders_of_one_moment_are_one() -> None:
    book = book_of(
        [
            line("a", "c", 3.0, "p1"),
            line("b", "c", 3.0, "p2"),
            line("b", "c", 3.0, "p1"),
            line("d", "c", 1.5, "p3"),
            line("e", None, 2.0, "p3"),
            line("f", "d", 9.5, "p2"),
        ]
    )
    told = histories(book.sales)
    assert told.starts.tolist() == [0, 2, 3]
    assert [told.orders[row].indices.tolist() for row in range(3)] == [[2], [0, 1], [1]]
    assert (told.orders.data == 1).all()
    assert told.lengths(2.0 + told.days[0] - 1.5).tolist() == [1, 0]
    # The gap of 1.5 days lies between 1 and 2; a customer's first order has none.
    assert told.gaps.tolist() == [0, 1, 0]
    assert gap_rows(np.array([0.0, 1e9]), np.array([0, 2])).tolist() == [0, sequence.GAPS - 1]


def test_chunks_keep_to_their_time(book: Ledger) -> None:
    told = histories(book.sales)
    until = float(np.median(told.days))
    owner = np.repeat(np.arange(len(told.starts) - 1), np.diff(told.starts))
    learnt = chunks(told, 3, until, 10**6)
    target = learnt.sum(axis=1)
    assert learnt[:, 1].max() == 3
    assert (told.days[target] < until).all()
    assert (owner[target] == owner[learnt[:, 0]]).all()
    # Every order but each customer's first is told once.
    assert learnt[:, 1].sum() == told.followed(until)
    followed = np.concatenate([np.arange(begin + 1, begin + 1 + count) for begin, count in learnt])
    assert len(np.unique(followed)) == len(followed)
    fewer = chunks(told, 3, until, 40)
    assert 30 < fewer[:, 1].sum() <= 40
    assert told.days[fewer.sum(axis=1)].min() >= np.sort(told.days[target])[-len(fewer) - 3]
    asked = next_chunks(told, 3, until)
    assert (told.days[asked.sum(axis=1)] >= until).all()
    assert (told.days[asked.sum(axis=1) - 1] < until).all()


def test_popularity_is_that_of_the_moment(book: Ledger) -> None:
    """What is sold later changes no share before."""
    first = book.sales.before(float(np.median(book.sales.day)))
    whole, part = lesson(book.sales), lesson(first)
    same = len(part.shares) - 1
    np.testing.assert_array_equal(whole.shares[:same], part.shares[:same])
    days = histories(book.sales).days
    assert (book.sales.day[0] + whole.moment * 7.0 <= days).all()


@pytest.mark.parametrize("slot", [Slot.HOME, Slot.NEW])
def test_what_others_say_stays_the_same(book: Ledger, silent: Signals, speaking: Signals, slot: Slot) -> None:
    """With the sequence model come candidates and three features; without those rows and features nothing has changed."""
    batch = everybody(book, exclude_owned=slot == Slot.NEW)
    before, after = pairs(silent, batch, slot), pairs(speaking, batch, slot)
    assert before.usual.all()
    assert 0 < (~after.usual).sum() < len(after.usual)
    assert after.names == (*before.names, SEQUENCE, f"{SEQUENCE}:ratio", f"{SEQUENCE}:rank")
    np.testing.assert_array_equal(after.item[after.usual], before.item)
    np.testing.assert_array_equal(after.x[after.usual][:, : len(before.names)], before.x)
    assert np.isfinite(after.x[:, len(before.names) :].astype(np.float32)).any()
    found = ask(slot, book.sales, book.now - 14, 14.0, np.random.default_rng(1))
    mine = examples(speaking, found, slot, np.random.default_rng(1)).without_sequence(rows=True)
    theirs = examples(silent, found, slot, np.random.default_rng(1))
    np.testing.assert_array_equal(mine.x, theirs.x)
    np.testing.assert_array_equal(mine.sizes, theirs.sizes)
    np.testing.assert_array_equal(mine.bought, theirs.bought)
    assert mine.names == theirs.names


def test_it_does_not_speak_where_it_is_not_kept(book: Ledger, speaking: Signals) -> None:
    assert speaking.sequence is not None
    only = replace(speaking, sequence=replace(speaking.sequence, slots=(Slot.NEW,)))
    home = everybody(book, exclude_owned=False)
    assert SEQUENCE not in pairs(only, home, Slot.HOME).names
    assert SEQUENCE in pairs(only, everybody(book, exclude_owned=True), Slot.NEW).names


def made(seed: int, *, queries: int, tells: bool, alone: bool) -> Examples:
    """Twenty candidates a query, one bought; the sequence model tells it or nothing, or names a bought one alone."""
    draw = np.random.default_rng(seed)
    others = tuple(f"other{at}" for at in range(25))
    names = ("popular", "own_h180", "own_h180:ratio", "own_h180:rank", *others, SEQUENCE)
    x = draw.random((queries * 20, len(names)))
    right = np.arange(queries) * 20 + draw.integers(20, size=queries)
    bought = np.zeros(queries * 20, bool)
    bought[right] = True
    x[bought, 1] += 0.3
    if tells:
        x[bought, -1] += 0.7
    usual = np.ones(queries * 20, bool)
    if alone:
        usual[right[::2]] = False
    return Examples(
        x=x.astype(np.float16),
        bought=bought,
        item=np.tile(np.arange(20, dtype=np.int32), queries),
        sizes=np.full(queries, 20),
        known=np.ones(queries, bool),
        ideal=np.full(queries, DISCOUNT[0]),
        unit=np.arange(queries),
        names=names,
        usual=usual,
    )


@pytest.mark.parametrize(
    ("tells", "alone", "kept"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_it_is_kept_where_it_tells_something(tells: bool, alone: bool, kept: bool) -> None:
    older = [made(seed, queries=800, tells=tells, alone=alone) for seed in (1, 2)]
    found = worth(older, made(3, queries=800, tells=tells, alone=alone), 1)
    assert found.kept == kept
    assert set(found.told) == {"with", "without", "error"}
    assert (found.told["with"] - found.told["without"] > 1.645 * found.told["error"]) == kept


def test_too_little_to_compare_keeps_nothing() -> None:
    assert not worth([], made(3, queries=300, tells=True, alone=True), 1).kept


def packed(book: Ledger, speaking: Signals) -> dict[str, np.ndarray]:
    return to_arrays(TwoStage(speaking, np.ones(len(book.skus), np.float32), {}, {}))


def test_a_packed_model_says_the_same(book: Ledger, speaking: Signals) -> None:
    arrays = packed(book, speaking)
    again = from_arrays({name: each.copy() for name, each in arrays.items()}).signals
    assert again.sequence is not None
    assert again.sequence.slots == (Slot.HOME, Slot.NEW)
    batch = everybody(book, exclude_owned=False)
    np.testing.assert_array_equal(pairs(again, batch, Slot.HOME).x, pairs(speaking, batch, Slot.HOME).x)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("states", lambda each: each[:-1]),
        ("items", lambda each: each[:, :-1]),
        ("items", lambda each: each.astype(np.float64)),
        ("bias", lambda each: np.full_like(each, np.nan)),
        ("lags", lambda each: each[:0]),
        ("0.wide", lambda each: each.T),
        ("0.wide.shift", lambda each: each[0]),
        ("gaps", lambda each: each[:3]),
        ("shares", lambda each: each[:1]),
        ("1.mixed", lambda each: each),
        ("stranger", lambda each: each),
    ],
)
def test_a_broken_model_is_refused(book: Ledger, speaking: Signals, name: str, broken: object) -> None:
    arrays = packed(book, speaking)
    given = arrays.get(f"sequence/{name}", np.zeros((3, 3), np.float32))
    arrays[f"sequence/{name}"] = broken(given)  # type: ignore[operator]
    with pytest.raises(ValueError):
        from_arrays(arrays)
    del arrays[f"sequence/{name}"]
    if name in packed(book, speaking):
        with pytest.raises(ValueError):
            from_arrays(arrays)


def test_the_report_says_why_nothing_is_learnt(book: Ledger) -> None:
    off = fit_recommender(book.sales, book.now, {Slot.HOME}, 1, lambda _: None, sequence=False)
    auto = fit_recommender(book.sales, book.now, {Slot.HOME}, 1, lambda _: None)
    assert off.report["sequence"] == {"kept": [], "held_out": {}, "why_not": "not asked for"}
    told = auto.report["sequence"]["why_not"]
    assert told == "torch is not installed" if find_spec("torch") is None else "fewer than" in told
    assert off.recommender.signals.sequence is auto.recommender.signals.sequence is None
    mine, theirs = to_arrays(off.recommender), to_arrays(auto.recommender)
    for name, each in mine.items():
        np.testing.assert_array_equal(each, theirs[name])


@NEEDS_TORCH
def test_numpy_and_torch_agree() -> None:
    import torch

    from mlops.training.recommend.sequence_net import Network, drawn

    weights = drawn(40, 0, 12, 3)
    draw = np.random.default_rng(1)
    x = draw.normal(size=(9, 12, 64)).astype(np.float32)
    there = np.arange(12)[None, :] >= draw.integers(12, size=(9, 1))
    with torch.no_grad():
        told = Network(weights, 1).states(torch.from_numpy(x), torch.from_numpy(there)).numpy()
    np.testing.assert_allclose(forward(weights, x, there)[there], told[there], atol=1e-5)


@NEEDS_TORCH
def test_it_learns_the_order_and_sees_nothing_later() -> None:
    """On walks in a circle its loss falls far below that of guessing; later sales and other runs change no weight."""
    book = stepping(customers=1050, steps=6, items=24)
    assert not book.sales.dated
    starts = window_starts(book.sales, book.now)
    length = window_length(book.sales, book.now)
    later = book.sales.day >= starts[-1]
    other = book.sales.item.copy()
    other[later] = np.random.default_rng(5).permutation(other[later])
    changed = replace(book.sales, item=other)
    found = []
    for sales in (book.sales, book.sales, changed):
        chain = learning.begin(sales, starts, length, 1)
        found.append([chain, learning.go_on(chain, sales.before(starts[-1]), 1)])
    assert found[0][0].why_not is None
    losses = found[0][0].report["losses"]
    assert min(losses) < np.log(24) - 0.7
    for mine, theirs in pairwise(found):
        for a, b in zip(mine, theirs, strict=True):
            for name in a.weights:
                np.testing.assert_array_equal(a.weights[name], b.weights[name])
    assert any((found[0][0].weights[n] != found[0][1].weights[n]).any() for n in found[0][0].weights)


@NEEDS_TORCH
def test_a_window_in_which_nobody_returns_stops_nothing() -> None:
    """A shop that was shut before its oldest window: there is nobody to measure on, and the report says so."""
    rows = [
        line(f"{who}-{order}", f"c{who}", 10.0 * order + who / 500 + 0.01, f"p{(who + order) % 30}")
        for who in range(400)
        for order in range(7)
    ]
    rows += [line(f"late{at}", f"c{at % 400}", 150 + at / 10, f"p{at % 30}") for at in range(500)]
    book = book_of(rows)
    length = window_length(book.sales, book.now)
    chain = learning.begin(book.sales, [book.now - length, book.now - length - 70], 14.0, 1)
    assert chain.report == {"why_not": "nobody came back in the window that tells when to stop"}
    assert learning.go_on(chain, book.sales, 0) is chain


@NEEDS_TORCH
def test_the_clock_stops_it() -> None:
    book = stepping(customers=1050, steps=6, items=24)
    starts = window_starts(book.sales, book.now)
    chain = learning.begin(book.sales, starts, 1.0, 1, seconds=1e-6)
    assert chain.report["stopped_by_clock"]
    assert chain.weights
    after = learning.go_on(chain, book.sales, 0)
    for name, each in chain.weights.items():
        np.testing.assert_array_equal(each, after.weights[name])


@NEEDS_TORCH
def test_drawn_alternatives_teach_what_all_do_in_season(book: Ledger) -> None:
    """With dates: a network that learns from drawn alternatives tells later orders about as well as one that sees all."""
    from mlops.training.recommend.sequence_net import Network, drawn, one_thread

    subject = lesson(book.sales)
    assert subject.shares.shape[2] == 3
    until = float(np.quantile(book.sales.day, 0.8))
    learnt = chunks(subject.histories, 6, until, 10**6)
    asked = next_chunks(subject.histories, 6, until)
    n = book.sales.n_items
    losses = {}
    with one_thread():
        for most in (n, n - 1):
            network = Network(drawn(n, 3, 6, 1), 1, most_full=most)
            before = network.measure(subject, asked)
            for _ in range(4):
                network.learn(subject, learnt, np.random.default_rng(1), until=np.inf)
            losses[most] = network.measure(subject, asked)
            assert losses[most] < before - 0.1
    assert losses[n - 1] == pytest.approx(losses[n], abs=0.2)


@NEEDS_TORCH
def test_drawn_alternatives_teach_what_all_do() -> None:
    from mlops.training.recommend.sequence_net import Network, drawn, one_thread

    book = stepping(customers=600, steps=6, items=24)
    subject = lesson(book.sales)
    learnt = chunks(subject.histories, 6, 0.0, 10**6)
    asked = next_chunks(subject.histories, 6, 0.0)
    losses = {}
    with one_thread():
        for most in (24, 23):
            network = Network(drawn(24, 0, 6, 1), 1, most_full=most)
            for _ in range(8):
                network.learn(subject, learnt, np.random.default_rng(1), until=np.inf)
            losses[most] = network.measure(subject, asked)
    assert losses[24] < np.log(24) - 0.7
    assert losses[23] == pytest.approx(losses[24], abs=0.15)
