"""A shop's recommender version: what it answers, saved and loaded, and what is refused at the door."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from mlops.predictors import artefact
from mlops.predictors.artefact import BadArtefact
from mlops.predictors.protocols import Query, Spoke
from mlops.predictors.recommend.features import Slot
from mlops.predictors.recommend.shop import ShopRecommender, neighbours_of
from mlops.predictors.recommend.signals import UNKNOWN, Batch
from mlops.predictors.recommend.two_stage import RANKER, Choice
from mlops.training.recommend.windows import context_matrix
from tests.mlops.recommend import themed

STRANGER = 4_000_000_000_000_000_000


@pytest.fixture(scope="module")
def shop() -> ShopRecommender:
    return themed.recommender()


@pytest.fixture(scope="module")
def again(shop: ShopRecommender) -> ShopRecommender:
    content = artefact.pack(shop, {"seed": 1})
    found = artefact.unpack(content, digest=artefact.digest_of(content)).predictor
    assert isinstance(found, ShopRecommender)
    return found


@pytest.fixture(scope="module")
def saved(shop: ShopRecommender) -> dict[str, np.ndarray]:
    return shop.to_arrays()


products = st.integers(998, 1066) | st.just(STRANGER)
queries = st.builds(
    Query,
    day=st.floats(0, 40_000),
    context=st.lists(products, max_size=5).map(tuple),
    recent=st.lists(products, max_size=4).map(tuple),
    customer=st.none() | st.integers(0, 150).map(themed.pseudonym) | st.just(STRANGER),
    exclude_owned=st.booleans(),
)


@given(query=queries, count=st.integers(1, 80))
@settings(max_examples=80, deadline=None)
def test_what_is_loaded_answers_as_what_was_saved(
    shop: ShopRecommender, again: ShopRecommender, query: Query, count: int
) -> None:
    mine, theirs = shop.recommend(query, count), again.recommend(query, count)
    assert mine.ranked.product_ids.tolist() == theirs.ranked.product_ids.tolist()
    assert mine.ranked.scores.tolist() == theirs.ranked.scores.tolist()
    assert (mine.by, mine.named) == (theirs.by, theirs.named)
    ids = mine.ranked.product_ids.tolist()
    assert len(set(ids)) == len(ids) <= count
    assert not set(ids) & set(query.context)
    assert bool(np.all(np.diff(mine.ranked.scores) <= 0))
    assert 0 <= mine.named <= len(ids)
    assert (mine.named == 0) == (mine.by == Spoke.TRENDING)


def test_the_same_recommender_gives_the_same_bytes(shop: ShopRecommender, again: ShopRecommender) -> None:
    assert artefact.pack(shop, {"seed": 1}) == artefact.pack(again, {"seed": 1})


def test_the_theme_of_a_page_comes_first(shop: ShopRecommender) -> None:
    for product in (1003, 1010):
        found = shop.recommend(Query(day=0, context=(product,)), 5)
        assert found.by in (Spoke.RANKER, Spoke.GENERATOR)
        assert {(each - 1000) % 6 for each in found.ranked.product_ids.tolist()} == {(product - 1000) % 6}


def test_a_customer_is_told_from_a_stranger(shop: ShopRecommender) -> None:
    for at in (4, 9, 30):
        known = shop.recommend(Query(day=0, customer=themed.pseudonym(at)), 5)
        assert {(each - 1000) % 6 for each in known.ranked.product_ids.tolist()} == {themed.likes(at)}
    stranger = shop.recommend(Query(day=0, customer=STRANGER), 5)
    assert stranger.by == Spoke.TRENDING
    assert stranger.ranked.product_ids.tolist() == shop.trending(5).product_ids.tolist()


@given(query=queries, count=st.integers(1, 80))
@settings(max_examples=150, deadline=None)
def test_a_single_answer_is_that_of_the_batch(shop: ShopRecommender, query: Query, count: int) -> None:
    """The quick way for one query and the way for many tell the same items in the same order with the same scores."""
    single, others = batch_of(shop, query), Query(0, (1003, 1010), customer=themed.pseudonym(3))
    together = joined([single, batch_of(shop, others), single, batch_of(shop, Query(0, (1004,)))])
    mine, _ = shop.model_.answer(single, count)
    answers = shop.model_.recommend(together, np.full(4, count))
    for theirs in (answers[0], answers[2]):
        np.testing.assert_array_equal(mine.item, theirs.item)
        np.testing.assert_allclose(mine.score, theirs.score, rtol=1e-6)


def batch_of(shop: ShopRecommender, query: Query) -> Batch:
    at = [int(each) - 1000 for each in sorted(set(query.context)) if each in shop.product_ids_]
    who = np.flatnonzero(shop.customers_ == query.customer) if query.customer else np.empty(0)
    return Batch(
        np.array([who[0] if len(who) else UNKNOWN], np.int32),
        np.array([shop.model_.signals.now + query.day % 30]),
        context_matrix([np.array(at, np.int32)], len(shop.product_ids_)),
        np.array([query.exclude_owned]),
    )


def joined(parts: list[Batch]) -> Batch:
    return Batch(
        np.concatenate([each.customer for each in parts]),
        np.concatenate([each.at for each in parts]),
        sparse.vstack([each.context for each in parts], format="csr"),
        np.concatenate([each.exclude_owned for each in parts]),
    )


@pytest.mark.parametrize("after", [0, 1])
def test_a_ranker_that_would_be_late_gives_way(shop: ShopRecommender, after: int) -> None:
    choices = {Slot.HOME: Choice(RANKER, RANKER)}
    shop = replace(shop, model_=replace(shop.model_, choices=choices))
    query = Query(day=0, customer=themed.pseudonym(3))
    assert shop.recommend(query, 10).by == Spoke.RANKER
    asked = iter(range(10))
    found = shop.recommend(query, 10, late=lambda: next(asked) >= after)
    assert found.by == Spoke.GENERATOR
    row = shop.model_.signals.vectors["h180"][3].toarray()[0]
    best = np.argsort(-row, kind="stable")[: found.named]
    assert found.named == min(np.count_nonzero(row), 10)
    assert (found.ranked.product_ids[: found.named] - 1000).tolist() == best.tolist()


def test_a_session_moves_the_answer(shop: ShopRecommender) -> None:
    """A new visitor who looked at three products of a theme is shown that theme, not what everybody buys."""
    views = (1002, 1008, 1014)
    theme = shop.recommend(Query(day=0, recent=views), 10)
    assert theme.by in (Spoke.RANKER, Spoke.GENERATOR)
    assert {(each - 1000) % 6 for each in theme.ranked.product_ids[: theme.named][:5].tolist()} == {2}
    assert theme.ranked.product_ids.tolist() != shop.trending(10).product_ids.tolist()
    page = shop.recommend(Query(day=0, context=(1003,)), 10).ranked.product_ids.tolist()
    moved = shop.recommend(Query(day=0, context=(1003,), recent=views), 10).ranked.product_ids.tolist()
    assert {(each - 1000) % 6 for each in page[:5]} == {3}
    assert {(each - 1000) % 6 for each in moved[:5]} == {2, 3}
    unknown = shop.recommend(Query(day=0, context=(1003,), recent=(STRANGER, 1003)), 10)
    assert unknown.ranked.product_ids.tolist() == page


def test_what_is_owned_is_left_out_on_request(shop: ShopRecommender) -> None:
    owned = {int(at) + 1000 for at in shop.model_.signals.own[9].indices}
    everything = shop.recommend(Query(day=0, customer=themed.pseudonym(9)), 80).ranked.product_ids.tolist()
    assert owned <= set(everything)
    new = shop.recommend(
        Query(day=0, customer=themed.pseudonym(9), exclude_owned=True), 80
    ).ranked.product_ids.tolist()
    assert not owned & set(new)


def test_a_product_that_never_sold_is_answered_by_what_is_like_it(shop: ShopRecommender) -> None:
    unsold = int(shop.product_ids_[-1])
    assert not shop.model_.signals.known[-1]
    found = shop.recommend(Query(day=0, context=(unsold,)), 20)
    assert found.by == Spoke.CONTENT
    assert {(each - unsold) % 6 for each in found.ranked.product_ids[: found.named].tolist()} == {0}
    assert len(found.ranked) == 20 > found.named > 5
    both = shop.recommend(Query(day=0, context=(unsold, 1003)), 5)
    assert (
        both.ranked.product_ids.tolist()
        == shop.recommend(Query(day=0, context=(1003,)), 5).ranked.product_ids.tolist()
    )


def test_an_answer_is_filled_with_what_sells(shop: ShopRecommender) -> None:
    found = shop.recommend(Query(day=0, context=(1003,)), 1_000)
    assert len(found.ranked) == len(shop.trending(1_000)) - 1 == 59


def test_neighbours_are_kept_best_first_and_without_the_item_itself() -> None:
    table = sparse.csr_matrix(np.array([[9, 1, 2], [0, 0, 0], [3, 3, -1]], np.float32))
    found = neighbours_of(table, 3)
    assert [found.row(at)[0].tolist() for at in range(3)] == [[2, 1], [], [0, 1]]
    assert not neighbours_of(None, 2).indices_.size


def refused(arrays: dict[str, np.ndarray]) -> bool:
    try:
        ShopRecommender.from_arrays(arrays)
    except ValueError:
        return True
    return False


def test_each_missing_or_strange_array_is_refused(saved: dict[str, np.ndarray]) -> None:
    arrays = saved
    assert not refused(arrays)
    for name, each in arrays.items():
        assert refused({key: value for key, value in arrays.items() if key != name}), name
        assert refused(arrays | {name: each[:-1]}), name
        assert refused(arrays | {name: each.astype(np.float16)}), name
        assert refused(arrays | {name: each[None]}), name
    assert refused(arrays | {"other": arrays["customers"]})
    assert refused(arrays | {"model/other": arrays["customers"]})


@pytest.mark.parametrize("name", ["product_ids", "customers"])
def test_ids_ascend(saved: dict[str, np.ndarray], name: str) -> None:
    assert refused(saved | {name: saved[name][::-1]})


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_damaged_numbers_are_refused_or_harmless(saved: dict[str, np.ndarray], data: st.DataObject) -> None:
    """Whatever number is changed, a visitor meets no exception: it is found when the artefact is loaded, or an answer comes."""
    arrays = dict(saved)
    name = data.draw(st.sampled_from(sorted(name for name, each in arrays.items() if each.size)))
    arrays[name] = arrays[name].copy()
    flat = arrays[name].reshape(-1)
    at = data.draw(st.integers(0, len(flat) - 1))
    numbers: dict[str, list[float]] = {
        "f": [0.0, -1.0, 1e9, np.nan, np.inf],
        "i": [0, -1, 2**30],
        "u": [0, 1, 255],
        "b": [0, 1],
    }
    flat[at] = data.draw(st.sampled_from(numbers[flat.dtype.kind]))
    with np.errstate(all="ignore"):
        if refused(arrays):
            return
        loaded = ShopRecommender.from_arrays(arrays)
        for query in (Query(0, (1003,)), Query(0, (1003, 1004), customer=29), Query(0, customer=29)):
            loaded.recommend(query, 10)


@pytest.mark.parametrize(
    "change",
    [
        {"now": "yesterday"},
        {"now": float("nan")},
        {"choices": {"home": ["nobody", "popular"]}},
        {"choices": {"home": 3}},
        {"choices": {"attic": ["popular", "popular"]}},
        {"rankers": {"home": "0" * 64}},
        {"shapes": {"own": [1, 1]}},
        {"shapes": []},
        {"item_names": ["a"]},
        {"popularity": ["h365"]},
    ],
)
def test_a_changed_description_is_refused(saved: dict[str, np.ndarray], change: dict[str, object]) -> None:
    arrays = saved
    about = json.loads(arrays["model/about"].tobytes()) | change
    assert refused(arrays | {"model/about": np.frombuffer(json.dumps(about).encode(), np.uint8)})


def test_a_ranker_of_other_features_is_refused(shop: ShopRecommender) -> None:
    rankers = dict(shop.model_.rankers)
    assert Slot.HOME in rankers, "the small shop teaches no ranker: this test tells nothing"
    choices = dict(shop.model_.choices) | {Slot.CART: Choice(RANKER, RANKER)}
    model = replace(shop.model_, rankers=rankers | {Slot.CART: rankers[Slot.HOME]}, choices=choices)
    swapped = replace(shop, model_=model)
    content = artefact.pack(swapped, {})
    with pytest.raises(BadArtefact, match="other features"):
        artefact.unpack(content, digest=artefact.digest_of(content))
