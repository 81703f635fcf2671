"""Order lines of a made-up shop of any size: seeded, and the same for the same size. Pure.

Two years; four lines an order; a customer for every twenty lines, of whom few buy often; products grow with the root of the lines,
sell by a power law, belong to one of forty themes that customers keep to, and are bought again; each has its season.
"""

from __future__ import annotations

import numpy as np
import polars as pl

DAYS, LINES_AN_ORDER, LINES_A_CUSTOMER = 730, 4, 20
THEMES, OWN_THEME, AGAIN = 40, 0.6, 0.25
SPARE = 1.4
START = 1_672_531_200_000  # 2023-01-01, milliseconds


def made(lines: int, seed: int) -> pl.DataFrame:
    """order_id, customer_id, ordered_at, sku, quantity, unit_price, cancelled; about so many rows."""
    draw = np.random.default_rng([seed, lines])
    orders = max(
        1, int(lines * SPARE) // LINES_AN_ORDER
    )  # some lines fall together, and orders beyond the size go
    customers = max(2, lines // LINES_A_CUSTOMER)
    products = max(50, int(500 * np.sqrt(lines / 50_000)))
    share = 1 / np.arange(1, products + 1) ** 0.8
    theme = draw.integers(0, THEMES, products)
    by_theme = [np.flatnonzero(theme == each) for each in range(THEMES)]
    busy = draw.pareto(1.6, customers) + 0.2
    who = draw.choice(customers, orders, p=busy / busy.sum())
    day = np.sort(draw.uniform(0, DAYS, orders))
    order = np.repeat(np.arange(orders), draw.poisson(LINES_AN_ORDER - 1, orders) + 1)
    n = len(order)
    chance = share * (1 + 0.5 * np.sin(np.arange(products)))
    item = draw.choice(products, n, p=chance / chance.sum())
    likes = draw.integers(0, THEMES, customers)
    own = draw.random(n) < OWN_THEME
    for each in range(THEMES):
        rows = np.flatnonzero(own & (likes[who[order]] == each))
        if len(rows) and len(by_theme[each]):
            weight = chance[by_theme[each]]
            item[rows] = draw.choice(by_theme[each], len(rows), p=weight / weight.sum())
    # A line in four is what the same customer had in the line before it.
    line_of = np.lexsort((np.arange(n), who[order]))
    again = np.flatnonzero(draw.random(n - 1) < AGAIN) + 1
    same = who[order[line_of[again]]] == who[order[line_of[again - 1]]]
    item[line_of[again[same]]] = item[line_of[again[same] - 1]]
    guest = draw.random(orders) < 0.1
    price = np.round(np.exp(draw.normal(2.0, 0.8, products)), 2)
    number = pl.Series(who[order]).cast(pl.String)
    whole = pl.DataFrame(
        {
            "order_id": pl.Series(order).cast(pl.String),
            "customer_id": pl.select(pl.when(pl.Series(~guest[order])).then(number)).to_series(),
            "ordered_at": pl.Series(START + (day[order] * 86_400_000).astype(np.int64)).cast(
                pl.Datetime("ms", "UTC")
            ),
            "sku": pl.Series(item).cast(pl.String).str.zfill(5),
            "quantity": draw.geometric(0.6, n),
            "unit_price": price[item],
            "cancelled": np.zeros(n, bool),
        }
    ).unique(["order_id", "sku"], keep="first", maintain_order=True)
    sizes = whole.group_by("order_id").len().sort("order_id").sample(fraction=1.0, shuffle=True, seed=seed)
    kept = sizes.filter(pl.col("len").cum_sum() <= lines)
    return whole.join(kept, on="order_id", how="semi", maintain_order="left")


def daily(lines: pl.DataFrame, *, least_days: int = 10) -> pl.DataFrame:
    """unique_id, ds, y: units a day of what sold on at least so many days; a day without a row is one of 0."""
    days = (
        lines.with_columns(pl.col("ordered_at").dt.date().alias("ds"), pl.col("sku").alias("unique_id"))
        .group_by("unique_id", "ds")
        .agg(pl.col("quantity").sum().alias("y"))
    )
    often = days.group_by("unique_id").len().filter(pl.col("len") >= least_days)
    return days.join(often, on="unique_id", how="semi").sort("unique_id", "ds")
