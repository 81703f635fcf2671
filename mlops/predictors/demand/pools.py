"""What a series' relatives sell: the shop, its hierarchy levels, products whose titles share words. Pure.

A single series is too noisy to tell a season or a trend; its relatives together are not. Series enter a pool by their own
scale, so that no best-seller speaks for all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from mlops.predictors.demand.panel import Doubles, Floats, Panel

RAREST_WORD = 5  # series
WIDEST_WORD = 0.25  # of all series
KIN = "kin"
SHOP = "shop"


@dataclass(frozen=True, slots=True)
class Pool:
    """Relatives under one relation.

    Args:
        sums: float64 [G, T], scaled sales of each group.
        member: sparse [S, G], how much each series listens to each group; rows sum to 1 or 0.
    """

    name: str
    sums: Doubles
    member: sparse.csr_matrix

    def subset(self, rows: slice) -> Pool:
        """The same groups, listened to by some of the series."""
        return replace(self, member=self.member[rows])


def pools(panel: Panel, *, most_levels: int = 3) -> list[Pool]:
    """The shop, up to `most_levels` levels of more than one group, and kinship by words where titles tell it."""
    scaled = _scaled(panel.y)
    series = len(panel)
    every = sparse.csr_matrix(np.ones((series, 1)))
    found = [_pool(SHOP, every, scaled)]
    for name in list(panel.levels)[:most_levels]:
        codes = panel.levels[name]
        groups = int(codes.max()) + 1
        if 1 < groups <= series // 2:
            member = sparse.csr_matrix((np.ones(series), (np.arange(series), codes)), shape=(series, groups))
            found.append(_pool(name, member, scaled))
    words = _words(panel)
    if words is not None:
        found.append(_pool(KIN, words, scaled))
    return found


def _scaled(y: Floats) -> Doubles:
    value = np.nan_to_num(y.astype(np.float64))
    mean = value.sum(axis=1) / np.maximum(np.isfinite(y).sum(axis=1), 1)
    # The root keeps a large seller's larger say without letting it drown the others.
    scaled: Doubles = value / np.sqrt(np.maximum(mean, 1e-9))[:, None]
    return scaled


def _pool(name: str, member: sparse.csr_matrix, scaled: Doubles) -> Pool:
    sums = np.asarray(member.T @ scaled)
    weight = np.asarray(member.sum(axis=1)).ravel()
    norm = sparse.diags(np.divide(1.0, weight, out=np.zeros_like(weight), where=weight > 0))
    return Pool(name, sums, sparse.csr_matrix(norm @ member))


def _words(panel: Panel) -> sparse.csr_matrix | None:
    if not panel.words:
        return None
    held: dict[str, list[int]] = {}
    for row, words in enumerate(panel.words):
        for word in sorted(set(words)):
            held.setdefault(word, []).append(row)
    most = WIDEST_WORD * len(panel)
    kept = [word for word in sorted(held) if RAREST_WORD <= len(held[word]) <= most]
    if not kept:
        return None
    rows = np.concatenate([held[word] for word in kept])
    columns = np.repeat(np.arange(len(kept)), [len(held[word]) for word in kept])
    rare = np.repeat(
        [np.log(len(panel) / len(held[word])) for word in kept], [len(held[word]) for word in kept]
    )
    return sparse.csr_matrix((rare, (rows, columns)), shape=(len(panel), len(kept)))
