"""`backtest forecast`: answers for a table of sales, by exactly the code that forecasts a shop's demand."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mlops.backtest.forecast_files import STEP_DAYS, read_question, write_answers
from mlops.training.forecast.run import forecast

HELP = "Forecast the sales of a table: mean and quantiles of each series and day (or week)."
LONGEST = 366


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--history", type=Path, required=True, help="unique_id, ds, y, covariates (Parquet or CSV)"
    )
    parser.add_argument(
        "--future", type=Path, help="unique_id, ds and covariates known ahead; its rows are answered"
    )
    parser.add_argument(
        "--static", type=Path, help="unique_id and attributes; levels are found by their values"
    )
    parser.add_argument("--horizon", type=_horizon, required=True, help="steps to forecast")
    parser.add_argument("--freq", choices=sorted(STEP_DAYS), required=True, help="D: days, W: weeks")
    parser.add_argument(
        "--out", type=Path, required=True, help="answers (Parquet, or CSV by the name's ending)"
    )
    parser.add_argument("--seed", type=int, default=1)


def run(options: Mapping[str, Any], tell: Callable[[str], object]) -> None:
    """Read, forecast, write.

    Raises:
        BadInput: a file cannot be used; nothing was written.
    """
    question = read_question(
        options["history"], options["future"], options["static"],
        horizon=options["horizon"], freq=options["freq"], today=datetime.now(UTC).date(),
    )  # fmt: skip
    for note in question.notes:
        tell(f"note: {note}")
    panel = question.panel
    tell(
        f"{len(panel)} series, {panel.grid.steps} steps up to {panel.grid.day(panel.grid.steps - 1)}; "
        f"known ahead: {', '.join(panel.known) or 'nothing'}; levels: {', '.join(panel.levels) or 'none'}"
    )
    told = forecast(panel, seed=options["seed"], tell=tell)
    for line in told.served:
        tell(line)
    step = question.ahead - 1
    quantiles = told.quantiles[:, question.rows, step].T
    write_answers(options["out"], question, told.mean[question.rows, step], np.ascontiguousarray(quantiles))
    tell(f"{len(question.rows)} answers in {options['out']}")


def _horizon(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from None
    if not 1 <= value <= LONGEST:
        raise ArgumentTypeError(f"the horizon is between 1 and {LONGEST} steps")
    return value
