"""What sells now: the baseline that others must beat, and the tier behind them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlops.predictors.protocols import Indices, Scores


@dataclass(frozen=True, slots=True)
class Trending:
    """Products by decayed number of orders.

    Args:
        order_: int32 [n_sold] positions in the catalogue, best first; products that never sold are left out.
        scores_: float32 [n_sold] orders, each counting 0.5 ** (age / half-life).
    """

    order_: Indices
    scores_: Scores

    def __post_init__(self) -> None:
        if self.order_.shape != self.scores_.shape or self.order_.ndim != 1:
            raise ValueError(
                f"trending needs order [n] and scores [n], not {self.order_.shape}, {self.scores_.shape}"
            )
        if len(self.scores_) and bool(np.any(np.diff(self.scores_) > 0)):
            raise ValueError("trending scores must not rise with rank")
