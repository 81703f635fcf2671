"""One CSV file of Shopify as records: strict, streamed, bounded in memory. Pure but for reading.

The first thing that cannot be true ends the reading with a message that names file, column and row. Rows are counted as a
spreadsheet shows them: the header is row 1, and a cell with line breaks belongs to one row.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mlops.backtest.commands import BadInput

LONGEST_CELL = 2_000_000  # characters; Shopify's own descriptions hold 512 KiB at most
MOST_COLUMNS = 1_000


@dataclass(frozen=True, slots=True)
class Header:
    """Where each column stands; names are compared in lower case.

    Args:
        path: of the file, for messages.
        names: as the file writes them.
    """

    path: Path
    names: tuple[str, ...]

    def place(self, *names: str) -> int | None:
        """The position of the first of these columns that is there."""
        lower = [each.lower() for each in self.names]
        return next((lower.index(name) for name in names if name in lower), None)

    def needed(self, *names: str) -> int:
        """The same.

        Raises:
            BadInput: none of them is there.
        """
        found = self.place(*names)
        if found is None:
            shown = ", ".join(self.names[:12]) + (" ..." if len(self.names) > 12 else "")
            raise BadInput(
                f"{self.path}: column {' or '.join(each.capitalize() for each in names)} is missing, row 1: "
                f"is it an export of Shopify? (it has {shown})"
            )
        return found

    def refuse(self, row: int, place: int, why: str) -> NoReturn:
        """Raises:
        BadInput: naming the file, the column at this place and the row.
        """
        raise BadInput(f"{self.path}: column {self.names[place]}, row {row}: {why}")


@contextmanager
def records(path: Path) -> Iterator[tuple[Header, Iterator[tuple[int, Sequence[str]]]]]:
    """The header of the file and its records with their row numbers; files that end in .gz are unpacked as they are read.

    Raises:
        BadInput: also from the iterator, at the row that cannot be read.
    """
    try:
        raw = gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb")  # noqa: SIM115
    except OSError as error:
        raise BadInput(f"{path}: cannot be opened: {error.strerror or type(error).__name__}") from None
    with raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text, _long_cells():
        rows = _rows(path, text)
        _, names = next(rows, (1, ()))
        header = Header(path, tuple(name.strip() for name in names))
        if not any(header.names):
            raise BadInput(f"{path}: column Name, row 1: the file has no header line")
        if len(header.names) > MOST_COLUMNS:
            raise BadInput(f"{path}: row 1: has {len(names)} columns; more than {MOST_COLUMNS} are not read")
        yield header, _whole(header, rows)


def _whole(header: Header, rows: Iterator[tuple[int, Sequence[str]]]) -> Iterator[tuple[int, Sequence[str]]]:
    width = len(header.names)
    for row, cells in rows:
        if len(cells) == width:
            yield row, cells
        elif cells:
            raise BadInput(
                f"{header.path}: column {header.names[min(len(cells), width) - 1]}, row {row}: the row has {len(cells)} cells, "
                f"the header has {width}"
            )


def _rows(path: Path, text: io.TextIOWrapper) -> Iterator[tuple[int, Sequence[str]]]:
    row = 1
    try:
        for cells in csv.reader(text, strict=True):
            yield row, cells
            row += 1
    except csv.Error as error:
        raise BadInput(
            f"{path}: row {row}: is not CSV ({error}); a quote may be open there. Export the file again, without "
            "saving it from a spreadsheet in between"
        ) from None
    except UnicodeDecodeError:
        raise BadInput(
            f"{path}: row {row} or one of the next: is not UTF-8. Export the file again, without saving it from a "
            "spreadsheet in between"
        ) from None
    except (OSError, EOFError, zlib.error):
        raise BadInput(f"{path}: row {row}: the compressed file is damaged there") from None


@contextmanager
def _long_cells() -> Iterator[None]:
    usual = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(usual)
