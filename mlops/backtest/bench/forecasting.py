"""Sets of series of a data folder: our answers beside rules and, with the group `peers`, AutoETS, from the same files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from mlops.backtest.bench.cost import Cost, Failed, manage, measured
from mlops.backtest.bench.sets import DemandSet
from mlops.backtest.forecast_files import QUANTILES, Question, read_question
from mlops.backtest.measures.demand import Scales, paired, per_series, pit_gap, summary, wrmsse
from mlops.backtest.measures.intervals import Doubles, Interval
from mlops.predictors.demand import baselines
from mlops.predictors.demand.classes import PATTERNS, patterns
from mlops.predictors.demand.panel import Codes
from mlops.predictors.demand.quantiles import empirical

OURS, NAIVE, AUTO_ETS = "Shelfwise", "seasonal naive", "AutoETS"
DAYS_OF_WINDOW, DAYS_OF_QUANTILES = {1: 28, 7: 91}, {1: 56, 7: 182}
Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Scored:
    """One system on one origin.

    Args:
        series: measures of each series, as `measures.demand.per_series` tells them.
        pit: None without quantiles.
        cost: None for rules, which take next to nothing.
    """

    name: str
    series: dict[str, Doubles]
    levels: dict[str, float]
    pit: float | None
    cost: Cost | None


@dataclass(frozen=True, slots=True)
class Origin:
    """All systems on one origin; ours comes first."""

    demand: DemandSet
    weight: Doubles
    classes: Codes
    systems: tuple[Scored, ...]

    @property
    def title(self) -> str:
        return f"{self.demand.name}, {self.demand.origin.name}"


@dataclass(frozen=True, slots=True)
class Truth:
    """What is scored: rows of the panel, y of the horizon, and what it is scaled by."""

    question: Question
    rows: Codes
    y: Doubles
    scales: Scales
    levels: dict[str, Codes]

    @property
    def block(self) -> int:
        return 7 if self.question.panel.grid.step == 1 else 4


def scored(
    demand: DemandSet, work: Path, *, reuse: bool, peers: Path | None, seed: int, tell: Tell
) -> Origin:
    """Every system on this origin.

    Args:
        peers: Python of an environment with the group `peers`; None leaves AutoETS out.
    """
    folder = work / demand.name / demand.origin.name
    folder.mkdir(parents=True, exist_ok=True)
    truth = truth_of(demand)
    ours = folder / "ours.parquet"
    asked: list[str | Path] = [
        "--history",
        demand.history,
        "--horizon",
        str(demand.horizon),
        "--freq",
        demand.freq,
    ]
    if demand.future is not None:
        asked += ["--future", demand.future]
    if demand.static is not None:
        asked += ["--static", demand.static]
    command = manage("backtest", "forecast", *asked, "--out", ours, "--seed", str(seed))
    cost = _run(command, ours, reuse=reuse, tell=tell)
    found = [_scored(OURS, truth, *_answers(truth, ours), cost)]
    past = truth.question.panel.y[truth.rows]
    grid = truth.question.panel.grid
    window = grid.scaled(DAYS_OF_WINDOW[grid.step])
    spread = empirical(past, grid.horizon, grid.season, grid.scaled(DAYS_OF_QUANTILES[grid.step]))
    smoothed = baselines.smoothed(past, grid)
    for name, mean in (
        (NAIVE, baselines.seasonal_naive(past, grid.horizon, grid.season)),
        ("window mean", baselines.window_mean(past, grid.horizon, window)),
        ("mean of 8 same weekdays", baselines.phase_mean(past, grid.horizon, grid.season)),
        ("TSB", smoothed["tsb"]),
        ("Croston (SBA)", smoothed["croston"]),
        ("Theta", smoothed["theta"]),
    ):
        if name == "mean of 8 same weekdays" and grid.season == 1:
            continue
        found.append(_scored(name, truth, mean, spread, None))
    if peers:
        out = folder / "autoets.parquet"
        told: list[str | Path] = [
            peers,
            "-m",
            "mlops.backtest.bench.peer_forecasting",
            *asked,
            "--out",
            out,
        ]
        try:
            cost = _run(told, out, reuse=reuse, tell=tell)
            found.append(_scored(AUTO_ETS, truth, *_answers(truth, out), cost))
        except Failed as error:
            tell(f"  AutoETS is left out: {str(error).strip().splitlines()[-1]}")
    return Origin(demand, truth.scales.weight, patterns(past).astype(np.int32), tuple(found))


def truth_of(demand: DemandSet) -> Truth:
    """What the origin's files ask and what came true."""
    question = read_question(
        demand.history, demand.future, demand.static,
        horizon=demand.horizon, freq=demand.freq, today=datetime.now(UTC).date(),
    )  # fmt: skip
    panel = question.panel
    actuals = pl.read_parquet(demand.actuals).with_columns(
        pl.col("unique_id").cast(pl.String), pl.col("ds").cast(pl.Date)
    )
    rows, y = _placed(question, actuals, ["y"])
    scored_rows = np.flatnonzero(np.isfinite(y[0]).any(axis=1) & rows)
    past = panel.y[scored_rows]
    scales = Scales.of(
        past,
        season=panel.grid.season,
        horizon=panel.grid.horizon,
        price=None if panel.price is None else panel.price[scored_rows],
    )
    scales = replace(scales, weight=_revenue(demand, question, scored_rows, scales.weight))
    # The file's own levels, also those that our reader takes for none.
    static = None if demand.static is None else pl.read_parquet(demand.static)
    order = pl.DataFrame({"unique_id": [panel.ids[row] for row in scored_rows]})
    levels: dict[str, Codes] = {}
    for name in demand.levels:
        if static is not None and name in static.columns:
            told = order.join(
                static.with_columns(pl.col("unique_id").cast(pl.String)),
                on="unique_id",
                how="left",
                maintain_order="left",
            )[name]
            levels[name] = told.cast(pl.String).fill_null("").rank("dense").to_numpy().astype(np.int32)
    return Truth(question, scored_rows.astype(np.int32), y[0][scored_rows], scales, levels)


def _revenue(demand: DemandSet, question: Question, rows: np.ndarray, otherwise: Doubles) -> Doubles:
    """What each series brought in the last steps as the history's column `revenue` tells; `otherwise` without one."""
    table = pl.scan_parquet(demand.history)
    if "revenue" not in table.collect_schema():
        return otherwise
    told = table.select(
        pl.col("unique_id").cast(pl.String), pl.col("ds").cast(pl.Date), pl.col("revenue").cast(pl.Float64)
    ).collect()
    grid = question.panel.grid
    recent = told.filter(pl.col("ds") > grid.day(grid.steps - 1 - grid.horizon))
    summed = recent.group_by("unique_id").agg(pl.col("revenue").fill_nan(0.0).fill_null(0.0).sum())
    order = pl.DataFrame({"unique_id": [question.panel.ids[row] for row in rows]})
    found = order.join(summed, on="unique_id", how="left", maintain_order="left")["revenue"].fill_null(0.0)
    weight: Doubles = np.maximum(found.to_numpy(), 0.0)
    return weight


def _placed(question: Question, table: pl.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, Doubles]:
    """bool [S], whether the table has the series, and its columns as [len(columns), S, H]; NaN where it has no row."""
    panel = question.panel
    place = pl.DataFrame({"unique_id": panel.ids}).with_row_index("row")
    first = panel.grid.day(panel.grid.steps)
    told = table.join(place, on="unique_id").with_columns(
        ((pl.col("ds") - pl.lit(first)).dt.total_days() // panel.grid.step).alias("ahead")
    )
    told = told.filter((pl.col("ahead") >= 0) & (pl.col("ahead") < panel.grid.horizon))
    out = np.full((len(columns), len(panel), panel.grid.horizon), np.nan)
    row, ahead = told["row"].to_numpy(), told["ahead"].to_numpy()
    for k, name in enumerate(columns):
        out[k, row, ahead] = told[name].cast(pl.Float64).to_numpy()
    known = np.zeros(len(panel), bool)
    known[row] = True
    return known, out


def _answers(truth: Truth, path: Path) -> tuple[Doubles, Doubles]:
    table = pl.read_parquet(path).with_columns(
        pl.col("unique_id").cast(pl.String), pl.col("ds").cast(pl.Date)
    )
    _, found = _placed(truth.question, table, ["mean", *QUANTILES])
    told = found[:, truth.rows]
    if not np.isfinite(told[:, np.isfinite(truth.y)]).all():
        raise Failed(f"{path}: a row that is scored has no answer")
    return told[0], told[1:]


def _scored(name: str, truth: Truth, mean: Doubles, quantiles: Doubles | None, cost: Cost | None) -> Scored:
    series = per_series(truth.y, mean, quantiles, truth.scales, block=truth.block)
    past = truth.question.panel.y[truth.rows]
    levels = wrmsse(past, truth.y, mean, truth.scales.weight, truth.levels)
    return Scored(name, series, levels, None if quantiles is None else pit_gap(truth.y, quantiles), cost)


def _run(command: Sequence[str | Path], out: Path, *, reuse: bool, tell: Tell) -> Cost:
    told = out.with_suffix(".cost.json")
    if reuse and out.is_file() and told.is_file():
        return Cost(**json.loads(told.read_text()))
    tell(f"  {out.stem} ({out.parent.parent.name}, {out.parent.name})")
    cost = measured(command)
    told.write_text(json.dumps(asdict(cost)))
    return cost


def tables(origins: Sequence[Origin]) -> list[str]:
    """Markdown: a table of measures for each origin, the paired differences, and classes of demand."""
    out: list[str] = []
    for origin in origins:
        out += [
            f"#### {origin.title}",
            "",
            f"{len(origin.weight):,} series, {origin.demand.horizon} steps ({origin.demand.freq}).",
            "",
            "| system | WAPE | block | total | q50 | bias | RMSSE | rev-w | WRMSSE | WSPL | cov 50 | cov 90 | width 90 | PIT gap | CPU s | CPU / AutoETS | peak MiB |",
            "| --- |" + " ---: |" * 16,
        ]
        ets = next((each.cost for each in origin.systems if each.name == AUTO_ETS), None)
        out += [_row(each, origin.weight, ets) for each in origin.systems]
        out += ["", *_differences(origin), *_classes(origin)]
    return out


def _row(each: Scored, weight: Doubles, ets: Cost | None) -> str:
    told = summary(each.series, weight)
    names = ("wape", "wape_block", "wape_total", "wape_q50")
    cells = [f"{told[name]:.3f}" for name in names]
    cells += [f"{told['bias']:+.3f}", f"{told['rmsse']:.4f}", f"{told['rmsse_weighted']:.4f}"]
    cells += [f"{each.levels['wrmsse']:.4f}", f"{told['wspl']:.4f}"]
    cells += [f"{told['coverage50']:.3f}", f"{told['coverage90']:.3f}", f"{told['width90']:.2f}"]
    cells.append("" if each.pit is None else f"{each.pit:.4f}")
    if each.cost is None:
        cells += ["", "", ""]
    else:
        ratio = "" if ets is None else f"{each.cost.cpu_s / ets.cpu_s:.2f}"
        cells += [f"{each.cost.cpu_s:,.0f}", ratio, f"{each.cost.peak_mib:,.0f}"]
    name = f"**{each.name}**" if each.name == OURS else each.name
    return f"| {name} | {' | '.join(cells)} |"


def _differences(origin: Origin) -> list[str]:
    """Ours less theirs; what is worse beyond the interval is marked."""
    out = ["| ours less | WAPE | total | RMSSE | WSPL |", "| --- | ---: | ---: | ---: | ---: |"]
    ours = origin.systems[0]
    for each in origin.systems[1:]:
        told = paired(ours.series, each.series)
        cells = [_difference(told[name]) for name in ("wape", "wape_total", "rmsse", "wspl")]
        out.append(f"| {each.name} | {' | '.join(cells)} |")
    return [*out, ""]


def _difference(each: Interval) -> str:
    mark = " worse" if each.low > 0 else ""
    return f"{each.value:+.4f} [{each.low:+.4f}, {each.high:+.4f}]{mark}"


def _classes(origin: Origin) -> list[str]:
    out = ["| class | series | ours: WAPE | total | RMSSE | cov 90 | seasonal naive: WAPE | total | RMSSE |"]
    out.append("| --- |" + " ---: |" * 8)
    ours, naive = origin.systems[0], next(each for each in origin.systems if each.name == NAIVE)
    for code, pattern in enumerate(PATTERNS):
        rows = origin.classes == code
        if rows.any():
            mine, theirs = (
                summary({name: each[rows] for name, each in one.series.items()}) for one in (ours, naive)
            )
            cells = [f"{mine[name]:.3f}" for name in ("wape", "wape_total", "rmsse", "coverage90")]
            cells += [f"{theirs[name]:.3f}" for name in ("wape", "wape_total", "rmsse")]
            out.append(f"| {pattern} | {rows.sum():,} | {' | '.join(cells)} |")
    return [*out, ""]
