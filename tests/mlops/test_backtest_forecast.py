"""`backtest forecast` from files to answers: what is asked, what is refused, and shops of every odd shape."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops.backtest import forecast as command
from mlops.backtest.commands import BadInput
from mlops.backtest.forecast_files import read_question

QUANTILES = ["q05", "q25", "q50", "q75", "q95"]
START = date(2025, 1, 6)


def series(name: str, sold: Any, *, start: date = START, step: int = 1, **columns: Any) -> pl.DataFrame:
    days = [start + timedelta(days=step * k) for k in range(len(sold))]
    return pl.DataFrame({"unique_id": [name] * len(sold), "ds": days, "y": list(map(float, sold)), **columns})


def answer(
    folder: Path,
    history: pl.DataFrame,
    *,
    future: pl.DataFrame | None = None,
    static: pl.DataFrame | None = None,
    horizon: int = 7,
    freq: str = "D",
) -> pl.DataFrame:
    paths: dict[str, Path | None] = {"future": None, "static": None}
    for name, table in (("history", history), ("future", future), ("static", static)):
        if table is not None:
            paths[name] = folder / f"{name}.parquet"
            table.write_parquet(folder / f"{name}.parquet")
    out = folder / "answers.parquet"
    options = {**paths, "horizon": horizon, "freq": freq, "out": out, "seed": 1}
    command.run(options, lambda line: None)
    return pl.read_parquet(out)


def sound(answers: pl.DataFrame) -> None:
    quantiles = answers.select(QUANTILES).to_numpy()
    mean = answers["mean"].to_numpy()
    assert np.isfinite(quantiles).all()
    assert np.isfinite(mean).all()
    assert (quantiles >= 0).all()
    assert (mean >= 0).all()
    assert (np.diff(quantiles, axis=1) >= 0).all()


def shop(rng: np.random.Generator, count: int, days: int, **columns: Any) -> pl.DataFrame:
    week = np.array([1.0, 1.0, 1.0, 1.2, 1.5, 0.0, 0.6])
    return pl.concat(
        [
            series(f"s{k:02}", rng.poisson(6 * week[np.arange(days) % 7]), **columns)
            for k in range(count)
        ]
    )  # fmt: skip


def test_a_shop_of_many_series_learns_its_week(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    answers = answer(tmp_path, shop(rng, 20, 280), horizon=14)
    sound(answers)
    assert len(answers) == 20 * 14
    by_day = answers.group_by(pl.col("ds").dt.weekday()).agg(pl.col("mean").mean()).sort("ds")["mean"]
    assert by_day[5] < 0.5  # the closed Saturday
    assert abs(by_day[4] - 9) < 1.5
    inside = answers.filter(pl.col("ds").dt.weekday() == 5)
    assert 2 < inside["q05"].mean() < 7 < 11 < inside["q95"].mean() < 17  # type: ignore[operator]


def test_equal_files_and_seed_give_equal_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    history = shop(rng, 12, 200)
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    answer(first, history)
    answer(second, history.sample(fraction=1.0, shuffle=True, seed=2))  # rows may come in any order
    assert (first / "answers.parquet").read_bytes() == (second / "answers.parquet").read_bytes()


def test_a_planned_deal_lifts_the_forecast_and_its_removal_lowers_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    tables, ahead = [], []
    for k in range(12):
        deal = rng.random(150) < 0.15
        tables.append(
            series(
                f"s{k:02}", rng.poisson(10 * np.where(deal, 3, 1)), step=7, deal=deal, start=date(2022, 1, 3)
            )
        )
        last = tables[-1]["ds"].max()
        assert isinstance(last, date)
        ahead.append(
            pl.DataFrame(
                {"unique_id": [f"s{k:02}"] * 4, "ds": [last + timedelta(days=7 * j) for j in range(1, 5)], "deal": [True, False] * 2}
            )
        )  # fmt: skip
    answers = answer(tmp_path, pl.concat(tables), future=pl.concat(ahead), horizon=4, freq="W")
    means = answers.join(pl.concat(ahead), on=["unique_id", "ds"]).group_by("deal").agg(pl.col("mean").mean())
    told = dict(means.iter_rows())
    assert told[True] > 2.2 * told[False]


def test_days_out_of_stock_do_not_count_as_no_demand(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    tables = []
    for k in range(20):
        stocked = rng.random(240) > 0.3
        wanted = rng.poisson(8, 240)
        tables.append(series(f"s{k:02}", np.where(stocked, wanted, 0), in_stock=stocked))
    answers = answer(tmp_path, pl.concat(tables), horizon=14)
    bias = answers["mean"].mean() / 8 - 1  # type: ignore[operator]
    assert abs(bias) < 0.05


def test_only_the_rows_of_the_future_file_are_answered_also_of_new_series(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    history = shop(rng, 10, 120)
    last = history["ds"].max()
    assert isinstance(last, date)
    future = pl.DataFrame({"unique_id": ["s01", "new"], "ds": [last + timedelta(days=3)] * 2})
    answers = answer(tmp_path, history, future=future)
    sound(answers)
    assert answers.select("unique_id", "ds").sort("unique_id").rows() == sorted(future.rows())
    assert answers.filter(pl.col("unique_id") == "new")["mean"][0] > 0


@pytest.mark.parametrize(
    ("name", "history", "freq"),
    [
        ("a single day", series("a", [5]), "D"),
        ("a single week", series("a", [5], step=7), "W"),
        ("one series", series("a", np.random.default_rng(1).poisson(3, 90)), "D"),
        ("all zeros", pl.concat([series("a", np.zeros(90)), series("b", np.zeros(90))]), "D"),
        ("one outlier", pl.concat([series("a", [3.0] * 89 + [1e7]), series("b", [3.0] * 90)]), "D"),
        (
            "late, dead and gone",
            pl.concat(
                [
                    series("steady", [4.0] * 300),
                    series("late", [2.0] * 3, start=START + timedelta(days=297)),
                    series("dead", [9.0] * 60 + [0.0] * 240),
                    series("gone", [9.0] * 60),
                ]
            ),
            "D",
        ),
    ],
)
def test_odd_but_valid_shops_are_answered(
    tmp_path: Path, name: str, history: pl.DataFrame, freq: str
) -> None:
    answers = answer(tmp_path, history, freq=freq)
    sound(answers)
    assert len(answers) == 7 * history["unique_id"].n_unique()
    by = dict(answers.group_by("unique_id").agg(pl.col("mean").mean()).iter_rows())
    if name == "all zeros":
        assert by == {"a": 0.0, "b": 0.0}
    if name == "one outlier":
        assert by["a"] < 100
        assert 2 < by["b"] < 4
    if name == "late, dead and gone":
        assert 3.5 < by["steady"] < 4.5
        assert by["dead"] < 0.5
        assert by["late"] > 0.5


def test_missing_days_are_zeros_only_where_zeros_are_never_written(tmp_path: Path) -> None:
    sold = np.random.default_rng(1).poisson(1.0, 200)
    selling = series("a", sold).filter(pl.col("y") > 0)
    selling.write_parquet(tmp_path / "h.parquet")
    asked = read_question(tmp_path / "h.parquet", None, None, horizon=7, freq="D", today=date(2026, 1, 1))
    assert np.nansum(asked.panel.y == 0) > 0
    assert np.isfinite(asked.panel.y).all()
    series("a", sold).filter(pl.int_range(pl.len()) % 3 != 1).write_parquet(tmp_path / "h.parquet")
    asked = read_question(tmp_path / "h.parquet", None, None, horizon=7, freq="D", today=date(2026, 1, 1))
    assert np.isnan(asked.panel.y).any()


@given(
    data=st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=40), min_size=1, max_size=4),
    weekly=st.booleans(),
    horizon=st.integers(1, 9),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_small_history_is_answered_soundly(
    tmp_path: Path, data: list[list[int]], weekly: bool, horizon: int
) -> None:
    step = 7 if weekly else 1
    longest = max(map(len, data))
    history = pl.concat(
        [
            series(f"s{k}", sold, step=step, start=START + timedelta(days=step * (longest - len(sold))))
            for k, sold in enumerate(data)
        ]
    )
    answers = answer(tmp_path, history, horizon=horizon, freq="W" if weekly else "D")
    sound(answers)
    assert len(answers) == horizon * len(data)
    for name, sold in zip(sorted(history["unique_id"].unique()), data, strict=True):
        mine = answers.filter(pl.col("unique_id") == name)
        assert (mine["q95"] - mine["q05"]).max() <= 5 * max(sold) + 1e-6  # type: ignore[operator]


GOOD = series("a", [1, 2, 3])


@pytest.mark.parametrize(
    ("history", "said"),
    [
        (GOOD.drop("y"), "column y is missing"),
        (GOOD.with_columns(y=pl.Series([1.0, float("nan"), 2.0])), "column y, row 2: nan is not a number"),
        (GOOD.with_columns(y=pl.Series([1.0, 2.0, None])), "column y, row 3: is missing"),
        (GOOD.with_columns(y=pl.Series(["1", "two", "3"])), "column y, row 2: 'two' is not a number"),
        (pl.concat([GOOD, GOOD.tail(1)]), "column unique_id, ds, row 4: a 2025-01-08 stands in row 3 already"),
        (GOOD.with_columns(ds=pl.Series(["2025-01-06", "soon", "2025-01-08"])), "column ds, row 2: 'soon' is not a date"),
        (GOOD.with_columns(ds=pl.Series([1, 2, 3])), "column ds, row 1: 1 is not a date"),
        (series("a", [1, 2], start=date(2999, 1, 1)), "column ds, row 1: 2999-01-01 lies in the future"),
        (GOOD.head(0), "has no rows"),
    ],
)  # fmt: skip
def test_bad_histories_are_refused_by_file_column_and_row(
    tmp_path: Path, history: pl.DataFrame, said: str
) -> None:
    with pytest.raises(BadInput) as refused:
        answer(tmp_path, history)
    assert said in str(refused.value)
    assert str(tmp_path / "history.parquet") in str(refused.value)
    assert list(tmp_path.iterdir()) == [tmp_path / "history.parquet"]  # nothing was written


def test_rows_of_a_csv_are_counted_with_its_header(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text("unique_id,ds,y\na,2025-01-01,1\na,2025-01-02,x\n")
    with pytest.raises(BadInput, match="row 3: 'x' is not a number"):
        read_question(path, None, None, horizon=7, freq="D", today=date(2026, 1, 1))


def test_a_future_that_overlaps_or_leaves_the_horizon_is_refused(tmp_path: Path) -> None:
    overlapping = pl.DataFrame({"unique_id": ["a"], "ds": [START]})
    with pytest.raises(BadInput, match="row 1: 2025-01-06 is not after the history's last day 2025-01-08"):
        answer(tmp_path, GOOD, future=overlapping)
    beyond = pl.DataFrame({"unique_id": ["a"], "ds": [START + timedelta(days=30)]})
    with pytest.raises(BadInput, match="row 1: 2025-02-05 lies beyond the horizon"):
        answer(tmp_path, GOOD, future=beyond)
    assert not (tmp_path / "answers.parquet").exists()


def test_days_between_weeks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="row 1: 2025-01-06 is not a whole number of weeks from 2025-01-08"):
        answer(tmp_path, GOOD, freq="W")


def test_the_command_ends_with_exit_code_2_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text("unique_id,ds\na,2025-01-01\n")
    with pytest.raises(SystemExit) as ended:
        call_command(
            "backtest", "forecast", "--history", str(tmp_path / "h.csv"), "--horizon", "7", "--freq", "D",
            "--out", str(tmp_path / "out.csv"),
        )  # fmt: skip
    assert ended.value.code == 2
    assert not (tmp_path / "out.csv").exists()
