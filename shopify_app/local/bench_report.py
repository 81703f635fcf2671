"""The figures of `make bench-ingest` as a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from shopify_app.local.bench_books import Books

MOST_GROWTH = 0.10
# Below this a part's memory moves by more than a tenth from one run to the next for no reason of ours.
NOISE_MB = 8.0


@dataclass(slots=True)
class Run:
    """One import.

    Args:
        lines: of the bulk results, by resource.
        skipped: of those, refused.
        seconds: from opening the app to the last event.
        export_s: of those, until the last bulk operation had ended.
        peak_mb: by part of the product.
        training_s, training_mb: of the first model, when it was waited for.
        features: as `bench_refresh.measure` gives them, when they were asked for.
    """

    name: str
    lines_of: dict[str, int]
    skipped: int
    seconds: float
    export_s: float
    note: str = ""
    peak_mb: dict[str, float] = field(default_factory=dict)
    database_mb: float = 0.0
    tables_mb: dict[str, float] = field(default_factory=dict)
    events: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    net: Decimal = Decimal(0)
    books: Books | None = None
    training_s: float | None = None
    training_mb: float | None = None
    features: dict[str, Any] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        return sum(self.lines_of.values())

    @property
    def lines_per_s(self) -> float:
        """Lines by the time from the end of the last export to the last event; the others were read meanwhile."""
        return self.lines_of.get("orders", 0) / max(self.seconds - self.export_s, 0.001)


def growth_too_large(runs: Sequence[Run]) -> list[str]:
    """Parts whose peak grew by more than a tenth from the smallest to the largest store."""
    if len(runs) < 2:
        return []
    small, large = min(runs, key=lambda each: each.lines), max(runs, key=lambda each: each.lines)
    found = []
    for name, before in small.peak_mb.items():
        after = large.peak_mb.get(name, before)
        if after > before * (1 + MOST_GROWTH) and after - before > NOISE_MB:
            found.append(f"{name} grew from {before:,.0f} to {after:,.0f} MiB")
    return found


def markdown(runs: Sequence[Run], about: str) -> str:
    """The tables, a column for each run and one for the growth."""
    heads = ["", *(each.name for each in runs)]
    grown = len(runs) == 2
    table = [_row([*heads, *(["growth"] if grown else [])]), "|---|" + " ---: |" * (len(runs) + grown)]

    def add(what: str, values: Sequence[str], growth: str = "") -> None:
        table.append(_row([what, *values, *([growth] if grown else [])]))

    add("lines of bulk results", [f"{each.lines:,}" for each in runs])
    add("events", [f"{each.events:,}" for each in runs])
    for name in runs[0].counts:
        add(name.replace("lines", "order lines"), [f"{each.counts[name]:,}" for each in runs])
    add("lines refused", [f"{each.skipped:,}" for each in runs])
    add("seconds, all", [f"{each.seconds:,.0f}" for each in runs])
    add("of these Shopify's export", [f"{each.export_s:,.0f}" for each in runs])
    add("lines/s, file to last event", [f"{each.lines_per_s:,.0f}" for each in runs])
    for part in runs[0].peak_mb:
        values = [each.peak_mb.get(part, 0.0) for each in runs]
        add(f"peak MiB: {part}", [f"{each:,.0f}" for each in values], _growth(values) if grown else "")
    add("database, MiB", [f"{each.database_mb:,.0f}" for each in runs])
    for table_name in runs[0].tables_mb:
        add(f"· {table_name}", [f"{each.tables_mb[table_name]:,.0f}" for each in runs])
    add("net revenue in the app", [f"{each.net:,.2f}" for each in runs])
    if all(each.books for each in runs):
        add("net revenue in the export", [f"{each.books.net:,.2f}" for each in runs if each.books])
        add("orders in the export", [f"{each.books.orders:,}" for each in runs if each.books])
        add("lines in the export", [f"{each.books.lines:,}" for each in runs if each.books])
    if all(each.training_s is not None for each in runs):
        add("first model, seconds", [f"{each.training_s:,.0f}" for each in runs])
        add("first model, peak MiB", [f"{each.training_mb:,.0f}" for each in runs])
    notes = [f"{each.name}: {each.note}." for each in runs if each.note]
    return "\n".join([about, *notes, "", *table, ""])


def replaced(text: str, part: str, *, mark: str) -> str:
    """The page with the part between its two marks replaced.

    Raises:
        ValueError: it does not have both marks, once each and in order.
    """
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"the page must have the lines {begin} and {end} once each, in this order")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{part}{end}{rest.partition(end)[2]}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _growth(values: Sequence[float]) -> str:
    return f"{values[1] / values[0] - 1:+.0%}" if values[0] else ""
