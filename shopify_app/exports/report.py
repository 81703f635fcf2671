"""The findings of an audit of exports: a table for people, JSON and CSV for programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from shopify_app.exports import safe_csv
from shopify_app.exports.reading import Faults
from shopify_app.exports.tally import Column, Tally
from shopify_app.exports.verdicts import Facts, Verdict

CSV_HEADER = (
    "File", "Column", "Taken in", "Type", "Rows", "Filled", "Fill rate", "Different values", "Exact", "Range",
    "Formula cells",
)  # fmt: skip
FAULTS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that could not be used at all."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """Args:
    facts, verdicts: of the orders; None and empty without a usable orders export.
    """

    tallies: tuple[Tally, ...]
    refused: tuple[Refused, ...]
    faults: Faults
    facts: Facts | None
    verdicts: tuple[Verdict, ...]


def exit_code(report: Report) -> int:
    """0: all was read; 1: something was put aside; 2: nothing could be read."""
    if not any(each.read for each in report.tallies):
        return 2
    return 1 if report.refused or report.faults.aside else 0


def lines(report: Report) -> Iterable[str]:
    """The report as people read it."""
    for tally in report.tallies:
        yield f"{_plain(tally.file)}: {_records(tally.records)}, {tally.read:,} read, {tally.encoding}"
        yield f"  {'column':<38} {'filled':>7} {'values':>10}  {'type':<7} {'taken in?':<38} range"
        for column in tally.columns:
            yield "  " + _row(column)
        yield ""
    for each in report.refused:
        yield f"{_plain(each.file)}: not used: it {_plain(each.reason)}"
    if report.faults.reasons:
        yield f"Put aside: {_records(report.faults.aside)}. Read all the same: {report.faults.mended:,}."
        for reason, count in report.faults.reasons.most_common():
            where = [
                f"{_plain(each.file)}:{each.line}" if each.line else _plain(each.file)
                for each in report.faults.kept
                if each.reason == reason
            ]
            yield f"  {count:>7,}  {reason}  ({', '.join(where[:3])}{' ...' if count > 3 else ''})"
        yield ""
    if report.facts is not None:
        yield from _facts(report.facts)
        yield "What the app could do with these orders:"
        for verdict in report.verdicts:
            yield f"  {verdict.answer.value:<7} {verdict.what}: {verdict.why}"


def _records(number: int) -> str:
    return f"{number:,} record" if number == 1 else f"{number:,} records"


def as_json(report: Report) -> str:
    """The whole report; cells of the files are in it as ranges of numbers and times only."""
    return json.dumps(
        {
            "files": [
                {
                    "kind": tally.kind.value, "file": tally.file, "encoding": tally.encoding,
                    "records": tally.records, "read": tally.read,
                    "columns": [_column(each) for each in tally.columns],
                }
                for tally in report.tallies
            ],
            "refused": [asdict(each) for each in report.refused],
            "put_aside": report.faults.aside,
            "mended": report.faults.mended,
            "reasons": dict(report.faults.reasons),
            "faults": [asdict(each) for each in report.faults.kept],
            "orders": None if report.facts is None else asdict(report.facts),
            "verdicts": [asdict(each) for each in report.verdicts],
        },
        indent=1,
    )  # fmt: skip


def as_csv(report: Report) -> str:
    """One row per column of each file; no cell of it is a formula."""
    return safe_csv.table(
        CSV_HEADER,
        [
            (
                tally.file, each.name, each.fate.value, each.type, each.rows, each.filled,
                f"{each.filled / max(1, each.rows):.4f}", each.different.different,
                "yes" if each.different.exact else "about", each.span, each.formulas,
            )
            for tally in report.tallies
            for each in tally.columns
        ],
    )  # fmt: skip


def _facts(found: Facts) -> Iterable[str]:
    about = "" if found.exact else "about "
    yield f"Orders: {found.orders:,} with {found.lines:,} lines over {found.days:,} days ({found.months} months)"
    yield f"  {found.orders_per_day:,} a day; {found.cancelled:,} cancelled; {found.several_share:.1%} hold several products"
    yield (
        f"  {found.customer_share:.1%} name a customer; {about}{found.customers:,} customers, {found.repeat_rate:.1%} came back"
    )
    yield f"  {about}{found.products:,} products sold, {found.products_often:,} of them five times or more"
    yield ""


def _row(column: Column) -> str:
    share = f"{column.filled / column.rows:.1%}" if column.rows else "–"
    values = f"{'' if column.different.exact else '~'}{column.different.different:,}"
    formulas = f"  {column.formulas:,} cells look like formulas" if column.formulas else ""
    return f"{_plain(column.name)[:38]:<38} {share:>7} {values:>10}  {column.type:<7} {column.fate.value:<38} {column.span}{formulas}"


def _column(column: Column) -> dict[str, object]:
    return {
        "name": column.name, "fate": column.fate.value, "type": column.type, "rows": column.rows, "filled": column.filled,
        "fill_rate": round(column.filled / max(1, column.rows), 4), "different": column.different.different,
        "exact": column.different.exact, "range": column.span, "formulas": column.formulas,
    }  # fmt: skip


def _plain(text: str) -> str:
    """Without characters that move a terminal's cursor or colour it."""
    return "".join(each if each.isprintable() else "?" for each in text)
