"""What a training run may spend, and what still fits. Pure.

Seconds count while a step computes. What must come for any version (the last fit, and once for measuring it) is set aside from
the measured time of one window, so that windows and trials that would not leave room for it are not begun.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """Args:
    seconds: of computing, over all steps.
    models: rankers that are fitted to choose settings.
    spent: seconds of the steps before this one.
    began: `time.monotonic` when this step began.
    """

    seconds: float
    models: int
    spent: float
    began: float

    def left(self) -> float:
        return self.seconds - self.spent - (time.monotonic() - self.began)

    def fits(self, seconds: float, *, keep: float) -> bool:
        """Whether so many seconds may be spent so that `keep` are left."""
        return self.left() - keep >= seconds

    def until(self, *, keep: float) -> float:
        """The moment of `time.monotonic` at which no more than `keep` seconds are left."""
        return time.monotonic() + self.left() - keep
