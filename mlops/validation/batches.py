"""Judges a batch as a whole: faults that no single row shows, because each row alone could be true. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mlops.features.events import Event, OrderPlaced
from mlops.validation.expectations import Check, Expectation, Suite
from mlops.validation.rows import Compared

# A factor of 100 is told from a sale by its evenness: so far around it prices may lie...
SPREAD = 1.6
# ... and so many of the prices that are far too high must lie there.
EVEN_SHARE = 0.7
FAR_TOO_HIGH = 20.0
# Few rows at a time: the day so far is judged with them, once it has this many.
LEAST_OF_A_DAY = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """An expectation about a whole batch that does not hold, with what was seen."""

    expectation: Expectation
    observed: str

    @property
    def reason(self) -> str:
        return f"{self.observed}; allowed: {self.expectation.allowed()}"


@dataclass(frozen=True, slots=True)
class Day:
    """What the rows of this resource came to today, before this batch."""

    checked: int = 0
    quarantined: int = 0


def judge_batch(
    suite: Suite,
    events: Sequence[tuple[int, Event]],
    refused: Collection[int],
    compared: Sequence[Compared],
    *,
    today: Day,
    now: datetime,
) -> list[Verdict]:
    """Every expectation about the batch that does not hold.

    Args:
        events: of the suite's resource, without rows that are held already: those were judged when they first came.
        refused: indices of those that failed an expectation of severity quarantine or halt.
        compared: their prices beside the known ones.
    """
    found: list[Verdict] = []
    for each in suite.expectations:
        match each.check:
            case Check.PASS_SHARE:
                found += _pass_share(each, len(events), len(refused), today)
            case Check.NULL_SHARE:
                found += _null_share(each, events, now)
            case Check.SCALE:
                found += _scale(each, events, compared)
            case _:
                pass
    return found


def _pass_share(expectation: Expectation, rows: int, refused: int, today: Day) -> Iterator[Verdict]:
    share, least = float(expectation.bounds["min"]), int(expectation.bounds["least"])
    if not refused:
        return
    if refused >= least and rows - refused < share * rows:
        yield Verdict(expectation, f"{refused} of {rows} rows cannot be true")
        return
    rows, refused = rows + today.checked, refused + today.quarantined
    if rows >= LEAST_OF_A_DAY and refused >= least and rows - refused < share * rows:
        yield Verdict(expectation, f"{refused} of {rows} rows of today cannot be true")


def _null_share(
    expectation: Expectation, events: Sequence[tuple[int, Event]], now: datetime
) -> Iterator[Verdict]:
    """Lines of recent orders that name no product. Old orders are full of products that were deleted since."""
    since = now - timedelta(days=float(expectation.bounds["recent_days"]))
    if all(line.product_id is not None for _, event in events for line in getattr(event, "lines", ())):
        return
    lines = [
        line
        for _, event in events
        if isinstance(event, OrderPlaced) and event.ordered_at.tzinfo is not None and event.ordered_at > since
        for line in event.lines
    ]
    without = [line for line in lines if line.product_id is None]
    named = sum(line.variant_id is not None for line in without)
    least, most = int(expectation.bounds["least"]), expectation.bounds.get("max")
    # A variant without its product is odd by itself, so fewer of them tell as much.
    if named >= max(3, least // 4) and named > 0.5 * len(lines):
        yield Verdict(
            expectation, f"{named} of {len(lines)} lines of recent orders name a variant but no product"
        )
    elif most is not None and len(lines) >= least and len(without) > most * len(lines):
        yield Verdict(expectation, f"{len(without)} of {len(lines)} lines of recent orders name no product")


def _scale(
    expectation: Expectation, events: Sequence[tuple[int, Event]], compared: Sequence[Compared]
) -> Iterator[Verdict]:
    """Prices that are all too high by about the same factor: cents taken for pounds, a shifted decimal point.

    Where the catalogue knows too few of them, an order's lines are held against its total.
    """
    times, most = float(expectation.bounds["times"]), float(expectation.bounds["max"])
    least = int(expectation.bounds["least"])
    ratios = [each.price / each.known for each in compared]
    told = "prices are about {} times the known ones"
    if len(ratios) < least:
        ratios = [each for _, event in events for each in _by_total(event)]
        told = "orders have lines that come to about {} times the total"
    even = sum(times / SPREAD <= ratio <= times * SPREAD for ratio in ratios)
    if even >= least and even > most * len(ratios):
        high = sum(ratio > FAR_TOO_HIGH for ratio in ratios)
        if even >= EVEN_SHARE * high:
            yield Verdict(expectation, f"{even} of {len(ratios)} {told.format(f'{times:g}')}")


def _by_total(event: Event) -> Iterator[float]:
    """What the lines come to over what the order came to; tax and shipping keep it near or below 1."""
    if not isinstance(event, OrderPlaced):
        return
    try:
        total = float(event.total)
        lines = sum(float(line.unit_price) * line.quantity for line in event.lines)
    except (TypeError, ValueError, OverflowError):
        return
    if total > 0 and lines > 0:
        yield lines / total
