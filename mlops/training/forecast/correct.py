"""The shop's total, forecast for itself, and how far the sum of the series is moved to it. Pure.

Trees that are fitted to noisy single series come out low when a whole shop grows into its season. The total is smooth enough to
be told by rule: the sum of the last weeks, moved by what the same weeks did a year ago to a power between 0 (no season) and 1.
One earlier season is weak evidence, so the power is found on every origin that the history allows and shrunk to a half. The
second opinion is the sum of the recursive model, which follows a growing shop sooner than the others. The total's forecast is
the geometric mean of both, and the share by which all series are moved to it is learnt, starting from two thirds: three
opinions, of which the sum of the series is one. Where prices and deals of the days to come are told, they move the total more
than any season, and the rule is blind to them: there the share starts from nothing. All series move alike, so that every sum
above them agrees.
"""

from __future__ import annotations

import numpy as np

from mlops.predictors.demand.panel import Doubles, Grid

POWERS = np.linspace(0.0, 1.0, 11)
SHARES = np.linspace(0.0, 1.0, 11)
PRIOR_POWER, PRIOR_POWER_ORIGINS = 0.5, 8.0
PRIOR_SHARE, PRIOR_SHARE_ORIGINS = 2 / 3, 20.0
LIMIT = 1.0  # of logarithms, for what a year ago may say
MOST_MOVED = 0.4  # of logarithms


def recent_steps(grid: Grid) -> int:
    """Over how many columns the recent mean is taken: the horizon's length, but at least four weeks."""
    return max(grid.horizon, grid.scaled(28))


def season_power(total: Doubles, grid: Grid) -> float:
    """The power of last year's change that would have served best at past origins.

    Args:
        total: float64 [T], the shop's sales.
    """
    horizon, before = grid.horizon, recent_steps(grid)
    losses = np.zeros(len(POWERS))
    seen = 0
    for origin in range(len(total) - horizon, grid.year + before - 1, -max(1, horizon // 2)):
        now, then = total[origin - before : origin].mean(), total[origin : origin + horizon].mean()
        change = last_year(total[:origin], grid)
        if now <= 0 or then <= 0:
            continue
        losses += (np.log(now) + POWERS * change - np.log(then)) ** 2
        seen += 1
    if not seen:
        return PRIOR_POWER
    best = float(POWERS[np.argmin(losses)])
    return (seen * best + PRIOR_POWER_ORIGINS * PRIOR_POWER) / (seen + PRIOR_POWER_ORIGINS)


def last_year(total: Doubles, grid: Grid) -> float:
    """The logarithm of how the total changed a year ago, from `recent_steps` before this day to the horizon after it;
    0 where the history does not reach back so far."""
    day = len(total) - grid.year
    if day - recent_steps(grid) < 0:
        return 0.0
    before, after = total[day - recent_steps(grid) : day].mean(), total[day : day + grid.horizon].mean()
    return float(np.clip(np.log(after / before), -LIMIT, LIMIT)) if before > 0 and after > 0 else 0.0


def opinions(first: float, second: float) -> float:
    """The geometric mean of two forecasts of one total; the other where one says nothing."""
    if first <= 0 or second <= 0:
        return max(first, second, 0.0)
    return float(np.sqrt(first * second))


def share(summed: Doubles, own: Doubles, sold: Doubles, *, start: float) -> float:
    """How far to move, from inner origins: the sum of the series, the total's own forecast and the truth of each.

    Args:
        start: where to shrink to.
    """
    ok = (summed > 0) & (own > 0) & (sold > 0)
    if not ok.any():
        return start
    gap = np.log(own[ok]) - np.log(summed[ok])
    losses = ((np.log(summed[ok]) + SHARES[:, None] * gap - np.log(sold[ok])) ** 2).sum(axis=1)
    best = float(SHARES[np.argmin(losses)])
    seen = int(ok.sum())
    return (seen * best + PRIOR_SHARE_ORIGINS * start) / (seen + PRIOR_SHARE_ORIGINS)


def factor(summed: float, own: float, moved: float) -> float:
    """What every mean is multiplied by."""
    if summed <= 0 or own <= 0:
        return 1.0
    return float(np.exp(np.clip(moved * np.log(own / summed), -MOST_MOVED, MOST_MOVED)))
