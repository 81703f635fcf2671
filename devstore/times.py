"""Arrays of epoch seconds as the store's time texts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def time_texts(seconds: NDArray[np.int64]) -> list[str]:
    """Epoch seconds, shape (n,), as n texts like 2026-11-20T12:34:56Z."""
    texts: list[str] = np.datetime_as_string(seconds.astype("datetime64[s]"), timezone="UTC").tolist()
    return texts
