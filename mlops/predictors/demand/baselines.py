"""Forecasts by rule: seasonal naive, means, smoothing, Theta, Croston, TSB, for all series at once. Pure.

The smoothing family works on sales without their weekly profile, which is multiplied back: a closed Saturday stays closed.

Sources: Holt 1957 (SES); Assimakopoulos and Nikolopoulos 2000 and Hyndman and Billah 2003 (Theta: SES with half the slope of
the linear trend); Croston 1972 with Syntetos and Boylan 2005's factor (1 - a/2); Teunter, Syntetos and Babai 2011 (TSB).
"""

from __future__ import annotations

import numpy as np

from mlops.predictors.demand.panel import Array, Doubles, Grid

ALPHAS = (0.02, 0.05, 0.1, 0.2, 0.4)
INTERMITTENT = 0.05  # smoothing of sizes, intervals and chances
PROFILE_PRIOR = 30.0  # selling days for which the shop's profile counts
PROFILE_DAYS = 182


def seasonal_naive(y: Array, horizon: int, season: int) -> Doubles:
    """[S, H]: the last value of the same phase at or before the cut-off; the last record where there is none; else 0."""
    series, steps = y.shape
    out = np.zeros((series, horizon))
    last = last_record(y)
    for k in range(horizon):
        back = -(-(k + 1) // season) * season
        column = steps + k - back
        value = y[:, column] if column >= 0 else np.full(series, np.nan)
        out[:, k] = np.where(np.isfinite(value), value, last)
    return out


def last_record(y: Array) -> Doubles:
    """[S]: the newest record of each series; 0 where there is none."""
    known = np.isfinite(y)
    newest = y.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    return np.where(known.any(axis=1), y[np.arange(len(y)), newest], 0.0)


def window_mean(y: Array, horizon: int, length: int) -> Doubles:
    """[S, H]: the mean of the last `length` columns' records; of all where there is none among them."""
    mean = _mean(y[:, -length:], _mean(y, np.zeros(len(y))))
    return np.repeat(mean[:, None], horizon, axis=1)


def phase_mean(y: Array, horizon: int, season: int, count: int = 8) -> Doubles:
    """[S, H]: the mean of the last `count` columns of the same phase."""
    steps = y.shape[1]
    whole = _mean(y[:, -count * season :], _mean(y, np.zeros(len(y))))
    out = np.empty((len(y), horizon))
    for phase in range(season):
        columns = np.arange(steps - season + phase, -1, -season)[:count]
        columns = columns[columns >= 0]
        out[:, phase::season] = (_mean(y[:, columns], whole) if len(columns) else whole)[:, None]
    return out


def profile(y: Array, season: int, length: int) -> Doubles:
    """[S, season]: how much each phase sells against the mean of all; the first is that of the column after the last."""
    series = len(y)
    if season == 1:
        return np.ones((series, 1))
    recent = y[:, -(min(length, y.shape[1]) // season * season) :] if y.shape[1] >= season else y
    if recent.shape[1] < 2 * season:
        return np.ones((series, season))
    by_phase = recent.reshape(series, -1, season)
    known = np.isfinite(by_phase)
    total = np.where(known, by_phase, 0.0).sum(axis=1)
    scale = total.sum(axis=1, keepdims=True)
    shares = np.divide(total, scale, out=np.zeros_like(total), where=scale > 0)
    weight = np.sqrt(scale)
    shop = (shares * weight).sum(axis=0)
    shop = shop / shop.sum() * season if shop.sum() > 0 else np.ones(season)
    sellings = (np.where(known, by_phase, 0.0) > 0).sum(axis=(1, 2))[:, None]
    own = np.where(scale > 0, shares * season, shop)
    return np.asarray((sellings * own + PROFILE_PRIOR * shop) / (sellings + PROFILE_PRIOR))


def smoothed(y: Array, grid: Grid) -> dict[str, Doubles]:
    """The smoothing family, each [S, H]: ses, theta, croston (SBA), tsb."""
    horizon, season = grid.horizon, grid.season
    weights = profile(y, season, grid.scaled(PROFILE_DAYS))
    steps = y.shape[1]
    phase = (np.arange(steps) - steps) % season
    flat = y / np.maximum(weights[:, phase], 0.2)
    ahead = weights[:, np.arange(horizon) % season]
    ses, slope = _ses(flat)
    croston, tsb = _intermittent(y)
    drift = ses[:, None] + 0.5 * slope[:, None] * np.arange(1, horizon + 1)
    return {
        "ses": ses[:, None] * ahead,
        "theta": np.maximum(drift, 0.3 * ses[:, None]) * ahead,
        "croston": croston[:, None] * ahead,
        "tsb": tsb[:, None] * ahead,
    }


def _ses(y: Array) -> tuple[Doubles, Doubles]:
    """(level, slope a step), each [S]; the smoothing factor of each series is that with the least squared error."""
    series, steps = y.shape
    alphas = np.array(ALPHAS)[:, None]
    start = _mean(y[:, : max(1, steps // 10)], _mean(y, np.zeros(series)))
    level = np.repeat(start[None, :], len(ALPHAS), axis=0)
    error = np.zeros_like(level)
    for column in range(steps):
        now = y[:, column]
        known = np.isfinite(now)
        gap = np.where(known, now - level, 0.0)
        if column > steps // 4:
            error += gap * gap
        level += alphas * gap
    best = error.argmin(axis=0)
    known = np.isfinite(y)
    count = known.sum(axis=1)
    t = np.arange(steps)
    value = np.where(known, y, 0.0)
    mean_t = (known * t).sum(axis=1) / np.maximum(count, 1)
    mean_y = value.sum(axis=1) / np.maximum(count, 1)
    spread = (known * (t - mean_t[:, None]) ** 2).sum(axis=1)
    moved = (known * (t - mean_t[:, None]) * (value - mean_y[:, None])).sum(axis=1)
    slope = np.divide(moved, spread, out=np.zeros(series), where=spread > 0)
    return level[best, np.arange(series)], slope


def _intermittent(y: Array) -> tuple[Doubles, Doubles]:
    series, steps = y.shape
    size = np.zeros(series)
    gap = np.full(series, np.nan)
    chance = np.zeros(series)
    wait = np.zeros(series)
    seen = np.zeros(series, np.bool_)
    for column in range(steps):
        now = y[:, column]
        known = np.isfinite(now)
        value = np.nan_to_num(now)
        sold = value > 0
        wait = wait + known
        first = sold & ~seen
        second = sold & seen & np.isnan(gap)
        size = np.where(first, value, np.where(sold, size + INTERMITTENT * (value - size), size))
        chance = np.where(known & seen, chance + INTERMITTENT * (sold - chance), chance)
        # The first wait is all that is known of the interval when it ends; a start from 1 would take years to forget.
        gap = np.where(second, wait, np.where(sold, gap + INTERMITTENT * (wait - gap), gap))
        chance = np.where(second, 1 / np.maximum(wait, 1), np.where(first, 1.0, chance))
        wait = np.where(sold, 0.0, wait)
        seen |= sold
    # One sale ever: the interval is at least what has passed since.
    gap = np.where(np.isnan(gap), np.maximum(wait, 1.0), gap)
    chance = np.where(seen & (chance == 1.0), 1 / np.maximum(gap, 1.0), chance)
    croston = np.where(seen, (1 - INTERMITTENT / 2) * size / gap, 0.0)
    return croston, np.where(seen, size * chance, 0.0)


def _mean(y: Array, otherwise: Array) -> Doubles:
    known = np.isfinite(y)
    count = known.sum(axis=1)
    total = np.where(known, y, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), otherwise)
