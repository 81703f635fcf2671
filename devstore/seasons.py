"""How demand moves from day to day: week, year, growth, promotions and empty shelves, all known truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from devstore.catalogue import Catalogue
from devstore.catalogue_words import DEPARTMENTS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

WEEK = (1.02, 0.94, 0.92, 0.96, 1.04, 1.08, 1.24)  # Monday first
YEAR_PEAK_DAY, YEAR_SWING = 335, 0.35
GROWTH_PER_YEAR = 0.25
DAY_NOISE = 0.12
HOURS = np.array(
    [2, 1, 1, 1, 1, 2, 5, 10, 16, 22, 26, 28, 30, 27, 24, 24, 26, 30, 36, 44, 48, 40, 24, 9], dtype=float
)


@dataclass(frozen=True, slots=True)
class Promotion:
    """`percent` off one department (-1: all) on the days first <= day <= last; by `code`, or as a price drop."""

    first: int
    last: int
    department: int
    percent: int
    code: str | None
    lift: float


@dataclass(frozen=True, slots=True)
class StockOut:
    """Nothing of product place `place` could be sold on the days first <= day <= last."""

    place: int
    first: int
    last: int


def local_days(now: datetime, months: int, zone: str) -> list[datetime]:
    """The UTC times of the shop's midnights, oldest first; the last one is the midnight before `now`."""
    tz = ZoneInfo(zone)
    today = now.astimezone(tz).date()
    count = max(2, round(months * 30.44))
    days = [today - timedelta(days=back) for back in range(count - 1, -1, -1)]
    return [datetime.combine(day, time(), tz).astimezone(UTC) for day in days]


def dates_of(midnights: list[datetime], zone: str) -> list[date]:
    return [midnight.astimezone(ZoneInfo(zone)).date() for midnight in midnights]


def plan_promotions(rng: np.random.Generator, days: int) -> list[Promotion]:
    """About one promotion every six weeks, alternately by code and by price drop, never two at once."""
    planned: list[Promotion] = []
    day = int(rng.integers(10, 40))
    while day < days:
        length, percent = int(rng.integers(3, 8)), int(rng.choice([10, 15, 20, 25]))
        department = -1 if len(planned) % 3 == 0 else int(rng.integers(len(DEPARTMENTS)))
        code = f"BIRCH{percent}-{len(planned) + 1}" if len(planned) % 2 == 0 else None
        last = min(day + length - 1, days - 1)
        planned.append(Promotion(day, last, department, percent, code, 1 + percent / 25))
        day += length + int(rng.integers(25, 50))
    return planned


def plan_stock_outs(rng: np.random.Generator, catalogue: Catalogue, days: int) -> list[StockOut]:
    """About one product in six runs out once or twice for one to four weeks; some are out at the end."""
    planned: list[StockOut] = []
    for place in np.flatnonzero(rng.random(len(catalogue.product_id)) < 0.16):
        if catalogue.gift_card[place] or catalogue.draft[place]:
            continue
        for _ in range(int(rng.integers(1, 3))):
            first = int(rng.integers(max(int(catalogue.launched[place]), 0) + 7, days + 30))
            if first < days:
                planned.append(StockOut(int(place), first, min(first + int(rng.integers(7, 29)), days - 1)))
    sellable = np.flatnonzero(
        (catalogue.launched < days - 20) & (catalogue.retired > days) & ~catalogue.gift_card
    )
    last = rng.choice(sellable, size=max(1, len(sellable) // 30), replace=False)
    planned += [StockOut(int(place), days - int(rng.integers(3, 12)), days - 1) for place in last]
    return sorted(planned, key=lambda out: (out.first, out.place))


def day_weights(
    rng: np.random.Generator, dates: list[date], promotions: list[Promotion], *, last_fraction: float
) -> Floats:
    """Relative number of orders per day, shape (days,), summing to 1; the last day is only begun."""
    ordinal = np.array([day.timetuple().tm_yday for day in dates], dtype=float)
    weekday = np.array([WEEK[day.weekday()] for day in dates])
    yearly = 1 + YEAR_SWING * np.cos((ordinal - YEAR_PEAK_DAY) * 2 * np.pi / 365.25)
    growth = (1 + GROWTH_PER_YEAR) ** (np.arange(len(dates)) / 365.25)
    weights = weekday * yearly * growth * rng.lognormal(0, DAY_NOISE, len(dates))
    for promotion in promotions:
        weights[promotion.first : promotion.last + 1] *= 1.35 if promotion.department < 0 else 1.1
    weights[-1] *= last_fraction
    normal: Floats = weights / weights.sum()
    return normal


def department_season(day: date) -> Floats:
    """Demand factor of each department on one date, shape (departments,)."""
    ordinal = day.timetuple().tm_yday
    peak = np.array([department.peak_day for department in DEPARTMENTS], dtype=float)
    swing = np.array([department.swing for department in DEPARTMENTS])
    factor: Floats = 1 + swing * np.cos((ordinal - peak) * 2 * np.pi / 365.25)
    return factor


def seconds_of_day(rng: np.random.Generator, count: int, *, until: int) -> Ints:
    """`count` sorted seconds after midnight, all below `until`, busy in the evening and quiet at night."""
    edges = np.concatenate([[0.0], np.cumsum(HOURS / HOURS.sum())])
    ceiling = float(np.interp(until, np.arange(25) * 3600, edges))
    drawn = np.interp(rng.random(count) * ceiling, edges, np.arange(25) * 3600)
    return np.sort(np.minimum(drawn.astype(np.int64), max(until - 1, 0)))
