"""The vocabulary of the field tables: how one field of one type is read from the shop's file.

A table is `{type name: {field name: Field}}`. Two readers use the same tables: the live API (graphql-core, one
page at a time) and bulk operations (whole tables, block by block). So that neither asks the file once per row,
every field that leads to other rows is loaded for a whole batch of siblings at once.
"""

# ruff: noqa: S608  (tables and columns are constants of this package; values are always bound)
from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Protocol

from devstore.exchange import converted


class Row(Protocol):
    """A row of the file, or a dictionary standing in for one."""

    def __getitem__(self, key: str, /) -> Any: ...


Args = Mapping[str, Any]
EVERYTHING = 1 << 62


@dataclass(frozen=True, slots=True)
class Reader:
    """What a field may look at: the shop's file, the shop table, and who asks.

    `base_url` is this server's address as the client wrote it, without a trailing slash; `search_warnings`
    collects what searches had to ignore.
    """

    connection: sqlite3.Connection
    shop: Mapping[str, str]
    domain: str
    scopes: frozenset[str] = frozenset()
    client: str = ""
    base_url: str = ""
    api_version: str = ""
    services: Any = None
    search_warnings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def currency(self) -> str:
        return self.shop["currency"]


class BadArgument(Exception):
    """An argument that the schema allows but Shopify refuses; the message is the one to answer with."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Arguments of a connection, checked. `limit` is EVERYTHING in a bulk operation."""

    limit: int = EVERYTHING
    backward: bool = False
    cursor: str | None = None
    reverse: bool = False
    sort_key: str | None = None
    query: str | None = None
    args: Args = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a connection, in the order to answer. `cursors` has one entry per row."""

    rows: Sequence[Row]
    has_next: bool = False
    has_previous: bool = False
    cursor_of: Callable[[Row], str] = lambda row: ""


@dataclass(frozen=True, slots=True)
class Value:
    """A scalar, an enum's name, or plain dictionaries and lists of them for small objects."""

    get: Callable[[Reader, Row, Args], Any]


@dataclass(frozen=True, slots=True)
class Computed:
    """A value like Value's that needs the file: computed for all siblings at once, aligned with them."""

    load: Callable[[Reader, Sequence[Row], Args], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class One:
    """At most one row of `target` per sibling, aligned with the siblings."""

    target: str
    load: Callable[[Reader, Sequence[Row], Args], Sequence[Row | None]]


@dataclass(frozen=True, slots=True)
class Many:
    """A plain list of rows of `target` per sibling, aligned with the siblings."""

    target: str
    load: Callable[[Reader, Sequence[Row], Args], Sequence[Sequence[Row]]]


@dataclass(frozen=True, slots=True)
class Linked:
    """A connection: a page of rows of `target` per sibling, aligned with the siblings.

    `stream` reads all rows of a top-level connection one by one, for tables that do not fit into memory.
    """

    target: str
    load: Callable[[Reader, Sequence[Row], PageRequest], Sequence[Page]]
    stream: Callable[[Reader, PageRequest], Iterator[Row]] | None = None


Field = Value | Computed | One | Many | Linked
TypeTable = dict[str, dict[str, Field]]
ById = Callable[[Reader, Sequence[str]], Sequence[Row | None]]


def gid(type_name: str, number: object) -> str:
    return f"gid://shopify/{type_name}/{number}"


def gid_tail(value: str, type_name: str) -> str | None:
    """What follows `gid://shopify/<type>/`, without a query part; None when it is of another type."""
    prefix = f"gid://shopify/{type_name}/"
    return value[len(prefix) :].partition("?")[0] if value.startswith(prefix) else None


def gid_number(value: str, type_name: str) -> int:
    """The number in a global id. Raises BadArgument for another type or no number, as Shopify does."""
    tail = gid_tail(value, type_name)
    if tail is None or not tail.isascii() or not tail.isdigit() or len(tail) > 18:
        raise BadArgument(f"Invalid global id '{value}'")
    return int(tail)


@lru_cache(maxsize=65_536)
def decimal_text(amount: str) -> str:
    """A Decimal as Shopify writes it: no needless zeros, at least one decimal ("12.50" -> "12.5", "3" -> "3.0")."""
    if "." not in amount:
        return f"{amount}.0"
    trimmed = amount.rstrip("0")
    return f"{trimmed}0" if trimmed.endswith(".") else trimmed


def money_v2(amount: str, currency: str) -> dict[str, str]:
    return {"amount": decimal_text(amount), "currencyCode": currency}


def money_bag(amount: str, currency: str, presentment: str) -> dict[str, dict[str, str]]:
    shown = amount if currency == presentment else converted(amount, currency, presentment)
    return {
        "shopMoney": {"amount": decimal_text(amount), "currencyCode": currency},
        "presentmentMoney": {"amount": decimal_text(shown), "currencyCode": presentment},
    }


@cache
def column(name: str) -> Value:
    return Value(lambda reader, row, args: row[name])


def flag(name: str) -> Value:
    return Value(lambda reader, row, args: bool(row[name]))


def constant(value: object) -> Value:
    return Value(lambda reader, row, args: value)


def json_column(name: str) -> Value:
    # "[]" is by far the commonest text; parsing it each time costs a tenth of a bulk export.
    return Value(lambda reader, row, args: [] if row[name] == "[]" else json.loads(row[name]))


def text_column(name: str) -> Value:
    return Value(lambda reader, row, args: str(row[name]))


def id_field(type_name: str, name: str = "id") -> Value:
    prefix = f"gid://shopify/{type_name}/"
    return Value(lambda reader, row, args: f"{prefix}{row[name]}")


def identity(type_name: str) -> dict[str, Field]:
    """`id` and `legacyResourceId` of a type whose rows have an id."""
    return {"id": id_field(type_name), "legacyResourceId": text_column("id")}


def columns(**names: str) -> dict[str, Field]:
    return {key: column(name) for key, name in names.items()}


def empty_connection(target: str) -> Linked:
    return Linked(target, lambda reader, rows, request: [Page(())] * len(rows))


def rows_by(reader: Reader, sql: str, keys: Sequence[object], key: str) -> dict[Any, list[sqlite3.Row]]:
    """Rows of `sql` (whose one parameter is the JSON list of the keys) grouped by the column `key`."""
    grouped: dict[Any, list[sqlite3.Row]] = {}
    wanted = sorted({value for value in keys if value is not None}, key=str)
    if not wanted:
        return grouped
    for row in reader.connection.execute(sql, (json.dumps(wanted),)):
        grouped.setdefault(row[key], []).append(row)
    return grouped


def belongs_to(target: str, table: str, foreign: str, key: str = "id") -> One:
    """The row of `table` whose `key` is this row's column `foreign`."""
    sql = f"SELECT * FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))"

    def load(reader: Reader, rows: Sequence[Row], args: Args) -> list[Row | None]:
        keys = [row[foreign] for row in rows]
        found = rows_by(reader, sql, keys, key)
        return [found[value][0] if value in found else None for value in keys]

    return One(target, load)


def by_number(table: str, key: str = "id") -> ById:
    """Rows by the numeric part of their global ids; None for what does not exist or is not a number."""
    sql = f"SELECT * FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))"

    def load(reader: Reader, tails: Sequence[str]) -> list[Row | None]:
        numbers = [
            int(tail) if tail.isascii() and tail.isdigit() and len(tail) <= 18 else None for tail in tails
        ]
        found = rows_by(reader, sql, numbers, key)
        return [found[number][0] if number in found else None for number in numbers]

    return load
