"""From frozen tables to the book: what it promises of bytes, sums, stock-outs, discounts and small shops."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from mlops.predictors import artefact
from mlops.predictors.artefact import BadArtefact
from mlops.predictors.demand.book import LIVES, SERVED, DemandBook, Life, Served
from mlops.training.demand import frozen as files
from mlops.training.demand import lift, lost
from mlops.training.demand.assemble import assemble
from mlops.training.demand.frozen import (
    CATALOGUE,
    OFFERED,
    PROMOTIONS,
    SALES,
    SEASON,
    Frozen,
    NotFrozen,
)
from mlops.training.demand.learn import learn

FIRST = date(2025, 1, 6)
WEEK = np.array([1.0, 1.0, 1.0, 1.2, 1.6, 0.4, 0.8])


def quiet(_: str) -> None:
    """Nobody listens."""


def tables(units: np.ndarray, **changes: object) -> Frozen:
    """A shop of variants 10, 20, ... of products 1, 2, ..., two types."""
    series, days = units.shape
    row, day = np.nonzero(units)
    sales = pl.DataFrame(
        {
            "day": day,
            "variant_id": (row + 1) * 10,
            "units": units[row, day],
            "revenue": units[row, day] * 5.0,
        },
    ).select(pl.col(name).cast(kind) for name, kind in SALES.items())
    catalogue = pl.DataFrame(
        {
            "variant_id": [(k + 1) * 10 for k in range(series)],
            "product_id": [k + 1 for k in range(series)],
            "title": [f"Lamp {'red' if k % 2 else 'blue'}" for k in range(series)],
            "product_type": ["lamp" if k % 2 else "shade" for k in range(series)],
            "vendor": ["Birch"] * series,
            "collection": [""] * series,
            "since": [0] * series,
            "price": [5.0] * series,
        },
        schema=CATALOGUE,
    )
    given = {
        "first": FIRST,
        "days": days,
        "horizon": 28,
        "sales": sales,
        "offered": pl.DataFrame(schema=OFFERED),
        "catalogue": catalogue,
        "season": pl.DataFrame({"day": range(days + 28), "holiday": [0.0] * (days + 28)}, schema=SEASON),
        "promotions": pl.DataFrame(schema=PROMOTIONS),
    }
    return Frozen(**{**given, **changes})


def poisson(series: int = 12, days: int = 280, level: float = 4.0, seed: int = 1) -> np.ndarray:
    shape = np.tile(WEEK, days // 7 + 1)[:days]
    return np.random.default_rng(seed).poisson(level * shape, (series, days)).astype(np.float32)


@pytest.fixture(scope="module")
def book() -> DemandBook:
    return learn(tables(poisson()), seed=7, tell=quiet).book


def test_frozen_tables_come_back_and_their_order_does_not_matter() -> None:
    shop = tables(poisson(3, 40))
    content = files.pack(shop)
    shuffled = replace(shop, sales=shop.sales.sample(fraction=1.0, shuffle=True, seed=3))
    assert files.pack(shuffled) == content
    back = files.unpack(content)
    assert files.pack(back) == content
    assert back.sales.sort("day", "variant_id").equals(shop.sales.sort("day", "variant_id"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"{}"])
def test_what_is_no_frozen_file_is_refused(content: bytes) -> None:
    with pytest.raises(NotFrozen):
        files.unpack(content)


def test_frozen_tables_of_other_columns_are_refused() -> None:
    other = replace(tables(poisson(3, 40)), season=pl.DataFrame(schema=SEASON))
    content = files.pack(other)
    assert files.unpack(content).season.is_empty()
    bad = content.replace(b"holiday", b"holidax")
    with pytest.raises(NotFrozen):
        files.unpack(bad)


def test_the_same_tables_and_seed_give_the_same_bytes_and_they_come_back(book: DemandBook) -> None:
    again = learn(tables(poisson()), seed=7, tell=quiet).book
    content = artefact.pack(book, {"seed": 7})
    assert artefact.pack(again, {"seed": 7}) == content
    loaded = artefact.unpack(content, digest=artefact.digest_of(content))
    assert loaded.book.base.tobytes() == book.base.tobytes()
    with pytest.raises(BadArtefact, match="recommends nothing"):
        _ = loaded.predictor


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base", lambda a: -a - 1),
        ("quantiles", lambda a: a[::-1]),
        ("variant_ids", lambda a: a[::-1].copy()),
        ("slope", lambda a: np.full_like(a, np.nan)),
        ("served", lambda a: np.full_like(a, 9)),
        ("sums", lambda a: a[:, :, :3].copy()),
        ("price", lambda a: a.astype(np.float32)),
        ("levels", lambda a: a + 99),
        ("words", lambda a: np.frombuffer(b"{}", np.uint8)),
    ],
)
def test_a_book_that_cannot_be_is_refused(book: DemandBook, name: str, value: object) -> None:
    arrays = book.to_arrays()
    arrays[name] = value(arrays[name])  # type: ignore[operator]
    broken = DemandBook(**arrays)
    content = artefact.pack(broken, {})
    with pytest.raises(BadArtefact):
        artefact.unpack(content, digest=artefact.digest_of(content))


def test_the_forecast_is_near_what_will_be_sold_and_sums_agree(book: DemandBook) -> None:
    assert book.first_day == FIRST + timedelta(days=280)
    expected = 4.0 * WEEK.mean()
    assert book.base.mean() == pytest.approx(expected, rel=0.1)
    saturdays = book.columns(book.first_day, 28)[(book.first_day.weekday() + np.arange(28)) % 7 == 5]
    assert book.base[:, saturdays].mean() < 0.6 * book.base.mean()
    products = book.base.astype(np.float64)
    of_types = np.stack([products[book.levels[0] == k].sum(axis=0) for k in range(2)])
    assert np.abs(of_types.sum(axis=0) - products.sum(axis=0)).max() < 1e-6
    assert book.about["level_names"] == ["product_type"]
    assert (np.diff(book.quantiles, axis=0) >= 0).all()
    inside = book.accuracy[:, 3]
    assert 0.85 <= inside.mean() <= 1.0


def test_behind_the_horizon_the_last_week_goes_on(book: DemandBook) -> None:
    columns = book.columns(book.first_day + timedelta(days=20), 30)
    assert columns[:8].tolist() == list(range(20, 28))
    assert (columns[8:15] == np.arange(21, 28)).all()
    # The same weekday, a week later.
    assert (columns[15:22] == columns[8:15]).all()
    with pytest.raises(ValueError, match="begins on"):
        book.columns(book.first_day - timedelta(days=1), 3)


@pytest.mark.parametrize(
    "units",
    [
        np.array([[3.0]], np.float32),
        np.array([[0, 0, 0, 0, 1]], np.float32),
        np.pad(np.ones((3, 1), np.float32), ((0, 0), (0, 5))),
        np.pad(np.full((2, 1), 1e6, np.float32), ((0, 0), (30, 30))),
    ],
    ids=["one day", "one sale", "one day of sales", "one large order"],
)
def test_a_shop_of_almost_nothing_gets_an_answer_and_no_invented_measure(units: np.ndarray) -> None:
    learnt = learn(tables(units), seed=1, tell=quiet)
    content = artefact.pack(learnt.book, {})
    book = artefact.unpack(content, digest=artefact.digest_of(content)).book
    assert np.isfinite(book.base).all()
    if units.shape[1] < 56:
        assert learnt.metrics["knowledge"] == "guess"
        assert np.isnan(book.accuracy[:, 0]).all()


def test_a_product_without_sales_and_a_shop_without_sales() -> None:
    units = poisson(6, 200)
    units[0] = 0
    learnt = learn(tables(units), seed=1, tell=quiet)
    assert learnt.book.base[0].sum() < 0.2 * learnt.book.base[1].sum()
    none = learn(tables(np.zeros((3, 90), np.float32)), seed=1, tell=quiet)
    assert none.metrics["knowledge"] == "nothing"
    assert none.book.base.sum() == 0


def test_what_is_sold_out_for_a_third_of_the_time_is_not_forecast_a_third_lower() -> None:
    full = poisson(20, 330, level=8.0, seed=3)
    known, ahead = full[:, :300].copy(), full[:, 300:328]
    gone = np.zeros(known.shape, np.bool_)
    for start in range(0, 300, 20):  # six days of twenty, at another time for each series
        for row in range(20):
            gone[row, (start + row) % 300 : (start + row) % 300 + 6] = True
    assert gone.mean() == pytest.approx(0.3, abs=0.01)
    missed = known[gone].sum()
    known[gone] = 0
    rows, day = np.nonzero(gone)
    out = pl.DataFrame(
        {
            "day": day,
            "variant_id": (rows + 1) * 10,
            "out": np.ones(len(rows)),
            "discount": np.zeros(len(rows)),
        }
    ).select(pl.col(name).cast(kind) for name, kind in OFFERED.items())
    told = learn(tables(known, offered=out), seed=1, tell=quiet).book
    blind = learn(tables(known), seed=1, tell=quiet).book
    truth = ahead.sum()
    assert abs(told.base.sum() / truth - 1) <= 0.05
    assert blind.base.sum() / truth - 1 < -0.22
    naive = known[:, -28:].sum() / truth - 1
    assert naive == pytest.approx(-0.30, abs=0.06)
    # And what was not sold is counted.
    shop = assemble(tables(known, offered=out))
    y = np.where(shop.out < 0.5, shop.panel.y, np.nan).astype(np.float32)
    assert lost.wanted(y, shop.out, np.ones(y.shape)).sum() == pytest.approx(missed, rel=0.05)
    assert told.lost[:, 1].sum() == pytest.approx(full[:, 209:300][gone[:, 209:300]].sum(), rel=0.1)


def discounted(days: int = 300, percent: float = 0.3, slope: float = 3.0) -> tuple[np.ndarray, pl.DataFrame]:
    """Six campaigns of a week, at which every product sells exp(slope * percent) times as much; one lies ahead."""
    mean = np.tile(5.0 * np.tile(WEEK, 60)[:days], (12, 1))
    campaign = [day for start in range(20, days, 45) for day in range(start, start + 7)]
    mean[:, [day for day in campaign if day < days]] *= np.exp(slope * percent)
    units = np.random.default_rng(2).poisson(mean).astype(np.float32)
    ahead = [*campaign, *range(days + 7, days + 14)]
    rows = [(day, product, percent) for day in ahead for product in range(1, 13)]
    return units, pl.DataFrame(rows, schema=PROMOTIONS, orient="row")


def test_a_planned_promotion_raises_the_forecast_by_the_lift_that_was_learnt() -> None:
    units, planned = discounted()
    book = learn(tables(units, promotions=planned), seed=1, tell=quiet).book
    assert book.slope == pytest.approx(np.full(12, 3.0), abs=0.6)
    with_it = (book.base * book.lift(book.deal)).sum(axis=1)
    without = book.base.astype(np.float64).sum(axis=1)
    assert (without < with_it).all()
    days = slice(7, 14)
    raised = (book.base * book.lift(book.deal))[:, days].sum() / book.base[:, days].sum()
    assert raised == pytest.approx(np.exp(0.9), rel=0.2)
    # The past campaigns have not raised the days without one.
    assert book.base.mean() == pytest.approx(5.0 * WEEK.mean(), rel=0.1)


def test_without_a_past_discount_no_lift_is_made_up() -> None:
    learnt = lift.learn(poisson(), np.zeros((12, 280), np.float32), None)
    assert (learnt.slope.max(), learnt.days) == (0.0, 0)


def test_one_lucky_day_is_not_taken_for_a_lift() -> None:
    y = poisson(12, 200, level=1.0)
    deal = np.zeros(y.shape, np.float32)
    deal[0, 150] = 0.2
    y[0, 150] = 6
    found = lift.learn(y, deal, None)
    # By itself that day would say log(6) / 0.2 = 9.
    assert found.slope[1] < found.slope[0] < 4.5
    assert found.slope[1] < 3.5


def test_where_seasonal_naive_is_better_it_is_served() -> None:
    y = poisson(12, 280)
    # One series repeats itself to the unit every week, wildly: no mean is nearer than last week.
    y[0] = np.tile(np.array([0, 90, 3, 55, 0, 20, 7], np.float32), 40)
    book = learn(tables(y), seed=1, tell=quiet).book
    assert SERVED[book.served[0]] is Served.NAIVE
    assert book.base[0] == pytest.approx(np.tile(y[0, :7], 4))
    assert book.accuracy[0, 4] < 0
    assert book.accuracy[0, 5] >= 28
    assert SERVED[book.served[3]] is Served.MODEL


def test_new_and_dying_products_are_told() -> None:
    y = poisson(12, 280)
    y[0, :-20] = 0
    y[1, 100:] = 0
    shop = tables(y)
    catalogue = shop.catalogue.with_columns(
        since=pl.when(pl.col("variant_id") == 10).then(260).otherwise(pl.col("since")).cast(pl.Int32)
    )
    book = learn(replace(shop, catalogue=catalogue), seed=1, tell=quiet).book
    assert [LIVES[each] for each in book.life[:3]] == [Life.NEW, Life.DYING, Life.USUAL]
    assert np.isnan(book.history[0, :-21]).all()
    assert book.base[1].sum() < 1.0


def test_a_product_that_is_gone_teaches_but_is_not_served() -> None:
    shop = tables(poisson(12, 280))
    left = shop.catalogue.filter(pl.col("variant_id") != 120)
    book = learn(replace(shop, catalogue=left), seed=1, tell=quiet).book
    assert 120 not in book.variant_ids
    assert len(assemble(replace(shop, catalogue=left)).variant_ids) == 12
