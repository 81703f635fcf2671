"""Pages of a connection, found by key: the cursor holds the last sort value and id, never a row count.

A page costs the same at the end of a million orders as at the start.
"""

# ruff: noqa: S608  (tables and columns are constants of this package; values are always bound)
from __future__ import annotations

import base64
import binascii
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from devstore.resolvers.fields import EVERYTHING, BadArgument, Linked, Page, PageRequest, Reader, Row
from devstore.search import SearchField, compile_search

MAX_PAGE = 250


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows of a connection come from.

    `table` is what stands in FROM (a table or a sub-select with alias); `sorts` maps a sort key of the schema to an
    SQL expression over it; `word` is what a bare search word is looked for in; `parent` is the column by which a
    nested connection finds its rows.
    """

    table: str
    sorts: Mapping[str, str]
    fields: Mapping[str, SearchField] = field(default_factory=dict)
    word: str = "''"
    parent: str | None = None
    default_sort: str = "ID"
    id: str = "id"

    def order(self, request: PageRequest) -> str:
        key = request.sort_key or self.default_sort
        return self.sorts.get(key, self.sorts.get(self.default_sort, self.id))


def encode_cursor(last_id: object, last_value: object) -> str:
    text = json.dumps({"last_id": last_id, "last_value": last_value}, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode()


def decode_cursor(cursor: str) -> tuple[object, object]:
    """The (id, sort value) in a cursor. Raises BadArgument for text that is no cursor of ours."""
    try:
        document = json.loads(base64.b64decode(cursor, validate=True))
        last_id, last_value = document["last_id"], document["last_value"]
        if _bindable(last_id) and _bindable(last_value):
            return last_id, last_value
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise BadArgument(f"Invalid cursor for current pagination sort: {cursor[:100]}.")


def _bindable(value: object) -> bool:
    """Whether SQLite takes it as a parameter."""
    return isinstance(value, (str, float)) or (isinstance(value, int) and abs(value) < 1 << 63)


def page_request(args: Mapping[str, object]) -> PageRequest:
    """The checked arguments of a connection. Raises BadArgument where Shopify refuses."""
    first, last = args.get("first"), args.get("last")
    if first is None and last is None:
        raise BadArgument("you must provide one of first or last")
    if first is not None and last is not None:
        raise BadArgument("you can't provide both first and last")
    name, limit = ("first", first) if first is not None else ("last", last)
    assert isinstance(limit, int)
    if limit < 1:
        raise BadArgument(f"{name} must be greater than 0")
    if limit > MAX_PAGE:
        raise BadArgument(f"{name} cannot exceed {MAX_PAGE}")
    after, before = args.get("after"), args.get("before")
    if after is not None and before is not None:
        raise BadArgument("you can't provide both after and before")
    if (last is not None and after is not None) or (first is not None and before is not None):
        raise BadArgument("use after with first, and before with last")
    cursor = after if first is not None else before
    return PageRequest(
        limit=limit,
        backward=last is not None,
        cursor=str(cursor) if cursor is not None else None,
        reverse=bool(args.get("reverse")),
        sort_key=str(args["sortKey"]) if args.get("sortKey") else None,
        query=str(args["query"]) if args.get("query") is not None else None,
        args=args,
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What both kinds of page share: the order, and the condition with its parameters."""

    sort: str
    direction: str
    condition: str
    params: list[object]

    def order_by(self, id_sql: str) -> str:
        tie = "" if self.sort == id_sql else f", {id_sql} {self.direction}"
        return f"{self.sort} {self.direction}{tie}"


def _plan(reader: Reader, source: Source, request: PageRequest) -> _Plan:
    sort = source.order(request)
    descending = request.reverse != request.backward
    where = "1"
    params: list[object] = []
    if request.cursor is not None:
        last_id, last_value = decode_cursor(request.cursor)
        operator = "<" if descending else ">"
        if sort == source.id:
            where, params = f"{source.id} {operator} ?", [last_id]
        else:
            where, params = f"({sort}, {source.id}) {operator} (?, ?)", [last_value, last_id]
    search = compile_search(request.query, source.fields, default=source.word)
    if search.warnings:
        reader.search_warnings.append({"query": request.query, "warnings": search.warnings})
    return _Plan(
        sort, "DESC" if descending else "ASC", f"{where} AND {search.sql}", [*params, *search.params]
    )


def _page(rows: list[sqlite3.Row], request: PageRequest) -> Page:
    more = len(rows) > request.limit
    rows = rows[: request.limit]
    if request.backward:
        rows.reverse()
    elsewhere = request.cursor is not None
    return Page(
        rows,
        has_next=elsewhere if request.backward else more,
        has_previous=more if request.backward else elsewhere,
        cursor_of=_cursor_of,
    )


def _cursor_of(row: Row) -> str:
    return encode_cursor(row["_cursor_id"], row["_cursor_value"])


def _selected(source: Source, sort: str) -> str:
    return f"*, {source.id} AS _cursor_id, {sort} AS _cursor_value"


def root_sql(reader: Reader, source: Source, request: PageRequest) -> tuple[str, list[object]]:
    """The statement of a top-level connection, one row more than asked for."""
    plan = _plan(reader, source, request)
    sql = (
        f"SELECT {_selected(source, plan.sort)} FROM {source.table} WHERE {plan.condition}"
        f" ORDER BY {plan.order_by(source.id)}"
    )
    params = plan.params
    if request.limit < EVERYTHING:
        sql += " LIMIT ?"
        params.append(request.limit + 1)
    return sql, params


def root(target: str, source: Source) -> Linked:
    """A connection of the query root."""

    def load(reader: Reader, rows: Sequence[Row], request: PageRequest) -> list[Page]:
        sql, params = root_sql(reader, source, request)
        return [_page(reader.connection.execute(sql, params).fetchall(), request)] * len(rows)

    def stream(reader: Reader, request: PageRequest) -> Iterator[Row]:
        sql, params = root_sql(reader, source, request)
        cursor = reader.connection.execute(sql, params)
        cursor.arraysize = 500
        while rows := cursor.fetchmany():
            yield from rows

    return Linked(target, load, stream)


def nested(target: str, source: Source, *, key: str = "id") -> Linked:
    """A connection of a row: rows of `source` whose `source.parent` is the row's column `key`."""
    assert source.parent is not None
    parent = source.parent

    def load(reader: Reader, rows: Sequence[Row], request: PageRequest) -> list[Page]:
        plan = _plan(reader, source, request)
        order = plan.order_by(source.id)
        inside = f"{parent} IN (SELECT value FROM json_each(?)) AND {plan.condition}"
        params: list[object] = [json.dumps([row[key] for row in rows]), *plan.params]
        if request.limit == EVERYTHING:
            sql = (
                f"SELECT *, {parent} AS _parent FROM {source.table} WHERE {inside} ORDER BY {parent}, {order}"
            )
        else:
            numbered = (
                f"SELECT {_selected(source, plan.sort)}, {parent} AS _parent,"
                f" row_number() OVER (PARTITION BY {parent} ORDER BY {order}) AS _number"
                f" FROM {source.table} WHERE {inside}"
            )
            sql = f"SELECT * FROM ({numbered}) WHERE _number <= ? ORDER BY _parent, _number"
            params.append(request.limit + 1)
        grouped: dict[object, list[sqlite3.Row]] = {}
        for row in reader.connection.execute(sql, params):
            grouped.setdefault(row["_parent"], []).append(row)
        return [_page(grouped.get(row[key], []), request) for row in rows]

    return Linked(target, load)


def counted(source: Source, args: Mapping[str, object]) -> tuple[str, list[object], int]:
    """Statement, parameters and limit of a count field (`ordersCount` and its like)."""
    limit = args.get("limit", 10_000)
    bound = EVERYTHING if limit is None else max(0, int(str(limit)))
    query = args.get("query")
    search = compile_search(str(query) if query is not None else None, source.fields, default=source.word)
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {source.table} WHERE {search.sql} LIMIT ?)"
    return sql, [*search.params, min(bound, EVERYTHING - 1) + 1], bound
