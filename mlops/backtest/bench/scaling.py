"""Time and memory to train by the number of order lines, and how they grow."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlops.backtest.bench.cost import Cost, manage, measured
from mlops.backtest.bench.lines import daily, made

SIZES = (50_000, 500_000, 5_000_000)
HORIZON = 28
Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Sized:
    """One size.

    Args:
        told: what `bench.trained` measured.
        recommend, forecast: of the whole processes, files read.
    """

    lines: int
    series: int
    told: dict[str, Any]
    recommend: Cost
    forecast: Cost


def measured_sizes(sizes: Sequence[int], work: Path, seed: int, tell: Tell) -> list[Sized]:
    """Each size in processes of its own; the files stay in the work folder."""
    folder = work / "scaling"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for size in sizes:
        tell(f"{size:,} order lines")
        train, history = folder / f"{size}.train.parquet", folder / f"{size}.history.parquet"
        lines = made(size, seed)
        lines.write_parquet(train)
        days = daily(lines)
        days.write_parquet(history)
        series, count = days["unique_id"].n_unique(), len(lines)
        del lines, days
        out = folder / f"{size}.json"
        recommend = measured(
            [
                sys.executable,
                "-m",
                "mlops.backtest.bench.trained",
                "--train",
                train,
                "--out",
                out,
                "--seed",
                str(seed),
            ]
        )
        tell(f"  recommender: {recommend.cpu_s:,.0f} s of CPU, {recommend.peak_mib:,.0f} MiB")
        forecast = measured(
            manage(
                "backtest", "forecast", "--history", history, "--horizon", str(HORIZON), "--freq", "D",
                "--out", folder / f"{size}.answers.parquet", "--seed", str(seed),
            )
        )  # fmt: skip
        tell(f"  forecaster: {forecast.cpu_s:,.0f} s of CPU, {forecast.peak_mib:,.0f} MiB")
        found.append(Sized(count, series, json.loads(out.read_text(encoding="utf-8")), recommend, forecast))
    return found


def table(found: Sequence[Sized]) -> list[str]:
    """Markdown; growth is the exponent of time (or memory) by lines from the size before."""
    head = [f"{each.lines:,} lines" for each in found]
    out = ["| | " + " | ".join(head) + " |", "| --- |" + " ---: |" * len(head)]

    def row(name: str, cells: Sequence[str]) -> None:
        out.append(f"| {name} | {' | '.join(cells)} |")

    def grown(name: str, values: Sequence[float], unit: str) -> None:
        cells = [f"{values[0]:,.0f} {unit}"]
        for at in range(1, len(values)):
            power = np.log(values[at] / values[at - 1]) / np.log(found[at].lines / found[at - 1].lines)
            cells.append(f"{values[at]:,.0f} {unit} (lines^{power:.2f})")
        row(name, cells)

    grown("recommender, all slots: CPU", [each.recommend.cpu_s for each in found], "s")
    grown("recommender: peak", [each.recommend.peak_mib for each in found], "MiB")
    row("series forecast", [f"{each.series:,}" for each in found])
    grown("forecaster, 28 days: CPU", [each.forecast.cpu_s for each in found], "s")
    grown("forecaster: peak", [each.forecast.peak_mib for each in found], "MiB")
    row(
        "both, wall on this machine",
        [f"{each.recommend.wall_s + each.forecast.wall_s:,.0f} s" for each in found],
    )
    row("recommender's artefact, packed", [f"{each.told['artefact_mib']:.1f} MiB" for each in found])
    for name, key in (
        ("one query of a known customer's home page, one core", "home_ms"),
        ("one query of a product page, one core", "page_ms"),
        ("of it ranking 200 candidates (home)", "home_rank_ms"),
        ("of it ranking 200 candidates (page)", "page_rank_ms"),
    ):
        row(
            name,
            [f"{each.told[key]:.2f} ms" if key in each.told else "a generator answers" for each in found],
        )
    return [*out, ""]
