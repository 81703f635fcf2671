"""CSV that a spreadsheet shows as text: a cell that would be read as a formula gets an apostrophe before it. Pure.

https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def is_formula(cell: str) -> bool:
    """True when a spreadsheet would run the cell; a plain number with a sign is none."""
    return cell.lstrip(" ").startswith(_FORMULA) and _NUMBER.fullmatch(cell) is None


def safe(cell: object) -> str:
    """The cell as text, never a formula, without NUL."""
    text = "" if cell is None else str(cell).replace("\x00", "")
    return f"'{text}" if is_formula(text) else text


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A whole CSV file as text, every cell quoted."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([safe(each) for each in header])
    writer.writerows([[safe(each) for each in row] for row in rows])
    return out.getvalue()
