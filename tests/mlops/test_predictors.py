"""One battery for each recommender: known answers, batch equals single, save equals load, one flipped byte refused."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.predictors import artefact
from mlops.predictors.artefact import BadArtefact
from mlops.predictors.item_to_item import CoPurchase
from mlops.predictors.neighbours import Neighbours
from mlops.predictors.popularity import Trending
from tests.mlops.co_purchases import co_purchase

N_PRODUCTS = 40


def checkerboard(*, withheld: int) -> tuple[list[list[int]], list[list[int]]]:
    """Even products are only ever bought with even ones, odd with odd; of each of the last baskets one is left out."""
    generator = np.random.default_rng(7)
    baskets = []
    for number in range(400):
        side = np.arange(1 + number % 2, N_PRODUCTS + 1, 2)
        baskets.append([int(each) * 1000 for each in generator.choice(side, 6, replace=False)])
    asked = [basket[1:] for basket in baskets[-withheld:]]
    return baskets[:-withheld], asked


@pytest.fixture(scope="module")
def predictor() -> CoPurchase:
    return co_purchase(checkerboard(withheld=50)[0])


def test_the_other_side_of_the_board_is_never_recommended(predictor: CoPurchase) -> None:
    _, asked = checkerboard(withheld=50)
    for context in asked:
        side = context[0] // 1000 % 2
        for found in (predictor.for_cart(context, 15), predictor.similar(context[0], 15)):
            assert len(found) >= 14
            assert {each // 1000 % 2 for each in found.product_ids.tolist()} == {side}


def test_many_answers_equal_single_ones(predictor: CoPurchase) -> None:
    carts = [[1000, 3000], [2000], [], [77], [2000, 4000, 77, 4000]]
    for many, cart in zip(predictor.for_carts(carts, 9), carts, strict=True):
        one = predictor.for_cart(cart, 9)
        assert many.product_ids.tolist() == one.product_ids.tolist()
        assert many.scores.tolist() == one.scores.tolist()
    for many, product_id in zip(predictor.similar_many([1000, 77, 2000], 9), [1000, 77, 2000], strict=True):
        assert many.product_ids.tolist() == predictor.similar(product_id, 9).product_ids.tolist()


def test_unknown_products_are_data(predictor: CoPurchase) -> None:
    assert len(predictor.similar(77, 5)) == 0
    assert len(predictor.for_cart([], 5)) == 0
    assert (
        predictor.for_cart([77, 1000], 5).product_ids.tolist()
        == predictor.for_cart([1000], 5).product_ids.tolist()
    )


def test_answers_are_distinct_ranked_and_without_the_context(predictor: CoPurchase) -> None:
    for found in (predictor.for_cart([1000, 3000], 30), predictor.similar(2000, 30), predictor.trending(30)):
        assert len(set(found.product_ids.tolist())) == len(found)
        assert bool(np.all(np.diff(found.scores) <= 0))
    assert not {1000, 3000} & set(predictor.for_cart([1000, 3000], 30).product_ids.tolist())


def test_what_is_loaded_answers_as_what_was_saved(predictor: CoPurchase) -> None:
    content = artefact.pack(predictor, {"seed": 42})
    loaded = artefact.unpack(content, digest=artefact.digest_of(content))
    assert loaded.about == {"seed": 42}
    assert isinstance(loaded.predictor, CoPurchase)
    assert (
        loaded.predictor.for_cart([1000], 9).product_ids.tolist()
        == predictor.for_cart([1000], 9).product_ids.tolist()
    )
    for name, each in predictor.to_arrays().items():
        assert np.array_equal(each, loaded.predictor.to_arrays()[name])
    with pytest.raises(ValueError, match="read-only"):
        loaded.predictor.product_ids_[0] = 1


def test_every_flipped_byte_is_refused() -> None:
    tiny = co_purchase([[1, 2], [1, 3]])
    content = artefact.pack(tiny, {})
    digest = artefact.digest_of(content)
    for at in range(0, len(content), 13):
        broken = bytearray(content)
        broken[at] ^= 1
        with pytest.raises(BadArtefact):
            artefact.unpack(bytes(broken), digest=digest)
        # Even under a name that fits, a changed array is found; only the free text of the manifest could pass.
        try:
            artefact.unpack(bytes(broken), digest=artefact.digest_of(bytes(broken)))
        except BadArtefact:
            pass
        else:
            assert at < content.index(b"PK")
    with pytest.raises(BadArtefact):
        artefact.unpack(content[:-5], digest=digest)


def test_a_pickle_in_an_artefact_is_refused() -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        part = io.BytesIO()
        np.lib.format.write_array(part, np.array([{"any": "object"}], object), allow_pickle=True)
        archive.writestr("product_ids.npy", part.getvalue())
    body = held.getvalue()
    manifest = {
        "format": artefact.FORMAT,
        "kind": CoPurchase.kind,
        "arrays": {"product_ids": ["object", [1]]},
        "arrays_sha256": hashlib.sha256(body).hexdigest(),
        "about": {},
    }
    head = json.dumps(manifest).encode()
    content = artefact.MAGIC + len(head).to_bytes(8, "big") + head + body
    with pytest.raises(BadArtefact, match="allow_pickle"):
        artefact.unpack(content, digest=artefact.digest_of(content))


@pytest.mark.parametrize(
    "indptr, indices, scores, said",
    [
        ([0, 1], [0, 0], [1.0, 1.0], "rows end at 1"),
        ([0, 1], [3], [1.0], "outside the catalogue"),
        ([1, 1], [], [], "begin with 0"),
        ([0, 2, 1], [0], [1.0], "end before they begin"),
    ],
)
def test_arrays_are_checked_at_the_door(
    indptr: list[int], indices: list[int], scores: list[float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Neighbours(np.array(indptr, np.int32), np.array(indices, np.int32), np.array(scores, np.float32))
    with pytest.raises(ValueError, match="not rise"):
        Trending(np.array([0, 1], np.int32), np.array([1.0, 2.0], np.float32))


@given(
    baskets=st.lists(st.lists(st.integers(1, 9), max_size=5), max_size=12),
    cart=st.lists(st.integers(1, 11), max_size=4),
    count=st.integers(1, 12),
)
@settings(max_examples=80, deadline=None)
def test_any_baskets_answer(baskets: list[list[int]], cart: list[int], count: int) -> None:
    found = co_purchase([basket for basket in baskets if basket])
    content = artefact.pack(found, {})
    again = artefact.unpack(content, digest=artefact.digest_of(content)).predictor
    assert isinstance(again, CoPurchase)
    ranked = again.for_cart(cart, count)
    assert ranked.product_ids.tolist() == found.for_carts([cart], count)[0].product_ids.tolist()
    assert len(ranked) <= count
    assert not set(cart) & set(ranked.product_ids.tolist())
    assert len(found.trending(20)) == len({each for basket in baskets for each in basket})
