"""Tables of items that go together: sparse, the best of each row. Pure and deterministic.

A table's row is what is seen or owned, its column what may follow. All are made from a Gram matrix of orders or customers
by items, which is formed a block of rows at a time, so that memory is bounded by the block and by what is kept.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mlops.predictors.recommend.signals import Floats

KEPT = 300
BLOCK = 1024
# A dense Gram matrix of 8,000 items takes 256 MB; beyond, its parts are cut out of the sparse one, which is slower.
MOST_DENSE = 8_000
NEIGHBOURS = 150
STEP = 64
# Ridge of the regression, in units of a mean order; Steck 2019 found it the only setting that matters.
RIDGE_ORDERS, RIDGE_CUSTOMERS = 10.0, 100.0
# Emphasised denoising (Steck 2020, "Autoencoders that don't overfit towards the identity"): dropout's share of the diagonal.
DROPOUT = 0.1


def scaled_rows(matrix: sparse.csr_matrix, weight: npt.NDArray[np.float64] | Floats) -> sparse.csr_matrix:
    """The matrix with each row times its weight, float32."""
    found = matrix.astype(np.float32).tocsr(copy=True)
    found.data *= np.repeat(np.asarray(weight, np.float32), np.diff(found.indptr))
    return found


def sizes(matrix: sparse.csr_matrix) -> npt.NDArray[np.float64]:
    """Stored values of each row, at least 1."""
    return np.asarray(np.maximum(np.diff(matrix.indptr), 1), np.float64)


def gram_blocks(left: sparse.csr_matrix, right: sparse.csr_matrix) -> Iterator[tuple[int, Floats]]:
    """`left.T @ right` as dense blocks of rows, with the first row's position."""
    turned = left.T.tocsr()
    n = turned.shape[0]
    step = max(16, min(BLOCK, 20_000_000 // max(n, 1)))
    for start in range(0, n, step):
        yield start, (turned[start : start + step] @ right).toarray().astype(np.float32, copy=False)


def kept(
    block: Floats, count: int = KEPT, *, signed: bool = False
) -> tuple[npt.NDArray[np.int32], Floats, npt.NDArray[np.int64]]:
    """The highest values of each row: columns, values, and how many each row keeps; by size when `signed`."""
    width = block.shape[1]
    weight = np.abs(block) if signed else block
    if width > count:
        at = np.argpartition(-weight, count - 1, axis=1)[:, :count]
        at.sort(axis=1)
        values = np.take_along_axis(block, at, axis=1)
    else:
        at, values = np.broadcast_to(np.arange(width), block.shape), block
    held = values != 0 if signed else values > 0
    return at[held].astype(np.int32), values[held], held.sum(axis=1)


def table(
    blocks: Iterator[tuple[int, Floats]], n: int, count: int = KEPT, *, signed: bool = False
) -> sparse.csr_matrix:
    """A table from blocks of rows."""
    columns, values, lengths = [], [], []
    for _, block in blocks:
        c, v, length = kept(block, count, signed=signed)
        columns.append(c)
        values.append(v)
        lengths.append(length)
    indptr = (
        np.concatenate([[0], np.cumsum(np.concatenate(lengths))]) if lengths else np.zeros(n + 1, np.int64)
    )
    return sparse.csr_matrix(
        (np.concatenate(values) if values else [], np.concatenate(columns) if columns else [], indptr),
        shape=(n, n),
    )


def given(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    """How likely an order of i holds j, each order counting 1 / its size: what the page of i is asked."""
    weighted = scaled_rows(rows, 1.0 / sizes(rows))
    counted = np.asarray(weighted.multiply(rows).sum(axis=0)).ravel()
    shrink = counted[counted > 0].mean() * 0.05 if np.any(counted > 0) else 1.0

    def blocks() -> Iterator[tuple[int, Floats]]:
        for start, block in gram_blocks(rows, weighted):
            at = np.arange(len(block))
            block[at, start + at] = 0.0
            yield start, block / (counted[start : start + len(block), None] + shrink).astype(np.float32)

    return table(blocks(), rows.shape[1])


def cosine(rows: sparse.csr_matrix, *, size_exponent: float = 0.5, toward: float = 0.5) -> sparse.csr_matrix:
    """Shared rows over (row's weight)^0.5 (column's weight)^toward; small orders count more. 0.5 is the cosine."""
    weighted = scaled_rows(rows, sizes(rows) ** -size_exponent)
    counted = np.asarray(weighted.multiply(rows).sum(axis=0)).ravel()
    shrink = 1.0

    def blocks() -> Iterator[tuple[int, Floats]]:
        for start, block in gram_blocks(rows, weighted):
            at = np.arange(len(block))
            block[at, start + at] = 0.0
            own = np.sqrt(counted[start : start + len(block), None] + shrink)
            yield start, (block / own / (counted[None, :] + shrink) ** toward).astype(np.float32)

    return table(blocks(), rows.shape[1])


def rp3(rows: sparse.csr_matrix, *, alpha: float = 0.6, beta: float = 0.3) -> sparse.csr_matrix:
    """Walks of three steps, less of what is popular (Paudel et al. 2016, RP3beta)."""
    binary = scaled_rows(rows, np.ones(rows.shape[0]))
    binary.data[:] = 1.0
    degree = np.maximum(np.asarray(binary.sum(axis=0)).ravel(), 1.0)
    onward = scaled_rows(binary, sizes(binary) ** -alpha)
    back = binary.multiply((degree**-alpha)[None, :]).tocsr()

    def blocks() -> Iterator[tuple[int, Floats]]:
        for start, block in gram_blocks(back, onward):
            at = np.arange(len(block))
            block[at, start + at] = 0.0
            yield start, (block / degree[None, :] ** beta).astype(np.float32)

    return table(blocks(), rows.shape[1])


def regressions(rows: sparse.csr_matrix, ridge: float, *, dropout: float = DROPOUT) -> sparse.csr_matrix:
    """Each item regressed on its nearest `NEIGHBOURS`: a linear autoencoder without an n by n inverse.

    EASE^R (Steck 2019) with the columns of fsSLIM (Ning and Karypis 2011) and the diagonal of emphasised denoising (Steck
    2020). Besides costing less than the full inverse, it ranked better on held-out carts.
    """
    gram = (rows.T @ rows).tocsr()
    n = gram.shape[0]
    diagonal = gram.diagonal().astype(np.float64)
    root = np.sqrt(np.maximum(diagonal, 1e-9))
    dense = gram.toarray() if n <= MOST_DENSE else None
    found_rows, found_columns, found_values = [], [], []
    for start in range(0, n, STEP):
        block = dense[start : start + STEP] if dense is not None else gram[start : start + STEP].toarray()
        block = block.astype(np.float64)
        at = np.arange(len(block))
        block[at, start + at] = 0.0
        count = min(NEIGHBOURS, int((block > 0).sum(axis=1).max(initial=0)))
        if not count:
            continue
        near = np.sort(np.argpartition(-(block / root[None, :]), count - 1, axis=1)[:, :count], axis=1)
        wanted = np.take_along_axis(block, near, axis=1)
        if dense is not None:
            a = dense[near[:, :, None], near[:, None, :]].astype(np.float64)
        else:
            a = _submatrices(gram, near)
        diagonals = np.arange(count)
        a[:, diagonals, diagonals] += ridge + dropout * diagonal[near]
        solved = np.linalg.solve(a, wanted[..., None])[..., 0]
        held = (wanted > 0) & (solved != 0)
        found_rows.append(near[held])
        found_columns.append(np.repeat(start + at, held.sum(axis=1)))
        found_values.append(solved[held].astype(np.float32))
    if not found_rows:
        return sparse.csr_matrix((n, n), dtype=np.float32)
    return sparse.csr_matrix(
        (np.concatenate(found_values), (np.concatenate(found_rows), np.concatenate(found_columns))),
        shape=(n, n),
    )


def _submatrices(gram: sparse.csr_matrix, near: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    found = np.empty((*near.shape, near.shape[1]))
    for row, chosen in enumerate(near):
        found[row] = gram[chosen][:, chosen].toarray()
    return found


def transitions(
    customer: npt.NDArray[np.int32],
    back: npt.NDArray[np.int64],
    item: npt.NDArray[np.int32],
    n: int,
    *,
    reach: int = 5,
) -> sparse.csr_matrix:
    """What the same customer bought in one of the next orders, nearer ones counting more, and half as much before.

    Args:
        back: for each row, how many orders of the customer are newer.
    """
    counted = sparse.csr_matrix((n, n), dtype=np.float32)
    # Orders by customer, newest first: the order before row r in time is row r + 1, while the customer is the same.
    keys, row = np.unique(customer.astype(np.int64) << 32 | back, return_inverse=True)
    owner = keys >> 32
    orders = sparse.csr_matrix((np.ones(len(item), np.float32), (row, item)), shape=(len(keys), n))
    orders = scaled_rows(orders, sizes(orders) ** -0.5)
    for gap in range(1, reach + 1):
        later = np.flatnonzero(owner[gap:] == owner[:-gap])
        if len(later):
            counted = counted + np.float32(0.6 ** (gap - 1)) * (orders[later + gap].T @ orders[later])
    counted = (counted + np.float32(0.5) * counted.T).tocsr()
    counted.setdiag(0.0)
    degree = np.bincount(item, minlength=n) + 1.0
    counted = scaled_rows(counted, degree**-0.5).multiply((degree**-0.3)[None, :]).tocsr()

    def blocks() -> Iterator[tuple[int, Floats]]:
        step = max(16, min(BLOCK, 20_000_000 // max(n, 1)))
        for start in range(0, n, step):
            yield start, counted[start : start + step].toarray().astype(np.float32, copy=False)

    return table(blocks(), n)
