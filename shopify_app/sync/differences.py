"""How what we keep differs from what Shopify has. Pure: facts in, verdicts, periods and findings out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

# Clocks differ and Shopify's search follows its changes with a delay: each sweep looks this far behind the watermark.
OVERLAP = timedelta(minutes=15)
# A delivery may still be on its way: what changed so shortly before the sweep is repaired, but nobody's fault.
ON_ITS_WAY = timedelta(seconds=60)
# Shopify lets an app without read_all_orders see 60 days; the oldest of them is not whole.
VISIBLE_DAYS = 59
DAYS_ONE_BY_ONE = 31
# Shopify opened in 2006: no object of a shop is older.
FIRST_DAY = date(2004, 1, 1)
WORST_GAP = 0.005
# Shopify's pages of one search end after so many objects, whatever is left.
PAGING_LIMIT = 25_000
Mark = tuple[Any, ...]


class Verdict(StrEnum):
    AGREES = "agrees"
    MISSING = "missing"  # Shopify has it, we do not
    WRONG = "wrong"  # we show it otherwise than Shopify
    BEHIND = "behind"  # it says the same, of an earlier time, or other chosen metafields


@dataclass(frozen=True, slots=True)
class State:
    """An object on either side.

    Args:
        version_at: whole seconds, as Shopify tells them.
        at: what names the object's day.
        mark: some of its values, in fixed order; None where a side cannot tell.
        deleted: we keep a tombstone.
        quiet: values that no webhook tells (chosen metafields): a difference is brought up to date, and nobody's fault.
            None where a side cannot tell.
    """

    version_at: datetime
    at: datetime
    mark: Mark = ()
    deleted: bool = False
    quiet: Mark | None = None


def judge(theirs: State, ours: State | None) -> Verdict:
    """What is to be said of our side. A tombstone or a version that is newer than Shopify's listing stands."""
    if ours is None:
        return Verdict.MISSING
    if ours.version_at > theirs.version_at:
        return Verdict.AGREES
    if ours.deleted:
        return Verdict.MISSING if theirs.version_at > ours.version_at else Verdict.AGREES
    if not _alike(theirs.mark, ours.mark):
        return Verdict.WRONG
    alike = theirs.quiet is None or ours.quiet is None or theirs.quiet == ours.quiet
    return Verdict.AGREES if alike and theirs.version_at == ours.version_at else Verdict.BEHIND


def _alike(theirs: Mark, ours: Mark) -> bool:
    return all(a is None or b is None or a == b for a, b in zip(theirs, ours, strict=True))


Key = TypeVar("Key", datetime, int)


@dataclass(frozen=True, slots=True)
class Place(Generic[Key]):
    """Where a walk over a search stands, which is sorted by `Key`: a time, or an id.

    Args:
        begin: the smallest key that the search asks for.
        after: cursor of the last page; empty at the first.
        taken: objects that this search has listed.
    """

    begin: Key
    after: str = ""
    taken: int = 0


def onward(
    place: Place[Key], *, listed: int, largest: Key | None, size: int, after: str | None, step: Key
) -> tuple[Place[Key] | None, bool]:
    """The next place after a page, None at the end; and whether something may have been passed over.

    Before Shopify's pages end, a new search begins at the largest key that was seen; what has that same key is listed
    again. Only when more than a whole search have one key does the walk step over it.

    Args:
        listed: objects of the page.
        largest: key among them; None when the page had none that was understood.
        size: objects of a full page.
        after: the cursor that the page told; None at the end.
        step: the key after `begin`, where `largest` does not lead on.
    """
    if after is None:
        return None, False
    taken = place.taken + listed
    if taken + size <= PAGING_LIMIT:
        return Place(place.begin, after, taken), False
    if largest is not None and largest > place.begin:
        return Place(largest), False
    return Place(step), True


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """Whole days of the shop, `last` included."""

    first: date
    last: date

    @property
    def single(self) -> bool:
        return self.first == self.last

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def halves(self) -> tuple[Period, Period]:
        middle = self.first + (self.last - self.first) // 2
        return Period(self.first, middle), Period(middle + timedelta(days=1), self.last)

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The first moment of the period and the first after it, UTC: a day has 23, 24 or 25 hours."""
        after = self.last + timedelta(days=1)
        begin = datetime(self.first.year, self.first.month, self.first.day, tzinfo=zone)
        end = datetime(after.year, after.month, after.day, tzinfo=zone)
        return begin.astimezone(UTC), end.astimezone(UTC)

    def words(self) -> list[str]:
        return [self.first.isoformat(), self.last.isoformat()]

    @classmethod
    def read(cls, words: Sequence[str]) -> Period:
        return cls(date.fromisoformat(words[0]), date.fromisoformat(words[1]))


def periods(today: date, *, oldest: date | None, touched: Iterable[date]) -> list[Period]:
    """What to count: the last days and those that the walk repaired one by one, the rest in growing pieces.

    A piece that differs is halved until the days are found, so equal shops cost a few dozen points.

    Args:
        oldest: nothing before this day can be compared; None when everything can.
        touched: days on which something was repaired.
    """
    start = max(FIRST_DAY, oldest or FIRST_DAY)
    days = {today - timedelta(days=each) for each in range(DAYS_ONE_BY_ONE)} | set(touched)
    alone = sorted(each for each in days if start <= each <= today)
    found = [Period(each, each) for each in alone]
    gap_from = start
    for day in [*alone, today + timedelta(days=1)]:
        found += _pieces(gap_from, day - timedelta(days=1))
        gap_from = day + timedelta(days=1)
    return sorted(found, reverse=True)


def _pieces(first: date, last: date) -> list[Period]:
    """From the end backwards in pieces of 32, 64, 128 ... days."""
    found, length = [], 32
    while first <= last:
        begin = max(first, last - timedelta(days=length - 1))
        found.append(Period(begin, last))
        last, length = begin - timedelta(days=1), length * 2
    return found


@dataclass(slots=True)
class Findings:
    """What a sweep found so far; numbers by day of the object (ISO, the shop's zone).

    Args:
        compared: objects of Shopify that were looked at.
        missing, wrong, gone: repaired, by what was the matter. Those still on their way are in `in_time` instead.
        behind: refreshed without any difference in what counts.
        unsettled: still different after the repair: Shopify tells them in a way we do not understand.
        theirs: Shopify's counts of the days that were counted one by one.
        left: days whose counts still differ: ours less theirs.
    """

    compared: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    in_time: int = 0
    behind: int = 0
    unsettled: int = 0
    theirs: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Findings:
        values: dict[str, Any] = {}
        for name, value in found.items():
            values[name] = dict(value) if isinstance(value, dict) else value
        return cls(**values)

    def plain(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def note(self, verdict: Verdict, day: date, *, late: bool) -> None:
        """Count one object that was brought up to date; `late`: its delivery should have been here."""
        if verdict is Verdict.BEHIND:
            self.behind += 1
        elif not late:
            self.in_time += 1
        elif verdict is not Verdict.AGREES:
            _add(self.missing if verdict is Verdict.MISSING else self.wrong, day)

    def note_gone(self, day: date) -> None:
        _add(self.gone, day)

    @property
    def repaired(self) -> int:
        return sum(sum(each.values()) for each in (self.missing, self.wrong, self.gone))

    @property
    def days(self) -> set[date]:
        """Days on which something was repaired."""
        return {date.fromisoformat(each) for each in (*self.missing, *self.wrong, *self.gone)}

    def gaps(self) -> dict[str, float]:
        """The share of each repaired day's objects that were not as Shopify has them, at most 1.

        Where Shopify counts nothing by day (stock), the share of what was compared.
        """
        found = {}
        for day in sorted({*self.missing, *self.wrong, *self.gone}):
            faults = self.missing.get(day, 0) + self.wrong.get(day, 0) + self.gone.get(day, 0)
            found[day] = min(1.0, faults / max(1, self.theirs.get(day, self.compared)))
        return found

    @property
    def worst_gap(self) -> float:
        return max(self.gaps().values(), default=0.0)

    @property
    def is_incident(self) -> bool:
        return self.worst_gap > WORST_GAP or bool(self.left) or self.unsettled > 0

    def told(self, resource: str) -> str:
        """One sentence for the merchant."""
        kinds = (("missing", self.missing), ("not up to date", self.wrong), ("deleted in Shopify", self.gone))
        parts = [f"{sum(each.values())} {word}" for word, each in kinds if each]
        days = sorted({*self.missing, *self.wrong, *self.gone})
        text = f"{resource.capitalize()} differed from Shopify: {', '.join(parts) or 'by count'}"
        text += f", on {len(days)} {'day' if len(days) == 1 else 'days'}" if days else ""
        if self.left or self.unsettled:
            return f"{text}. Not all could be repaired: {len(self.left)} days and {self.unsettled} objects still differ."
        return f"{text}. All of it was repaired."


def _add(numbers: dict[str, int], day: date) -> None:
    numbers[day.isoformat()] = numbers.get(day.isoformat(), 0) + 1
