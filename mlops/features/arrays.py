"""Columns of values as Postgres writes arrays: one text parameter each. Pure.

The driver's own list adapter looks at every element with several Python calls; at 20 columns a line that was a third of
the time of an import. Form: https://www.postgresql.org/docs/18/arrays.html#ARRAYS-IO
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def array(kind: str, values: Iterable[Any]) -> str:
    """The literal of a one-dimensional array; cast it with ``::<kind>[]``.

    Args:
        kind: the Postgres type: `bigint`, `integer`, `numeric`, `boolean`, `timestamptz` or `text`.
        values: each of the Python type that belongs to it, or None.
    """
    write = _WRITERS[kind]
    return "{" + ",".join(["NULL" if value is None else write(value) for value in values]) + "}"


def id_list(ids: Iterable[int]) -> str:
    """Ids as Postgres writes an array of them."""
    return "{" + ",".join(map(str, ids)) + "}"


def without_nul(text: str) -> str:
    """Postgres cannot keep U+0000 in text."""
    return text.replace("\x00", "") if "\x00" in text else text


def _text(value: str) -> str:
    value = without_nul(value)
    if "\\" in value:
        value = value.replace("\\", "\\\\")
    if '"' in value:
        value = value.replace('"', '\\"')
    return f'"{value}"'


_WRITERS: Mapping[str, Callable[[Any], str]] = {
    "bigint": str,
    "integer": str,
    "numeric": str,
    "boolean": lambda value: "t" if value else "f",
    "timestamptz": lambda value: value.isoformat(),
    "text": _text,
}
