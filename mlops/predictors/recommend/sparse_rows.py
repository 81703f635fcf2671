"""Rows of sparse matrices: products and choices that cost one query little and are the same for one as for many. Pure.

SciPy spends most of a single query in checks of its operands. For one row the same sums are made here, in the same order and
precision, so that a single answer is that of the batch; tests hold both to each other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float32]

# So few rows are added one by one; for more it is quicker to gather them first.
FEW = 6


class Row(NamedTuple):
    """One row as a `csr_matrix` would hold it."""

    data: npt.NDArray[Any]
    indices: npt.NDArray[Any]
    indptr: npt.NDArray[Any]
    shape: tuple[int, int]


def take(matrix: sparse.csr_matrix | Row, at: npt.NDArray[np.integer]) -> Any:
    """These rows of the matrix: `Row` when it is one, else a `csr_matrix`."""
    if len(at) != 1:
        return matrix[at]
    begin, end = int(matrix.indptr[at[0]]), int(matrix.indptr[at[0] + 1])
    bounds = np.array([0, end - begin], np.int32)
    return Row(matrix.data[begin:end], matrix.indices[begin:end], bounds, (1, matrix.shape[1]))


def product(left: sparse.csr_matrix | Row, right: sparse.csr_matrix) -> Floats:
    """`left @ right`, dense float32 [n_rows, n_columns]."""
    if left.shape[0] != 1:
        if len(left.indices) == left.shape[0] and bool(np.all(np.diff(left.indptr) == 1)):
            # One value in each row: rows are chosen, nothing is summed.
            chosen = right[left.indices]
            chosen.data = np.repeat(left.data, np.diff(chosen.indptr)) * chosen.data
            return dense(chosen)
        found: Floats = (left @ right).toarray().astype(np.float32, copy=False)
        return found
    total = np.zeros((1, right.shape[1]), np.float32)
    into = total[0]
    if len(left.indices) <= FEW:
        for row, weight in zip(left.indices.tolist(), left.data, strict=True):
            begin, end = right.indptr[row], right.indptr[row + 1]
            # The columns of a row are distinct, so each sum is added to once.
            into[right.indices[begin:end]] += weight * right.data[begin:end]
        return total
    at, lengths = places(right, left.indices)
    np.add.at(into, right.indices[at].astype(np.intp), np.repeat(left.data, lengths) * right.data[at])
    return total


def places(
    matrix: sparse.csr_matrix, rows: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Where the values of these rows lie in `matrix.data`, row after row, and how many each row has."""
    begin = matrix.indptr[rows].astype(np.intp)
    lengths = matrix.indptr[np.asarray(rows) + 1].astype(np.intp) - begin
    ends = np.cumsum(lengths)
    return np.repeat(begin - ends + lengths, lengths) + np.arange(ends[-1] if len(ends) else 0), lengths


def dense(matrix: sparse.csr_matrix | Row) -> Floats:
    if isinstance(matrix, Row):
        found = np.zeros(matrix.shape, np.float32)
        found[0, matrix.indices] = matrix.data
        return found
    whole: Floats = matrix.toarray().astype(np.float32, copy=False)
    return whole


def highest(scores: Floats, count: int) -> npt.NDArray[np.bool_]:
    """Which of each row's positive scores are its highest, at most so many; of equal ones those that come first."""
    width = scores.shape[1]
    if len(scores) == 1:
        row = scores[0]
        found = np.zeros(scores.shape, bool)
        named = np.flatnonzero(row > 0)
        found[0, named if len(named) <= count else named[_first(row[named], count)]] = True
        return found
    chosen: npt.NDArray[np.bool_] = scores > 0
    if width <= count:
        return chosen
    least = np.partition(np.where(chosen, scores, np.float32(0)), width - count, axis=1)[:, width - count]
    chosen &= scores >= least[:, None]
    for row in np.flatnonzero(chosen.sum(axis=1) > count):
        tied = np.flatnonzero(scores[row] == least[row])
        chosen[row, tied[count - int(np.count_nonzero(scores[row] > least[row])) :]] = False
    return chosen


def best(scores: Floats, count: int) -> Any:
    """The highest positive scores of each row, sparse."""
    chosen = highest(scores, count)
    if len(scores) == 1:
        at = np.flatnonzero(chosen[0])
        return Row(scores[0, at], at, np.array([0, len(at)], np.int32), scores.shape)
    row, at = np.nonzero(chosen)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(scores)))])
    return sparse.csr_matrix((scores[row, at], at, indptr), shape=scores.shape)


def _first(values: Floats, count: int) -> npt.NDArray[np.intp]:
    """Positions of the highest, those of equal ones that come first."""
    least = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > least)
    tied = np.flatnonzero(values == least)[: count - len(above)]
    return np.concatenate([above, tied])
