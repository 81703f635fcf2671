"""Training examples of the rankers: candidates of past queries, with what was bought. Pure.

Positives that no generator names are not examples: a ranker cannot find them. Of the negatives a random part is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mlops.predictors.recommend.features import SEQUENCE, Slot, pairs
from mlops.predictors.recommend.signals import Signals
from mlops.predictors.recommend.two_stage import chunks
from mlops.training.recommend.windows import Asked

Rows = npt.NDArray[np.float16]

# Queries of a window, and negatives kept of each query: a query of the cart has one positive, so many queries with few
# negatives teach more than the other way round.
MOST_QUERIES = {Slot.HOME: 3_000, Slot.NEW: 8_000, Slot.PAGE: 4_000, Slot.CART: 6_000}
NEGATIVES = {Slot.HOME: 100, Slot.NEW: 80, Slot.PAGE: 70, Slot.CART: 50}


@dataclass(frozen=True, slots=True)
class Examples:
    """Candidates of the queries of one window, sorted by query.

    Args:
        x: float16 [n_pairs, n_features].
        bought: bool [n_pairs].
        item: int32 [n_pairs].
        sizes: int64 [n_queries], candidates of each query.
        known: bool [n_queries], whether the customer is.
        ideal: float64 [n_queries], the best DCG@10 of the whole truth, named or not.
        usual: bool [n_pairs], whether another generator than the sequence model names it.
    """

    x: Rows
    bought: npt.NDArray[np.bool_]
    item: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int64]
    known: npt.NDArray[np.bool_]
    ideal: npt.NDArray[np.float64]
    unit: npt.NDArray[np.int64]
    names: tuple[str, ...]
    usual: npt.NDArray[np.bool_]

    def sampled(self, negatives: int, generator: np.random.Generator) -> Examples:
        """Queries with a positive, with all of their positives and about so many negatives."""
        query = np.repeat(np.arange(len(self.sizes)), self.sizes)
        hits = np.bincount(query[self.bought], minlength=len(self.sizes))
        misses = np.maximum(self.sizes - hits, 1)
        keep = self.bought | (generator.random(len(query)) < (negatives / misses)[query])
        keep &= (hits > 0)[query]
        return self._rows(keep, hits > 0)

    def of(self, chosen: npt.NDArray[np.bool_]) -> Examples:
        """These queries alone."""
        return self._rows(np.repeat(chosen, self.sizes), chosen)

    def without_sequence(self, *, rows: bool) -> Examples:
        """As if there were no sequence model.

        Args:
            rows: leaves out what it alone named, at the price of a copy; as negatives they do no harm.
        """
        width = sum(1 for name in self.names if name.split(":")[0] != SEQUENCE)
        found = self._rows(self.usual, np.ones(len(self.sizes), bool)) if rows else self
        return replace(found, x=found.x[:, :width], names=self.names[:width])

    def _rows(self, keep: npt.NDArray[np.bool_], queries: npt.NDArray[np.bool_]) -> Examples:
        query = np.repeat(np.arange(len(self.sizes)), self.sizes)
        sizes = np.bincount(query[keep], minlength=len(self.sizes))[queries]
        return Examples(
            self.x[keep],
            self.bought[keep],
            self.item[keep],
            sizes,
            self.known[queries],
            self.ideal[queries],
            self.unit[queries],
            self.names,
            self.usual[keep],
        )


def examples(
    signals: Signals, asked: Asked, slot: Slot, generator: np.random.Generator, negatives: int | None = None
) -> Examples:
    """Candidates of these queries; with `negatives`, sampled as they come, so that memory stays small."""
    parts = []
    for part in chunks(len(asked), signals):
        batch = asked.batch.take(part)
        found = pairs(signals, batch, slot)
        relevant = asked.relevant[part]
        right = np.zeros((len(batch), signals.n_items), bool)
        for row, items in enumerate(relevant):
            right[row, items] = True
        sizes = np.bincount(found.query, minlength=len(batch)).astype(np.int64)
        ideal = np.array([DISCOUNT[: len(items)].sum() for items in relevant])
        made = Examples(
            found.x,
            right[found.query, found.item],
            found.item.astype(np.int32),
            sizes,
            batch.customer >= 0,
            ideal,
            asked.unit[part],
            found.names,
            found.usual,
        )
        parts.append(made if negatives is None else made.sampled(negatives, generator))
    return joined(parts)


def joined(parts: list[Examples]) -> Examples:
    """One after the other."""
    return Examples(
        x=np.concatenate([each.x for each in parts]),
        bought=np.concatenate([each.bought for each in parts]),
        item=np.concatenate([each.item for each in parts]),
        sizes=np.concatenate([each.sizes for each in parts]),
        known=np.concatenate([each.known for each in parts]),
        ideal=np.concatenate([each.ideal for each in parts]),
        unit=np.concatenate([each.unit for each in parts]),
        names=parts[0].names,
        usual=np.concatenate([each.usual for each in parts]),
    )


DISCOUNT = 1 / np.log2(np.arange(2, 12))


def ndcg(scores: npt.NDArray[np.floating], found: Examples) -> npt.NDArray[np.float64]:
    """NDCG@10 of each query, float64 [n_queries]; candidates with equal scores by item, NaN last."""
    query = np.repeat(np.arange(len(found.sizes)), found.sizes)
    order = np.lexsort((found.item, -np.where(np.isnan(scores), -np.inf, scores), query))
    place = np.arange(len(order)) - np.repeat(np.cumsum(found.sizes) - found.sizes, found.sizes)
    hit = found.bought[order] & (place < len(DISCOUNT))
    gained = np.bincount(query[hit], DISCOUNT[place[hit]], len(found.sizes))
    return gained / found.ideal
