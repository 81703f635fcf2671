"""Stored neighbours: for each product the products that go with it, best first. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.protocols import Indices, Scores


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A sparse square matrix, row by row (CSR).

    Args:
        indptr_: int32 [n_products + 1], where each row begins.
        indices_: int32 [n_stored], positions of the neighbours; never the product itself.
        scores_: float32 [n_stored], positive; within a row best first, equal ones by position.
    """

    indptr_: Indices
    indices_: Indices
    scores_: Scores

    def __post_init__(self) -> None:
        n_stored = len(self.indices_)
        if self.indptr_.ndim != 1 or len(self.indptr_) < 1 or self.indptr_[0] != 0:
            raise ValueError("indptr must be [n_products + 1] and begin with 0")
        if self.scores_.shape != (n_stored,) or self.indptr_[-1] != n_stored:
            raise ValueError(
                f"{n_stored} neighbours, {self.scores_.shape} scores, rows end at {self.indptr_[-1]}"
            )
        if np.any(np.diff(self.indptr_) < 0):
            raise ValueError("rows must not end before they begin")
        if n_stored and not 0 <= int(self.indices_.min()) <= int(self.indices_.max()) < len(self.indptr_) - 1:
            raise ValueError("a neighbour lies outside the catalogue")

    def row(self, at: int) -> tuple[Indices, Scores]:
        """Neighbours of the product at this position, best first, and their scores."""
        begin, end = self.indptr_[at], self.indptr_[at + 1]
        return self.indices_[begin:end], self.scores_[begin:end]

    def sum_over(self, rows: Indices) -> npt.NDArray[np.float64]:
        """Summed scores over these rows, float64 [n_products]; added row by row in the order given."""
        found = [self.row(row) for row in rows]
        indices = np.concatenate([each for each, _ in found])
        scores = np.concatenate([each for _, each in found]).astype(np.float64)
        # One pass adds in the order given, as a loop over the rows would, in half the time.
        return np.bincount(indices, scores, minlength=len(self.indptr_) - 1).astype(np.float64, copy=False)

    def matrix(self) -> sparse.csr_matrix:
        n = len(self.indptr_) - 1
        return sparse.csr_matrix((self.scores_.astype(np.float64), self.indices_, self.indptr_), shape=(n, n))
