"""statsforecast's AutoETS on the same files, in a process of its own. Needs the group `peers`.

Season 7 for days and none for weeks, its own intervals, one thread; a series begins with its first record.
"""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mlops.backtest.forecast_files import read_question, write_answers
from mlops.predictors.demand.quantiles import TAUS

LEVELS = (50, 90)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=Path, required=True)
    parser.add_argument("--future", type=Path)
    parser.add_argument("--static", type=Path)
    parser.add_argument("--horizon", type=int, required=True)
    parser.add_argument("--freq", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    from statsforecast.models import AutoETS

    question = read_question(
        options.history, options.future, None,
        horizon=options.horizon, freq=options.freq, today=datetime.now(UTC).date(),
    )  # fmt: skip
    panel = question.panel
    mean = np.zeros((len(panel), options.horizon))
    quantiles = np.zeros((len(TAUS), len(panel), options.horizon))
    for row, y in enumerate(panel.y.astype(np.float64)):
        told = y[np.isfinite(y)]
        if not len(told):
            continue
        found = AutoETS(season_length=panel.grid.season).forecast(
            y=told, h=options.horizon, level=list(LEVELS)
        )
        mean[row] = found["mean"]
        quantiles[:, row] = [found["lo-90"], found["lo-50"], found["mean"], found["hi-50"], found["hi-90"]]
    # As the others' answers: nothing below 0, nothing that is no number, quantiles in order.
    mean, quantiles = (
        np.maximum(np.nan_to_num(mean), 0.0),
        np.sort(np.maximum(np.nan_to_num(quantiles), 0.0), axis=0),
    )
    step = question.ahead - 1
    write_answers(
        options.out,
        question,
        mean[question.rows, step],
        np.ascontiguousarray(quantiles[:, question.rows, step].T),
    )


if __name__ == "__main__":
    main()
