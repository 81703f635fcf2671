"""Days of a shop: cut where its own clocks say midnight, so that one may have 23 or 25 hours. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days in a row.

    Args:
        first: the first day.
        bounds: UTC, one more than there are days; day `first + i` is [bounds[i], bounds[i + 1]).
    """

    first: date
    bounds: tuple[datetime, ...]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def day(self, position: int) -> date:
        return self.first + timedelta(days=position)

    @property
    def begin(self) -> datetime:
        return self.bounds[0]

    @property
    def end(self) -> datetime:
        return self.bounds[-1]


def days(zone: str, *, since: date, until: date) -> Days:
    """The days from `since` to `until`, both included, in an IANA time zone.

    A midnight that the clocks skip (some zones change at 00:00) is the moment they jump to; of a midnight that comes
    twice the first counts.

    Raises:
        ValueError: `until` is before `since`.
        ZoneInfoNotFoundError: there is no such zone.
    """
    if until < since:
        raise ValueError(f"{until} is before {since}")
    there = ZoneInfo(zone)
    count = (until - since).days + 2
    return Days(since, tuple(_midnight(since + timedelta(days=each), there) for each in range(count)))


def day_of(at: datetime, zone: str) -> date:
    """The shop's day in which a moment lies."""
    return at.astimezone(ZoneInfo(zone)).date()


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # fold=0: the first of two; of a skipped one, Python counts on with the offset before the jump: the jump itself.
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)
