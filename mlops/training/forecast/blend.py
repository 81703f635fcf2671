"""Weights of the members by class of series, from inner origins, shrunk towards a fixed prior. Pure.

A single origin misleads, and so does a free regression: weights are not negative, sum to one, and are pulled to the prior the
harder the larger the errors of the prior itself are. Where sales are mostly noise the prior stays; where they can be told,
the better member soon has its way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from mlops.predictors.demand.classes import PATTERNS
from mlops.predictors.demand.panel import Array, Doubles

PRIOR_RULES = {"ses": 0.30, "tsb": 0.15}  # the rest is the trees', in equal parts
TREES = ("direct", "recursive")
PRIOR_ORIGINS = 20.0
PULL = 1.0  # of the prior's squared error
SMALLEST_LOSS = 1e-4  # of the members' own size
PRIOR_SERIES = 50.0


@dataclass(frozen=True, slots=True)
class Case:
    """One inner origin.

    Args:
        means: of each member, float64 [S, H].
        truth: float64 [S, H]; NaN where there is no record.
        codes: int8 [S], classes.
        scale: float64 [S], mean squared step of each series; 0 where unknown.
    """

    means: dict[str, Doubles]
    truth: Doubles
    codes: Array
    scale: Doubles


@dataclass(frozen=True, slots=True)
class Weights:
    """What is served.

    Args:
        members: their names, in the order of the table's columns.
        table: float64 [C, M], rows sum to one.
    """

    members: tuple[str, ...]
    table: Doubles


def prior(members: tuple[str, ...]) -> Doubles:
    """The weights without any evidence."""
    trees = np.array([name.startswith(TREES) for name in members], np.float64)
    rules = np.array([PRIOR_RULES.get(name, 0.0) for name in members])
    told: Doubles = rules + (1 - rules.sum()) * trees / max(trees.sum(), 1.0)
    return np.asarray(told / told.sum())


def weigh(cases: list[Case], members: tuple[str, ...]) -> Weights:
    """Weights from the evidence of `cases`; the prior alone where there is none."""
    start = prior(members)
    table = np.repeat(start[None, :], len(PATTERNS), axis=0)
    if not cases:
        return Weights(members, table)
    every = _solve(_moments(cases, members, None), start, len(cases))
    for code in range(len(PATTERNS)):
        count = float(np.mean([(case.codes == code).sum() for case in cases]))
        if count == 0:
            table[code] = every
            continue
        own = _solve(_moments(cases, members, code), start, len(cases))
        table[code] = (count * own + PRIOR_SERIES * every) / (count + PRIOR_SERIES)
    return Weights(members, table)


def blended(means: dict[str, Doubles], weights: Weights, codes: Array) -> Doubles:
    """float64 [S, H]: each series by the weights of its class."""
    first = means[weights.members[0]]
    out = np.zeros_like(first)
    each = weights.table[codes]
    for k, name in enumerate(weights.members):
        out += each[:, k, None] * means[name]
    return out


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums over steps, in units of each series' mean squared step: of members with each other, with the truth, and of the truth."""

    gram: Doubles
    moment: Doubles
    square: float


def _moments(cases: list[Case], members: tuple[str, ...], code: int | None) -> _Moments:
    gram = np.zeros((len(members), len(members)))
    moment = np.zeros(len(members))
    square = 0.0
    for case in cases:
        rows = (case.scale > 0) & (True if code is None else case.codes == code)
        known = np.isfinite(case.truth[rows])
        weight = known / case.scale[rows][:, None]
        truth = np.nan_to_num(case.truth[rows])
        stack = np.stack([case.means[name][rows] for name in members])
        gram += np.einsum("mst,nst,st->mn", stack, stack, weight, optimize=True)
        moment += np.einsum("mst,st,st->m", stack, truth, weight, optimize=True)
        square += float((truth * truth * weight).sum())
    return _Moments(gram, moment, square)


def _solve(sums: _Moments, start: Doubles, cases: int) -> Doubles:
    gram, moment = sums.gram, sums.moment
    size = float(np.trace(gram)) / len(start)
    if size <= 0:
        return start
    loss = float(sums.square - 2 * start @ moment + start @ gram @ start)
    pull = PULL * max(loss, SMALLEST_LOSS * size) * PRIOR_ORIGINS / (PRIOR_ORIGINS + cases)
    one = 100 * size
    left = gram + pull * np.eye(len(start)) + one
    right = moment + pull * start + one
    # The quadratic form's root turns it into least squares, which nnls solves.
    root = np.linalg.cholesky(left + 1e-9 * size * np.eye(len(start)))
    found, _ = nnls(root.T, np.linalg.solve(root, right))
    return np.asarray(found / found.sum()) if found.sum() > 0 else start
