"""`bench_models` on made-up sets: it finds them by their files, measures all systems alike, and fails where a floor is missed."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from django.core.management import call_command

from mlops.backtest.bench.ablation import emptied, kept
from mlops.backtest.bench.answers import read_truth
from mlops.backtest.bench.floors import Floor, Shape, cut, shaped, table
from mlops.backtest.bench.forecasting import truth_of
from mlops.backtest.bench.lines import daily, made
from mlops.backtest.bench.parts import replaced
from mlops.backtest.bench.scaling import measured_sizes
from mlops.backtest.bench.scaling import table as scaling_table
from mlops.backtest.bench.sets import Window, demand_sets, ranking_sets
from mlops.backtest.commands import BadInput
from mlops.backtest.measures.intervals import Interval
from mlops.backtest.measures.ranking import METRICS
from mlops.backtest.recommend_files import read_lines
from mlops.backtest.rolling.rivals import Rival
from mlops.predictors.recommend.features import Slot
from mlops.training.recommend.examples import Examples, ndcg
from tests.mlops.backtest.shops import queries, query, themed_shop, written

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of two tasks and a set of three origins."""
    folder = tmp_path_factory.mktemp("data")
    bench = folder / "themed" / "bench" / "validation"
    bench.mkdir(parents=True)
    lines = themed_shop(customers=60, days=140)
    cut_off = lines["ordered_at"].min() + timedelta(days=110)  # type: ignore[operator]
    written(lines.filter(pl.col("ordered_at") < cut_off), bench / "train.parquet")
    later = lines.filter((pl.col("ordered_at") >= cut_off) & pl.col("customer_id").is_not_null())
    bought = later.group_by("customer_id").agg(pl.col("sku").unique()).sort("customer_id")
    asked = [query(f"q{k}", 110, who) for k, (who, _) in enumerate(bought.iter_rows())]
    written(queries(asked), bench / "next_purchase.queries.parquet")
    truth = [
        {"query_id": f"q{k}", "sku": sku, "weight": 1.0, "unit": k}
        for k, (_, skus) in enumerate(bought.iter_rows())
        for sku in skus
    ]
    pl.DataFrame(truth).write_parquet(bench / "next_purchase.truth.parquet")
    (bench / "peers").mkdir()
    popular = lines["sku"].value_counts(sort=True)["sku"].head(5).to_list()
    given = [
        {"query_id": f"q{k}", "rank": rank, "sku": sku, "score": -float(rank)}
        for k in range(len(bought))
        for rank, sku in enumerate(popular, start=1)
    ]
    pl.DataFrame(given).write_parquet(bench / "peers" / "next_purchase.fixed.parquet")
    draw = np.random.default_rng(1)
    days = [date(2024, 1, 1) + timedelta(days=k) for k in range(220)]
    y = draw.poisson(2 + 2 * np.sin(np.arange(220) * 2 * np.pi / 7), (12, 220)).astype(float)
    for k in (1, 2, 3):
        origin = folder / "daily" / "bench" / f"origin_{k}"
        origin.mkdir(parents=True)
        end = 220 - 14 * (4 - k)
        for name, span in (("history", range(end)), ("actuals", range(end, end + 14))):
            rows = [
                {"unique_id": f"s{row}", "ds": days[at], "y": y[row, at]} for row in range(12) for at in span
            ]
            pl.DataFrame(rows).write_parquet(origin / f"{name}.parquet")
    (folder / "daily" / "bench" / "windows.json").write_text(
        json.dumps({"freq": "D", "horizon": 14, "levels": []})
    )
    return folder


def bench(*arguments: object) -> str:
    """What it says. A shop of sixty customers may miss a floor: that is told, and is no fault of the command."""
    told = StringIO()
    try:
        call_command("bench_models", *[str(each) for each in arguments], stdout=told, stderr=StringIO())
    except SystemExit as ended:
        if ended.code != 1:
            raise
        assert "Floor missed: " in told.getvalue()
    return told.getvalue()


def test_sets_are_found_by_their_files(data: Path) -> None:
    found = ranking_sets(data, Window.VALIDATION)
    assert [(each.name, each.tasks, list(each.peers("next_purchase"))) for each in found] == [
        ("themed", ("next_purchase",), ["fixed"])
    ]
    assert ranking_sets(data, Window.TEST) == []
    assert [each.origin.name for each in demand_sets(data, Window.TEST)] == ["origin_3"]
    assert [each.origin.name for each in demand_sets(data, Window.VALIDATION)] == ["origin_1", "origin_2"]
    with pytest.raises(BadInput, match="holds no set nowhere"):
        ranking_sets(data, Window.TEST, ["nowhere"])


def test_all_systems_answer_the_same_files(data: Path, tmp_path: Path) -> None:
    told = bench("recommend", "cold-start", "--data", data, "--work", tmp_path)
    rows = [each for each in told.splitlines() if each.startswith("| ")]
    names = {each.split("|")[1].strip() for each in rows}
    assert {"**Shelfwise**", "bestsellers", "own_repeats", "bought_together", "fixed (given)"} <= names
    assert any(each.startswith("| themed, next_purchase | 2 to 5 orders |") for each in rows)
    again = bench("recommend", "--data", data, "--work", tmp_path, "--reuse")
    assert [each for each in again.splitlines() if "Shelfwise" in each] == [
        each for each in told.splitlines() if "Shelfwise" in each
    ][: len([each for each in again.splitlines() if "Shelfwise" in each])]


def test_products_are_new_by_their_first_sale_in_the_training_file(data: Path) -> None:
    ranking = ranking_sets(data, Window.VALIDATION)[0]
    lines = pl.read_parquet(ranking.train)
    truth = read_truth(ranking, "next_purchase")
    assert not truth.fresh.any()  # all were sold from the first days on
    young = lines["ordered_at"].max() - timedelta(days=13)  # type: ignore[operator]
    newly = lines.filter(pl.col("ordered_at") > young)["sku"][0]
    later = lines.filter((pl.col("sku") != newly) | (pl.col("ordered_at") > young))
    folder = data / "other" / "bench" / "validation"
    folder.mkdir(parents=True)
    later.write_parquet(folder / "train.parquet")
    for name in ("queries", "truth"):
        path = ranking.folder / f"next_purchase.{name}.parquet"
        (folder / path.name).write_bytes(path.read_bytes())
    found = read_truth(ranking_sets(data, Window.VALIDATION, ["other"])[0], "next_purchase")
    shutil.rmtree(data / "other")
    assert [found.items["sku"][int(at)] for at in np.flatnonzero(found.fresh)] == [newly]


def test_answers_that_break_the_protocol_are_refused(data: Path, tmp_path: Path) -> None:
    truth = read_truth(ranking_sets(data, Window.VALIDATION)[0], "next_purchase")
    twice = pl.DataFrame(
        {"query_id": ["q0", "q0"], "rank": [1, 2], "sku": ["p01", "p01"], "score": [2.0, 1.0]}
    )
    twice.write_parquet(tmp_path / "a.parquet")
    with pytest.raises(BadInput, match="column sku, row 1: comes twice"):
        truth.values(tmp_path / "a.parquet")
    nothing = twice.head(0)
    nothing.write_parquet(tmp_path / "b.parquet")
    values, shown, fresh = truth.values(tmp_path / "b.parquet")
    assert values.shape == (len(truth.query), len(METRICS))
    assert values.sum() == shown == fresh.sum() == 0.0


def test_forecasts_are_measured_beside_rules(data: Path, tmp_path: Path) -> None:
    told = bench("forecast", "--data", data, "--window", "test", "--work", tmp_path)
    names = [each.split("|")[1].strip() for each in told.splitlines() if each.startswith("| ")]
    assert {"**Shelfwise**", "seasonal naive", "window mean", "TSB", "Croston (SBA)", "Theta"} <= set(names)


def test_series_weigh_by_the_revenue_that_the_history_tells(data: Path) -> None:
    origin = data / "daily" / "bench" / "origin_3"
    history = pl.read_parquet(origin / "history.parquet")
    last = history["ds"].max()
    told = history.with_columns((pl.col("unique_id") == "s3").cast(pl.Float64).alias("revenue"))
    told.write_parquet(origin / "history.parquet")
    try:
        weight = truth_of(demand_sets(data, Window.TEST)[0]).scales.weight
    finally:
        history.write_parquet(origin / "history.parquet")
    assert weight.sum() == 14.0  # one a day, of the last horizon alone
    assert last == date(2024, 1, 1) + timedelta(days=220 - 14 - 1)


def test_shops_are_cut_out_by_whole_customers(data: Path) -> None:
    path = ranking_sets(data, Window.VALIDATION)[0].train
    lines = read_lines(path, now=NOW)
    part = cut(lines, 50, seed=1)
    assert part is not None
    assert 50 <= part["order_id"].n_unique() <= 80
    for who, orders in (
        part.drop_nulls("customer_id").group_by("customer_id").agg(pl.col("order_id").n_unique()).rows()
    ):
        assert lines.filter(pl.col("customer_id") == who)["order_id"].n_unique() == orders
    again = cut(lines, 50, seed=1)
    assert again is not None
    assert part.equals(again)
    assert cut(lines, 10**6, seed=1) is None
    assert shaped(part, Shape.NO_CUSTOMERS)["customer_id"].is_null().all()
    assert shaped(part, Shape.NO_PRICES)["unit_price"].is_null().all()
    bare = shaped(part, Shape.NO_DATES)
    assert bare.group_by("order_id").agg(pl.col("at").n_unique())["at"].max() == 1
    baskets = shaped(part, Shape.BASKETS)
    assert baskets["at"].n_unique() == 2
    assert baskets["customer_id"].is_null().all()


def test_a_floor_is_missed_beyond_the_interval_alone() -> None:
    def floor(low: float, high: float, queries: int = 50) -> Floor:
        against = Interval((low + high) / 2, low, high)
        return Floor("x", 20, Shape.WHOLE, Slot.HOME, queries, 0.1, 0.2, Rival.LATELY, against)

    assert floor(-0.2, -0.1).failed
    assert not floor(-0.2, 0.01).failed
    assert not floor(-0.2, -0.1, queries=5).failed
    told = table([floor(-0.2, -0.1), floor(0.0, 0.1)])
    assert "| 20 | 2 | 100 | 1 |" in told[2]


def test_floors_run_on_every_shape(data: Path) -> None:
    told = bench("floors", "--data", data, "--sizes", "50", "--sets", "themed")
    assert "| 50 | " in told


def test_made_up_lines_are_of_the_size_asked_for_and_the_same_each_time() -> None:
    lines = made(20_000, seed=4)
    assert abs(len(lines) - 20_000) < 2_000
    assert lines.equals(made(20_000, seed=4))
    again = lines.drop_nulls("customer_id").group_by("customer_id", "sku").agg(pl.col("order_id").n_unique())
    assert (again["order_id"] > 1).mean() > 0.05  # type: ignore[operator]
    days = daily(lines)
    assert days.columns == ["unique_id", "ds", "y"]
    assert days["y"].sum() <= lines["quantity"].sum()


def test_each_size_is_trained_packed_and_asked(tmp_path: Path) -> None:
    found = measured_sizes([2_000, 4_000], tmp_path, 1, lambda told: None)
    assert [each.lines for each in found] == [pytest.approx(size, rel=0.12) for size in (2_000, 4_000)]
    for each in found:
        assert each.recommend.cpu_s > 0
        assert each.forecast.peak_mib > 10
        assert each.told["artefact_mib"] > 0
        assert each.told["home_ms"] > 0
    rows = scaling_table(found)
    assert "(lines^" in rows[2]


def test_what_is_left_out_is_empty_or_gone() -> None:
    found = Examples(
        x=np.array([[1, 5], [2, 6], [3, 7]], np.float16),
        bought=np.array([True, False, True]),
        item=np.array([0, 1, 0], np.int32),
        sizes=np.array([2, 1]),
        known=np.array([True, True]),
        ideal=np.array([1.0, 1.0]),
        unit=np.array([0, 1]),
        names=("a", "b"),
        usual=np.ones(3, bool),
    )
    assert np.isnan(emptied(found, ["b"]).x[:, 1]).all()
    assert not np.isnan(found.x).any()
    less = kept(found, np.array([False, True, True]))
    assert less.sizes.tolist() == [1, 1]
    assert len(less.usual) == 2
    assert ndcg(less.x[:, 0], less).tolist() == [0.0, 1.0]


def test_tables_stand_between_their_marks() -> None:
    page = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n"
    assert replaced(page, "new\n\n", mark="x") == "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb\n"
    with pytest.raises(BadInput):
        replaced("a", "new", mark="x")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for arguments in (["recommend"], ["recommend", "--data", tmp_path / "nowhere"]):
        with pytest.raises(SystemExit) as ended:
            bench(*arguments)
        assert ended.value.code == 2
