"""Prices, deals, holidays: covariates whose future is told, as features of a target. Pure.

Columns are told apart by what they hold, never by name: one that is equal for all series on each day is the shop's; one that
changes within series is the series' own; one that never changes within a series is an attribute and adds nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from mlops.predictors.demand.panel import Array, Floats, Grid

MEMORY = 182  # days over which a covariate's usual value is taken
_NUMBERED = re.compile(r"^(.*?)_?\d+$")


class Kind(StrEnum):
    """Whose a covariate is."""

    SHOP = "shop"
    OWN = "own"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Covariate:
    """One column.

    Args:
        values: float32 [S, T + H] or [1, T + H] where it is the shop's.
        usual: float32, same shape with one column more: mean over `MEMORY` before each column.
        numbered: the stem of a name that ends in a number ("price" of "price7"), else "".
    """

    name: str
    kind: Kind
    values: Floats
    usual: Floats
    numbered: str


class Covariates:
    """All known covariates of a panel."""

    def __init__(self, columns: list[Covariate]) -> None:
        self.columns = [each for each in columns if each.kind is not Kind.FIXED]
        names = {each.name for each in self.columns}
        self._families: dict[str, list[Covariate]] = {}
        for each in self.columns:
            if each.numbered in names:
                self._families.setdefault(each.numbered, []).append(each)

    @classmethod
    def of(cls, known: Mapping[str, Floats], grid: Grid) -> Covariates:
        return cls([_read(name, known[name], grid) for name in known])

    def __len__(self) -> int:
        return len(self.columns)

    def subset(self, rows: slice) -> Covariates:
        """Those of some of the series; whose a column is was told from all of them."""
        return Covariates(
            [
                replace(each, values=each.values[rows], usual=each.usual[rows])
                if each.kind is Kind.OWN
                else each
                for each in self.columns
            ]
        )

    def at(self, origin: int, rows: Array, target: Array) -> dict[str, Array]:
        """Features of the targets, each [n]."""
        out: dict[str, Array] = {}
        for each in self.columns:
            if each.numbered in self._families:
                continue  # a rival's price: as such it names a week; against the series' own it is told below
            of = rows if each.kind is Kind.OWN else np.zeros_like(rows)
            width = each.values.shape[1]
            now = each.values[of, target]
            out[each.name] = now
            before = each.values[of, np.maximum(target - 1, 0)]
            after = np.where(target + 1 < width, each.values[of, np.minimum(target + 1, width - 1)], np.nan)
            if each.kind is Kind.OWN:
                usual = each.usual[of, origin]
                with np.errstate(divide="ignore", invalid="ignore"):
                    out[f"{each.name}:usual"] = np.where(usual > 0, now / usual, now - usual)
                out[f"{each.name}:usual_before"] = before - usual
            out[f"{each.name}:before"] = now - before
            out[f"{each.name}:after"] = after - now
            family = self._families.get(each.name)
            if family:
                others = np.stack(
                    [f.values[rows if f.kind is Kind.OWN else 0 * rows, target] for f in family]
                )
                told = np.isfinite(others)
                with np.errstate(divide="ignore", invalid="ignore"):
                    out[f"{each.name}:cheapest"] = now / np.where(told, others, np.inf).min(axis=0)
                    out[f"{each.name}:among"] = now / (
                        np.where(told, others, 0).sum(axis=0) / told.sum(axis=0)
                    )
                    out[f"{each.name}:rank"] = (others < now * 0.999).sum(axis=0)
        return out


def _read(name: str, values: Floats, grid: Grid) -> Covariate:
    with np.errstate(invalid="ignore"):
        known = np.isfinite(values)
        low = np.where(known, values, np.inf)
        high = np.where(known, values, -np.inf)
        if bool((high.max(axis=1) <= low.min(axis=1)).all()) and not _moves(low, high):
            kind = Kind.FIXED
        elif not _moves(low.T, high.T):
            kind = Kind.SHOP
        else:
            kind = Kind.OWN
    if kind is Kind.SHOP:
        shared = np.where(known.any(axis=0), high.max(axis=0), np.nan)
        values = shared[None, :].astype(np.float32)
    stem = _NUMBERED.match(name)
    return Covariate(name, kind, values, _usual(values, grid), stem.group(1) if stem else "")


def _moves(low: Array, high: Array) -> bool:
    """Whether any row holds two different values."""
    return bool((high.max(axis=1) > low.min(axis=1)).any())


def _usual(values: Floats, grid: Grid) -> Floats:
    known = np.isfinite(values)
    total = np.zeros((values.shape[0], values.shape[1] + 1))
    count = np.zeros_like(total)
    np.cumsum(np.where(known, values, 0.0), axis=1, out=total[:, 1:])
    np.cumsum(known, axis=1, out=count[:, 1:])
    end = np.arange(total.shape[1])
    start = np.maximum(end - grid.scaled(MEMORY), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        usual: Floats = ((total[:, end] - total[:, start]) / (count[:, end] - count[:, start])).astype(
            np.float32
        )
    return usual
