"""Finds the exports in a folder and audits each. Reads files; writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shopify_app.exports.columns import Kind, missing
from shopify_app.exports.reading import Faults, Table, Unreadable
from shopify_app.exports.report import Refused, Report
from shopify_app.exports.tally import Orders, Tally, tally
from shopify_app.exports.verdicts import facts, verdicts

Progress = Callable[[str], None]


class NothingToAudit(Exception):
    """The folder holds no export; the message says what was looked for."""


def exports(folder: Path) -> list[tuple[Kind, Path]]:
    """The exports in a folder, by kind and name; samples are left out where the full file is there.

    Raises:
        NothingToAudit: not a folder, or no export in it.
    """
    if not folder.is_dir():
        raise NothingToAudit(f"{folder} is not a folder.")
    found = [
        (kind, path)
        for kind in Kind
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name.startswith(f"{kind.value}_export") and path.name.endswith((".csv", ".csv.gz"))
    ]  # fmt: skip
    whole = {kind for kind, path in found if "_sample" not in path.name}
    found = [(kind, path) for kind, path in found if "_sample" not in path.name or kind not in whole]
    if not found:
        raise NothingToAudit(
            f"{folder} holds no products_export*.csv, orders_export*.csv or customers_export*.csv (.gz)."
        )
    return found


def audit(folder: Path, *, progress: Progress | None = None) -> Report:
    """Audit every export in the folder, in memory that does not grow with the files.

    Raises:
        NothingToAudit: there is none.
    """
    faults = Faults()
    tallies: list[Tally] = []
    refused: list[Refused] = []
    for kind, path in exports(folder):
        if progress is not None:
            progress(f"reading {path.name}")
        table = Table(path, faults)
        try:
            found = tally(kind, table)
        except Unreadable as error:
            refused.append(Refused(path.name, str(error)))
            continue
        lacking = missing(kind, table.header)
        if lacking:
            refused.append(
                Refused(path.name, f"lacks the columns {', '.join(lacking)}: is it a Shopify export?")
            )
        else:
            tallies.append(found)
    orders = _joined([each.orders for each in tallies if each.orders is not None])
    numbers = None if orders is None else facts(orders)
    return Report(
        tallies=tuple(tallies),
        refused=tuple(refused),
        faults=faults,
        facts=numbers,
        verdicts=() if numbers is None else tuple(verdicts(numbers)),
    )


def _joined(found: list[Orders]) -> Orders | None:
    """Shopify cuts a large export into several files: their orders are those of one shop."""
    if not found:
        return None
    whole = found[0]
    for each in found[1:]:
        whole.join(each)
    return whole
