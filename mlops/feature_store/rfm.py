"""What a customer bought: recency, frequency, money, and the rhythm of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import polars as pl

from mlops.feature_store import as_of
from mlops.feature_store.as_of import answers, in_parts, numbered, standing, stands, within
from mlops.feature_store.declared import Dtype, Entity, Feature, View
from mlops.feature_store.tables import MOMENT, Tables

YEAR = timedelta(days=365)
TWO_YEARS = timedelta(days=730)
DAY_US = 86_400_000_000
# The limits of the quintiles are those of the last full period, so that one customer's order moves nobody else's.
LIMITS_EVERY = "4h"


def compute(tables: Tables, asked: pl.DataFrame) -> pl.DataFrame:
    """Args:
    asked: customer_id, at. Columns of the answer: as declared in `CUSTOMER`.
    """
    orders = _orders(tables)
    own = in_parts(numbered(asked), orders, "customer_id", lambda part: _history(part, orders, tables))
    found = answers(asked, own).hstack(asked.select(_period().alias("period")))
    found = found.with_columns(pl.col("orders_365d", "spend_365d").fill_null(0.0))
    found = found.join(_limits(orders, tables, asked), on="period", how="left", maintain_order="left")
    return found.with_columns(
        # A small recency is good: it is turned round, so that 5 is the best fifth everywhere.
        (6 - _fifth("recency_days")).alias("recency_quintile"),
        _fifth("orders_365d").alias("frequency_quintile"),
        _fifth("spend_365d").alias("money_quintile"),
        (pl.col("recency_days") / pl.col("gap_mean_days")).alias("overdue_ratio"),
    )


def _orders(tables: Tables) -> pl.DataFrame:
    """The versions that count, and when each stands: columns as `ORDERS` with since, until."""
    return standing(tables.orders, "order_id").filter(pl.col("customer_id").is_not_null() & pl.col("counts"))


def _as_customers(asked: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """`asked` with the accounts that count for each customer at that moment: `customer_id` is one of them."""
    own = asked.with_columns(pl.col("customer_id").alias("kept_id"))
    found, last = [own], own
    merges = tables.merges.select("customer_id", "kept_id", merged_at=as_of.seen())
    while last.height and merges.height and len(found) < 10:  # an account that was joined ten times over
        last = (
            last.drop("kept_id")
            .rename({"customer_id": "kept_id"})
            .join(merges, on="kept_id", how="inner")
            .filter(pl.col("merged_at") <= pl.col("at"))
            .select(own.columns)
        )
        found.append(last)
    return pl.concat(found).unique(["ask", "customer_id"], maintain_order=True)


def _history(asked: pl.DataFrame, orders: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    bought = (
        _as_customers(asked, tables)
        .join(orders, on="customer_id", how="inner")
        .filter(stands() & within("order_at", TWO_YEARS))
        .sort("ask", "order_at", "order_id")
    )
    year = within("order_at", YEAR)
    gap = (pl.col("order_at").diff().dt.total_microseconds() / DAY_US).over("ask")
    return (
        bought.with_columns(year=year, gap=gap)
        .group_by("ask", maintain_order=True)
        .agg(
            recency_days=((pl.col("at") - pl.col("order_at").max()).first().dt.total_microseconds() / DAY_US),
            orders_365d=pl.col("year").sum().cast(pl.Float64),
            spend_365d=pl.col("spend").filter("year").sum(),
            mean_spend_365d=pl.col("spend").filter("year").mean(),
            gap_mean_days=pl.col("gap").mean(),
            gap_std_days=pl.col("gap").std(ddof=0),
            gap_last_days=pl.col("gap").last(),
        )
    )


def _period() -> pl.Expr:
    return pl.col("at").dt.truncate(LIMITS_EVERY)


def _limits(orders: pl.DataFrame, tables: Tables, asked: pl.DataFrame) -> pl.DataFrame:
    wanted = asked.select(_period().alias("period")).unique().sort("period")
    absent = wanted.join(tables.limits, on="period", how="anti")
    return pl.concat([tables.limits, *_measured(orders, tables, absent)])


def limits(tables: Tables, at: datetime) -> pl.DataFrame:
    """The limits that hold at a moment, from all orders: columns as `LIMITS`, one row, or none before the first order."""
    return _limits(_orders(tables), tables, pl.DataFrame({"at": [at]}, schema={"at": MOMENT}))


def _measured(orders: pl.DataFrame, tables: Tables, periods: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Where the fifths of the shop's buyers of the last two years end, at the begin of each period; as `LIMITS`.

    Four limits per measure, the 20th to 80th percentile by rank (the inverted distribution).
    """
    customers = orders.select("customer_id").unique().sort("customer_id")
    step = max(1, as_of.MOST_ROWS // max(orders.height, 1))
    for start in range(0, periods.height, step):
        everyone = numbered(
            periods[start : start + step]
            .join(customers, how="cross")
            .with_columns(at="period")
            .sort("period")
        )
        if tables.merges.height:
            # Whoever was joined to another counts there.
            gone = tables.merges.select("customer_id", merged_at=as_of.seen()).group_by("customer_id").min()
            everyone = everyone.join(gone, on="customer_id", how="left", maintain_order="left").filter(
                pl.col("merged_at").is_null() | (pl.col("merged_at") > pl.col("at"))
            )
        known = _history(everyone.select("ask", "customer_id", "at"), orders, tables)
        measured = known.join(everyone.select("ask", "period"), on="ask", how="inner")
        yield measured.group_by("period").agg(
            pl.concat_list(
                pl.col(name).quantile(share / 5, interpolation="equiprobable") for share in (1, 2, 3, 4)
            ).alias(f"{name}_limits")
            for name in ("recency_days", "orders_365d", "spend_365d")
        )


def _fifth(name: str) -> pl.Expr:
    """1 to 5: one more than the number of limits that the value is above; null without a value or limits."""
    limit = pl.col(f"{name}_limits")
    above = [(pl.col(name) > limit.list.get(at)).cast(pl.Float64) for at in range(4)]
    return 1 + above[0] + above[1] + above[2] + above[3]


CUSTOMER = View(
    name="customer_rfm",
    entity=Entity.CUSTOMER,
    told="How recently, how often and for how much a customer bought, and in what rhythm.",
    owner="recommendations",
    compute=compute,
    module=__name__,
    looks_back=TWO_YEARS + timedelta(hours=4),
    reads=("orders", "merges"),
    parameters={"limits_every": LIMITS_EVERY},
    features=(
        Feature("recency_days", Dtype.NUMBER, "days since the last order, of two years", TWO_YEARS),
        Feature("orders_365d", Dtype.COUNT, "orders of a year", YEAR),
        Feature("spend_365d", Dtype.NUMBER, "net of refunds, in the shop's currency", YEAR),
        Feature("mean_spend_365d", Dtype.NUMBER, "net spend per order", YEAR),
        Feature("recency_quintile", Dtype.COUNT, "1 to 5; 5: bought most lately", TWO_YEARS),
        Feature("frequency_quintile", Dtype.COUNT, "1 to 5; 5: buys most often", YEAR),
        Feature("money_quintile", Dtype.COUNT, "1 to 5; 5: spends most", YEAR),
        Feature("gap_mean_days", Dtype.NUMBER, "mean days between orders", TWO_YEARS),
        Feature("gap_std_days", Dtype.NUMBER, "standard deviation of the days between orders", TWO_YEARS),
        Feature("gap_last_days", Dtype.NUMBER, "days between the last two orders", TWO_YEARS),
        Feature("overdue_ratio", Dtype.NUMBER, "days since the last order over the mean gap", TWO_YEARS),
    ),
)
