"""Series without a past: what their relatives sold when they were new. Pure."""

from __future__ import annotations

import numpy as np

from mlops.predictors.demand.panel import Array, Doubles, Flags, Panel
from mlops.predictors.demand.quantiles import TAUS

FEWEST_LAUNCHES = 5
OLD_DAYS = 28  # a first sale earlier than this in the history may not be a launch


def unknown(panel: Panel) -> Flags:
    """bool [S]: series without any record."""
    return np.asarray(~np.isfinite(panel.y).any(axis=1))


def launched(panel: Panel, mean: Doubles, quantiles: Doubles) -> tuple[Doubles, Doubles]:
    """(mean [S, H], quantiles [5, S, H]) in which series without a past have their relatives' first steps.

    Relatives share all levels; where fewer than `FEWEST_LAUNCHES` of them were launched within the history, the first level;
    else anything of the shop. Where nothing was launched, they are taken to sell as the others do now.
    """
    new = unknown(panel)
    if not new.any() or new.all():
        return mean, quantiles
    firsts = _first_steps(panel)
    began = np.isfinite(firsts).any(axis=1)
    mean, quantiles = mean.copy(), quantiles.copy()
    for row in np.flatnonzero(new):
        kin = _relatives(panel, int(row), began & ~new)
        if kin is None:
            mean[row] = mean[~new].mean(axis=0)
            quantiles[:, row] = quantiles[:, ~new].mean(axis=1)
        else:
            told = firsts[kin]
            mean[row] = np.nanmean(told)
            quantiles[:, row] = np.nanquantile(told, TAUS)[:, None]
    return mean, quantiles


def _first_steps(panel: Panel) -> Doubles:
    """float64 [S, H]: sales from the first on; all NaN for series that are no launches within the history."""
    grid = panel.grid
    sold = np.nan_to_num(panel.y) > 0
    first = sold.argmax(axis=1)
    launch = sold.any(axis=1) & (first >= grid.scaled(OLD_DAYS)) & (first + grid.horizon <= grid.steps)
    out = np.full((len(panel), grid.horizon), np.nan)
    for row in np.flatnonzero(launch):
        out[row] = panel.y[row, first[row] : first[row] + grid.horizon]
    return out


def _relatives(panel: Panel, row: int, among: Array) -> Flags | None:
    everyone: Flags = np.ones(len(panel), np.bool_)
    groups: list[Flags] = [codes == codes[row] for codes in panel.levels.values()]
    closest = everyone.copy()
    for group in groups:
        closest &= group
    for kin in (closest, *groups[:1], everyone):
        chosen: Flags = kin & among
        if chosen.sum() >= FEWEST_LAUNCHES:
            return chosen
    return None
