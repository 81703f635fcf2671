"""Training rows: (series, origin, steps ahead), drawn from a panel's own past. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops.predictors.demand.describe import Describer
from mlops.predictors.demand.panel import Array, Floats

FEWEST_ROWS = 400


@dataclass(frozen=True, slots=True)
class Rows:
    """What a model is fitted to.

    Args:
        names: of the features' columns.
        features: float32 [n, F].
        y: float32 [n], units.
        level: float32 [n], units; the scale of the row's series at its origin.
        ahead: int32 [n], steps from the origin.
        origin: int32 [n].
        series: int32 [n], rows of the describer's panel.
    """

    names: tuple[str, ...]
    features: Floats
    y: Floats
    level: Floats
    ahead: npt.NDArray[np.int32]
    origin: npt.NDArray[np.int32]
    series: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.y)

    def where(self, mask: Array) -> Rows:
        return Rows(self.names, *(getattr(self, name)[mask] for name in _ARRAYS))

    @classmethod
    def joined(cls, parts: list[Rows]) -> Rows:
        """All rows of parts that have the same features.

        Raises:
            ValueError: they have not.
        """
        if any(part.names != parts[0].names for part in parts):
            raise ValueError("parts of one table have the same features")
        return cls(
            parts[0].names, *(np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS)
        )


_ARRAYS = ("features", "y", "level", "ahead", "origin", "series")


def origins(last: int, *, gap: int, span: int, shortest: int) -> list[int]:
    """Origins before column `last`, newest first: every `gap` columns from `last - 1` back over `span` columns.

    Those nearer to `last` than the horizon are asked only for the steps that are known by then.
    """
    return [t for t in range(last - 1, max(last - 1 - span, shortest - 1), -gap) if t > 0]


def training_rows(
    describer: Describer, at: list[int], *, last: int, horizon: int, draws: int, seed: int, share: float = 1.0
) -> Rows | None:
    """`draws` distinct steps ahead of each series at each origin in `at`, targets before column `last`; None where no
    series has a past before any of them.

    Args:
        share: of series that are drawn at each origin.
    """
    rng = np.random.default_rng(seed)
    y = describer.panel.y
    series = np.arange(len(y), dtype=np.int32)
    parts: list[Rows] = []
    for origin in sorted(at):
        most = min(horizon, last - origin)
        alive = (describer.past.first_sale >= 0) & (describer.past.first_sale < origin)
        if share < 1.0:
            alive &= rng.random(len(y)) < share
        rows = series[alive]
        if most < 1 or not len(rows):
            continue
        take = min(draws, most) if most == horizon else max(1, round(draws * most / horizon))
        ahead = (
            np.argpartition(rng.random((len(rows), most)), take - 1, axis=1)[:, :take].astype(np.int32) + 1
        )
        of, ahead = np.repeat(rows, take), np.sort(ahead, axis=1).ravel()
        sold = y[of, origin + ahead - 1]
        known = np.isfinite(sold)
        of, ahead, sold = of[known], ahead[known], sold[known]
        if not len(of):
            continue
        features = describer.at(origin, of, ahead)
        level = describer.scale(origin, of, ahead)
        when = np.full(len(of), origin, np.int32)
        parts.append(Rows(describer.names, features, sold, level, ahead, when, of))
    return Rows.joined(parts) if parts else None
