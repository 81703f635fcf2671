"""Where in the week and the year a moment lies by the shop's clock, and how near a holiday of its markets is. Pure."""

from __future__ import annotations

import math
from datetime import date, timedelta
from functools import lru_cache

import polars as pl

from mlops.feature_store.declared import Dtype, Entity, Feature, View
from mlops.feature_store.tables import Tables

WEEKLY, YEARLY = 2, 3
YEAR_DAYS = 365.2425
# A holiday further away than this is none.
FAR = 30


def compute(tables: Tables, asked: pl.DataFrame) -> pl.DataFrame:
    """Args:
    asked: shop_id (not looked at), at.
    """
    here = pl.col("at").dt.convert_time_zone(tables.zone)
    seconds = (
        here.dt.hour().cast(pl.Float64) * 3600 + here.dt.minute() * 60 + here.dt.second() + here.dt.microsecond() / 1e6
    )  # fmt: skip
    days = here.dt.date().cast(pl.Int32).cast(pl.Float64) + seconds / 86_400
    rows = asked.select(days=days, day=here.dt.date())
    # 1970-01-05 was a Monday.
    week, year = (pl.col("days") - 4) / 7, pl.col("days") / YEAR_DAYS
    waves = [
        wave
        for name, turn, count in (("week", week, WEEKLY), ("year", year, YEARLY))
        for order in range(1, count + 1)
        for wave in (
            (turn * (2 * math.pi * order)).sin().alias(f"{name}_sin{order}"),
            (turn * (2 * math.pi * order)).cos().alias(f"{name}_cos{order}"),
        )
    ]
    nearest = rows.select("day").unique()
    told = [_near(each, tables.markets) for each in nearest["day"].to_list()]
    near = nearest.with_columns(
        pl.Series(name, [row[at] for row in told], dtype=pl.Float64) for at, name in enumerate(_NEAR)
    )
    return rows.select("day", *waves).join(near, on="day", how="left", maintain_order="left").drop("day")


_NEAR = ("holiday", "days_to_holiday", "days_since_holiday")


def _near(day: date, markets: tuple[str, ...]) -> tuple[float | None, float | None, float | None]:
    """Share of the markets that celebrate, days until the next holiday of any, days since the last one (0 to `FAR`)."""
    if not markets:
        return None, None, None
    free = [_holidays(market, year) for market in markets for year in (day.year - 1, day.year, day.year + 1)]
    share = sum(any(day in dates for dates in free[at * 3 : at * 3 + 3]) for at in range(len(markets)))
    every = set().union(*free)
    ahead = next((float(n) for n in range(FAR) if day + timedelta(days=n) in every), float(FAR))
    behind = next((float(n) for n in range(FAR) if day - timedelta(days=n) in every), float(FAR))
    return share / len(markets), ahead, behind


@lru_cache(maxsize=512)
def _holidays(market: str, year: int) -> frozenset[date]:
    """Public holidays of a country; of one that the calendar does not know: none."""
    import holidays  # half a second that a process which only reads vectors need not spend

    try:
        return frozenset(holidays.country_holidays(market, years=year))
    except NotImplementedError:
        return frozenset()


def _wave(name: str, order: int, which: str) -> Feature:
    span = timedelta(days=7) if name == "week" else timedelta(days=365)
    return Feature(f"{name}_{which}{order}", Dtype.NUMBER, f"{which}e of order {order} over the {name}", span)


SHOP = View(
    name="shop_season",
    entity=Entity.SHOP,
    told="Week, year and public holidays by the shop's own clock.",
    owner="demand",
    compute=compute,
    module=__name__,
    looks_back=timedelta(0),
    reads=(),
    parameters={"far_days": FAR},
    features=(
        *(
            _wave(name, order, which)
            for name, count in (("week", WEEKLY), ("year", YEARLY))
            for order in range(1, count + 1)
            for which in ("sin", "cos")
        ),
        Feature("holiday", Dtype.RATIO, "share of the shop's markets with a public holiday today"),
        Feature("days_to_holiday", Dtype.NUMBER, f"days to the next public holiday, at most {FAR}"),
        Feature("days_since_holiday", Dtype.NUMBER, f"days since the last public holiday, at most {FAR}"),
    ),
)
