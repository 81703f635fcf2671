"""A believable shop from a seed, with its truth written beside it.

The truth (`shop.truth`, JSON) names complementary pairs, how long consumables last, promotions, stock-outs,
trends and seasons, so that a model can be compared with what really drives the orders. The same parameters
give the same rows, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devstore.baskets import REPEAT_PROBABILITY, Rhythm, product_weights, simulate_day
from devstore.catalogue import NEVER, Catalogue, build_catalogue, write_catalogue
from devstore.catalogue_words import DEPARTMENTS, STYLES
from devstore.crowd import build_crowd, write_crowd
from devstore.metafield_samples import write_metafields
from devstore.order_rows import Counters, DayRows, day_rows, dropped
from devstore.seasons import (
    GROWTH_PER_YEAR,
    WEEK,
    Promotion,
    StockOut,
    dates_of,
    day_weights,
    department_season,
    local_days,
    plan_promotions,
    plan_stock_outs,
    seconds_of_day,
)
from devstore.store import (
    ID_BASE,
    ID_STEP,
    Store,
    domain_offset,
    insert_sql,
    put_in_place,
    remove_shop_file,
    shop_path,
    shop_values,
    utc_text,
)

ZONE = "Europe/London"
CURRENCY = "GBP"
MIN_ORDERS, MAX_ORDERS = 1, 5_000_000
TABLES = ("orders", "order_lines", "refunds", "refund_lines")
FLUSH_ORDERS = 2_000  # orders per transaction: about 10 MB of rows

Progress = Callable[[int, int], None]


class BadWorldError(ValueError):
    """A size that makes no shop; the message says which."""


@dataclass(frozen=True, slots=True)
class WorldSize:
    """How big a shop, and how long its history. Products and customers follow from orders when not given."""

    orders: int
    months: int = 18
    seed: int = 7
    products: int | None = None
    customers: int | None = None

    def checked(self) -> tuple[int, int]:
        """(products, customers). Raises BadWorldError."""
        products = self.products or min(5000, max(40, round(4.2 * sqrt(self.orders))))
        customers = self.customers or max(2, self.orders // 3)
        for name, value, low, high in (
            ("orders", self.orders, MIN_ORDERS, MAX_ORDERS),
            ("months", self.months, 1, 120),
            ("products", products, 20, 100_000),
            ("customers", customers, 1, MAX_ORDERS),
        ):
            if not low <= value <= high:
                raise BadWorldError(f"{name} must lie between {low} and {high}, not {value}")
        return products, customers


def generate(
    data: Path, domain: str, size: WorldSize, *, now: datetime, progress: Progress | None = None
) -> Path:
    """Make the shop `domain` under `data`, in place of one of that name. Returns its file.

    The old file stays until the new one is complete.
    """
    path = shop_path(data, domain)
    size.checked()
    building = path.with_name(path.name + ".building")
    name = " ".join(part.capitalize() for part in domain.split(".")[0].split("-")).replace(" And ", " & ")
    midnights = local_days(now, size.months, ZONE)
    values = shop_values(
        domain=domain,
        name=name,
        currency=CURRENCY,
        iana_timezone=ZONE,
        country="GB",
        created_at=utc_text(midnights[0] - timedelta(days=500)),
        seed=str(size.seed),
        origin="generated",
    )
    try:
        store = Store.create(building, domain=domain, facts=values)
        _fill(store, size, now=now, midnights=midnights, progress=progress)
        store.finish_load()
        put_in_place(store, path)
    except BaseException:
        remove_shop_file(building)
        raise
    return path


def _fill(
    store: Store, size: WorldSize, *, now: datetime, midnights: list[datetime], progress: Progress | None
) -> None:
    products, customers = size.checked()
    rng = np.random.default_rng(size.seed)
    days, dates = len(midnights), dates_of(midnights, ZONE)
    now_seconds = int(now.timestamp())
    catalogue = build_catalogue(rng, products=products, days=days, domain=store.domain)
    promotions = plan_promotions(rng, days)
    outs = plan_stock_outs(rng, catalogue, days)
    elapsed = max(now_seconds - int(midnights[-1].timestamp()), 1)
    shares = day_weights(rng, dates, promotions, last_fraction=min(elapsed / 86_400, 1.0))
    per_day = rng.multinomial(size.orders, shares).astype(np.int64)
    crowd = build_crowd(rng, customers=customers, orders_per_day=per_day, domain=store.domain)
    write_catalogue(store, catalogue, rng, midnights=midnights, now=now, out=_out_on(outs, days - 1))
    write_metafields(store, catalogue, seed=size.seed, now=now)
    _write_places(store)
    rhythm, counters = Rhythm(), Counters(offset=domain_offset(store.domain))
    first_seen = np.zeros(customers, dtype=np.int64)
    last_seen = np.zeros(customers, dtype=np.int64)
    waiting = DayRows([], [], [], [])
    for day in range(days):
        orders = int(per_day[day])
        if orders:
            promotion = next((p for p in promotions if p.first <= day <= p.last), None)
            baskets = simulate_day(
                rng, catalogue, crowd, rhythm, day=day, orders=orders,
                weight=product_weights(catalogue, day, _out_on(outs, day)),
                wanted=department_season(dates[day]) * _lift(promotion),
            )  # fmt: skip
            midnight = int(midnights[day].timestamp())
            until = elapsed if day == days - 1 else 86_400 - 3_600
            seconds = midnight + seconds_of_day(rng, orders, until=until)
            rows = day_rows(
                rng, catalogue, baskets, crowd.customer_id, seconds=seconds, promotion=promotion,
                counters=counters, currency=CURRENCY, now=now_seconds,
            )  # fmt: skip
            _see(first_seen, last_seen, baskets.customer, seconds)
            for name in ("orders", "lines", "refunds", "refund_lines"):
                getattr(waiting, name).extend(getattr(rows, name))
        else:
            rhythm.take(day, 0)
        if len(waiting.orders) >= FLUSH_ORDERS or day == days - 1:
            _flush(store, waiting)
            if progress:
                progress(counters.orders, size.orders)
    write_crowd(store, crowd, rng, first_seen=first_seen, last_seen=last_seen, now=now_seconds)
    _apply_open_price_drop(store, catalogue, promotions, days, midnights)
    truth = _truth(catalogue, promotions, outs, midnights, dates[0].isoformat())
    with store.transaction() as tx:
        tx.execute("INSERT INTO shop VALUES ('truth', ?)", (json.dumps(truth),))


def _out_on(outs: list[StockOut], day: int) -> NDArray[np.int64]:
    return np.array([out.place for out in outs if out.first <= day <= out.last], dtype=np.int64)


def _lift(promotion: Promotion | None) -> NDArray[np.float64]:
    lift = np.ones(len(DEPARTMENTS))
    if promotion is not None and promotion.department >= 0:
        lift[promotion.department] = promotion.lift
    return lift


def _see(
    first_seen: NDArray[np.int64],
    last_seen: NDArray[np.int64],
    customer: NDArray[np.int64],
    seconds: NDArray[np.int64],
) -> None:
    """Note each buyer's first and latest order; `seconds` grow, so the last assignment of a place wins."""
    known = customer >= 0
    places, times = customer[known], seconds[known]
    unseen = first_seen[places] == 0
    first_seen[places[unseen][::-1]] = times[unseen][::-1]
    last_seen[places] = times


def _flush(store: Store, rows: DayRows) -> None:
    with store.transaction() as tx:
        for table, part in zip(
            TABLES, (rows.orders, rows.lines, rows.refunds, rows.refund_lines), strict=True
        ):
            tx.executemany(insert_sql(table), part)
            part.clear()


def _write_places(store: Store) -> None:
    """The shop's one stock location and its themes."""
    offset = domain_offset(store.domain)
    created = store.values()["created_at"]
    with store.transaction() as tx:
        tx.execute(
            "INSERT INTO locations VALUES (?, 'Shop floor')", (ID_BASE["locations"] + offset + ID_STEP,)
        )
        for number, (name, role) in enumerate((("Dawn", "MAIN"), ("Winter draft", "UNPUBLISHED")), 1):
            theme = (ID_BASE["themes"] + offset + number * ID_STEP, name, role, created)
            tx.execute("INSERT INTO themes VALUES (?, ?, ?, ?)", theme)


def _apply_open_price_drop(
    store: Store, catalogue: Catalogue, promotions: list[Promotion], days: int, midnights: list[datetime]
) -> None:
    """A price drop that runs today shows in the catalogue, with the old price beside it."""
    running = [p for p in promotions if p.last == days - 1 and p.code is None]
    if not running:
        return
    promotion = running[0]
    in_it = (catalogue.department == promotion.department) | (promotion.department < 0)
    at = utc_text(midnights[promotion.first])
    with store.transaction() as tx:
        for p in np.flatnonzero(in_it & ~catalogue.gift_card & ~catalogue.draft).tolist():
            places = np.arange(
                catalogue.first_variant[p], catalogue.first_variant[p] + catalogue.variant_count[p]
            )
            for variant_id, pence in zip(
                catalogue.variant_id[places].tolist(),
                dropped(catalogue.variant_pence[places], promotion.percent).tolist(),
                strict=True,
            ):
                tx.execute(
                    "UPDATE variants SET compare_at_price = price, price = ?, updated_at = max(updated_at, ?)"
                    " WHERE id = ?",
                    (f"{pence // 100}.{pence % 100:02d}", at, variant_id),
                )
            tx.execute(
                "UPDATE products SET updated_at = max(updated_at, ?) WHERE id = ?",
                (at, int(catalogue.product_id[p])),
            )


def _truth(
    catalogue: Catalogue,
    promotions: list[Promotion],
    outs: list[StockOut],
    midnights: list[datetime],
    first: str,
) -> dict[str, Any]:
    def product(place: int) -> int:
        return int(catalogue.product_id[place])

    def day(index: int) -> str:
        over = max(index - len(midnights) + 1, 0)
        return (midnights[index - over] + timedelta(days=over)).isoformat()

    return {
        "first_day": first,
        "departments": [department.title for department in DEPARTMENTS],
        "styles": [style.title for style in STYLES],
        "weekday_factors": list(WEEK),
        "growth_per_year": GROWTH_PER_YEAR,
        "repeat_probability": REPEAT_PROBABILITY,
        "complements": [
            {
                "product_id": product(p),
                "complement_id": product(int(catalogue.partner[p])),
                "probability": round(float(catalogue.partner_probability[p]), 4),
            }
            for p in np.flatnonzero((catalogue.partner >= 0) & ~catalogue.draft).tolist()
        ],
        "rhythms": [
            {"product_id": product(p), "cycle_days": int(catalogue.cycle_days[p])}
            for p in np.flatnonzero((catalogue.cycle_days > 0) & ~catalogue.draft).tolist()
        ],
        "trends": [
            {"product_id": product(p), "log_rate_per_day": round(float(catalogue.daily_trend[p]), 6)}
            for p in np.flatnonzero((catalogue.daily_trend != 0) & (catalogue.launched < NEVER)).tolist()
        ],
        "promotions": [
            {
                "from": day(p.first),
                "until": day(p.last + 1),
                "department": None if p.department < 0 else DEPARTMENTS[p.department].title,
                "percent": p.percent,
                "code": p.code,
                "lift": p.lift,
            }
            for p in promotions
        ],
        "stock_outs": [
            {"product_id": product(out.place), "from": day(out.first), "until": day(out.last + 1)}
            for out in outs
        ],
    }
