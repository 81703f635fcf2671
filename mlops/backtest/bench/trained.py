"""All slots of one shop learnt, packed and asked one by one, in a process of its own: `python -m ... --train FILE --out JSON`."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np

from mlops.backtest.recommend_files import read_lines
from mlops.predictors.recommend.features import Slot, pairs
from mlops.predictors.recommend.packing import to_arrays
from mlops.predictors.recommend.signals import UNKNOWN, Batch
from mlops.predictors.recommend.two_stage import TwoStage, predicted
from mlops.training.recommend.content import content_table
from mlops.training.recommend.fit import fit_recommender
from mlops.training.recommend.ledger import ledger
from mlops.training.recommend.windows import context_matrix

CANDIDATES, ASKED = 200, 200


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    book = ledger(read_lines(options.train, now=datetime.now(UTC) + timedelta(days=1)))
    content = content_table(book.skus, {}, codes=book.sales.dated)
    began = time.process_time()
    fitted = fit_recommender(book.sales, book.now, set(Slot), options.seed, print, content=content)
    told: dict[str, object] = {"fit_cpu_s": time.process_time() - began, "lines": len(book.sales)}
    packed = BytesIO()
    np.savez_compressed(packed, **to_arrays(fitted.recommender))  # type: ignore[arg-type]
    told["artefact_mib"] = packed.tell() / 2**20
    told |= _asked(fitted.recommender, book.now, options.seed)
    options.out.write_text(json.dumps(told), encoding="utf-8")


def _asked(recommender: TwoStage, now: float, seed: int) -> dict[str, float]:
    """CPU milliseconds of single queries, and of scoring `CANDIDATES` pairs with one core."""
    draw = np.random.default_rng(seed)
    signals = recommender.signals
    known = np.flatnonzero(signals.known)
    buyers = np.flatnonzero(np.diff(signals.own.indptr) > 0)
    out: dict[str, float] = {}
    for slot in (Slot.HOME, Slot.PAGE):
        taken = []
        for _ in range(ASKED):
            seen = draw.choice(known, 1) if slot == Slot.PAGE else np.empty(0, np.int64)
            who = int(draw.choice(buyers)) if len(buyers) else UNKNOWN
            batch = Batch(
                np.array([who], np.int32),
                np.array([now]),
                context_matrix([seen.astype(np.int32)], signals.n_items),
                np.array([False]),
            )
            began = time.process_time()
            recommender.answer(batch, 20)
            taken.append(1000 * (time.process_time() - began))
        out[f"{slot}_ms"] = float(np.median(taken))
        ranker = recommender.rankers.get(slot)
        if ranker is not None:
            x = pairs(signals, batch, slot).x
            x = np.resize(x, (CANDIDATES, x.shape[1]))
            began = time.process_time()
            for _ in range(ASKED):
                predicted(ranker, x)
            out[f"{slot}_rank_ms"] = 1000 * (time.process_time() - began) / ASKED
    return out


if __name__ == "__main__":
    main()
