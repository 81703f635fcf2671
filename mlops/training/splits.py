"""Time splits: what a model may learn from, what chooses its settings, what it is measured on. Pure.

    first order ------------- validation_from ------- test_from ------- last order
    [ fit while choosing     )[ choose settings      )
    [ fit while measuring                            )[ measure        ]

Both windows last a tenth of the history, at least a week and at most four. The model that is deployed is fitted on all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SHARE = 0.1
SHORTEST = timedelta(days=7)
LONGEST = timedelta(days=28)
# With less the windows hold too few baskets to tell one setting from another.
LEAST_ORDERS = 200
LEAST_HISTORY = timedelta(days=35)


@dataclass(frozen=True, slots=True)
class Windows:
    """Args:
    until: end of the test window, not included.
    """

    validation_from: datetime
    test_from: datetime
    until: datetime


def windows(*, first: datetime, last: datetime, orders: int) -> Windows | None:
    """The split of a history; None when it is too short to measure anything honestly."""
    span = last - first
    if orders < LEAST_ORDERS or span < LEAST_HISTORY:
        return None
    length = min(max(span * SHARE, SHORTEST), LONGEST)
    until = last + timedelta(microseconds=1)
    return Windows(validation_from=until - 2 * length, test_from=until - length, until=until)
