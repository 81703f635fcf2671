"""What kind of demand a series has: the quadrants of Syntetos, Boylan and Croston (2005), and its time of life. Pure.

ADI is records for each record with sales, CV² the squared coefficient of variation of the sizes sold, both from the first sale.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt

from mlops.predictors.demand.panel import Array, Doubles, Flags

ADI_CUT = 1.32
CV2_CUT = 0.49
NEW_DAYS = 56
DEAD_WAITS = 6.0  # times its usual wait between sales without one
DEAD_DAYS = 56


class Pattern(StrEnum):
    """By regularity of sales and of their sizes; `SILENT` never sold."""

    SMOOTH = "smooth"
    ERRATIC = "erratic"
    INTERMITTENT = "intermittent"
    LUMPY = "lumpy"
    SILENT = "silent"


PATTERNS = tuple(Pattern)


def intermittency(y: Array) -> tuple[Doubles, Doubles]:
    """(ADI, CV²), each [S]; infinite and 0 where nothing was sold."""
    known = np.isfinite(y)
    sold = known & (np.nan_to_num(y) > 0)
    alive = known & np.logical_or.accumulate(sold, axis=1)
    times = sold.sum(axis=1)
    adi = np.divide(alive.sum(axis=1), times, out=np.full(len(y), np.inf), where=times > 0)
    value = np.where(sold, y, 0.0).astype(np.float64)
    mean = value.sum(axis=1) / np.maximum(times, 1)
    spread = (np.where(sold, value - mean[:, None], 0.0) ** 2).sum(axis=1) / np.maximum(times - 1, 1)
    cv2 = np.divide(spread, mean**2, out=np.zeros(len(y)), where=mean > 0)
    return adi, cv2


def patterns(y: Array) -> npt.NDArray[np.int8]:
    """int8 [S]: the place in `PATTERNS` of each series' pattern."""
    adi, cv2 = intermittency(y)
    often, even = adi < ADI_CUT, cv2 < CV2_CUT
    code = np.select([~np.isfinite(adi), often & even, often, even], [4, 0, 1, 2], 3)
    return code.astype(np.int8)


def new_series(y: Array, step: int) -> Flags:
    """bool [S]: first sold within the last `NEW_DAYS`, or never."""
    sold = np.nan_to_num(y) > 0
    first = np.where(sold.any(axis=1), sold.argmax(axis=1), y.shape[1])
    new: Flags = (y.shape[1] - first) * step <= NEW_DAYS
    return new


def dead_series(y: Array, step: int) -> Flags:
    """bool [S]: sold once, but not for `DEAD_WAITS` times its usual wait, and at least `DEAD_DAYS`."""
    sold = np.nan_to_num(y) > 0
    steps = y.shape[1]
    last = steps - 1 - sold[:, ::-1].argmax(axis=1)
    quiet = steps - 1 - last
    adi, _ = intermittency(np.where(np.arange(steps) <= last[:, None], y, np.nan))
    dead: Flags = sold.any(axis=1) & (quiet * step >= DEAD_DAYS) & (quiet > DEAD_WAITS * adi)
    return dead
