"""What this thread may see of the shops' rows and why, as each statement tells it to Postgres. No Django in here.

`scope()` and `unscoped()` write `shop`, `reading()` writes `reading`; `tenancy.postgres` carries both to the session before
the next statement; the policies of `tenancy.row_security` hold every row against them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache

from tenancy.errors import Bug

SETTING = "shelfwise.shop"
PURPOSE = "shelfwise.purpose"
ALL_SHOPS = "all"
# For `options` of a connection beside Django's, which no scope and no reading speaks for.
EVERY_ROW = f"-c {SETTING}={ALL_SHOPS} -c {PURPOSE}=operation"
ANY_SHOP = -1

# The open scope: a shop's number, ANY_SHOP, or None outside any.
shop: ContextVar[int | None] = ContextVar("shop_scope", default=None)


@dataclass(slots=True)
class Reading:
    """Who reads what is linked to people, and why, with the rows that came out so far, by table."""

    actor: str
    purpose: str
    rows: dict[str, int] = field(default_factory=dict)

    def add(self, tables: Iterable[str], rows: int) -> None:
        for each in tables:
            self.rows[each] = self.rows.get(each, 0) + max(rows, 0)


reading: ContextVar[Reading | None] = ContextVar("reading", default=None)

_ROWS = re.compile(r"\s*(?:select|insert|update|delete|with|merge|copy)\b", re.IGNORECASE)
# The directory of shops may be read outside a scope, or no scope could ever begin. It may not be changed there.
_DIRECTORY = re.compile(
    r'\b(?:update|delete\s+from)\s+"?tenancy_shop"?\b|\btenancy_shop\b.*\bfor\s+(?:no\s+key\s+)?update\b',
    re.IGNORECASE | re.DOTALL,
)
_COUNTED = re.compile(r"\bcount\(\s*\*\s*\)", re.IGNORECASE)
# `select *`, `t.*`: not a product of two numbers.
_EVERY_COLUMN = r"(?:\b(?:select|distinct|returning)\s+|,\s*|\.)\*"
_WRITES = re.compile(r"\s*(?:insert|update|delete|merge)\b", re.IGNORECASE)
_RETURNS = re.compile(r"\breturning\b", re.IGNORECASE)
_fenced: re.Pattern[str] | None = None
_people: dict[str, re.Pattern[str]] = {}
_person_rows: frozenset[str] = frozenset()


class ScopeMissing(Bug):
    """Shop-owned rows were touched without naming the shop."""


class UnattributedRead(Bug):
    """What is linked to people was read without saying who reads it and why."""


@dataclass(frozen=True, slots=True)
class People:
    """What a statement has to do with people.

    Args:
        asks: it may only be sent inside a `reading`.
        tables: those of whose personal columns something comes out.
    """

    asks: bool
    tables: tuple[str, ...]


def watch(tables: Iterable[str]) -> None:
    """Name the fenced tables, so that SQL about them outside a scope raises instead of finding nothing."""
    global _fenced
    _fenced = re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, tables)))})\b")


def watch_people(columns: Mapping[str, Iterable[str]], person_rows: Iterable[str]) -> None:
    """Name what is linked to people: columns by table, and the tables in which every row stands for a person."""
    global _person_rows
    _people.clear()
    _people.update(
        {
            table: re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, names)))})\b|{_EVERY_COLUMN}")
            for table, names in columns.items()
        }
    )
    _person_rows = frozenset(person_rows)
    people_in.cache_clear()


def person_rows() -> frozenset[str]:
    """The tables in which every row stands for a person."""
    return _person_rows


@lru_cache(maxsize=4096)
def people_in(query: str) -> People:
    """What a statement has to do with people, told by the names in it.

    Without the text of its own a write gives nothing out: an insert, update or delete is a read by its RETURNING alone.
    """
    named = [table for table in _people if table in query and re.search(rf"\b{table}\b", query)]
    if not named or not handles_rows(query):
        return People(asks=False, tables=())
    out = _COUNTED.sub("", query)
    if _WRITES.match(query):
        out = "".join(_RETURNS.split(out)[1:])
    tables = tuple(table for table in named if _people[table].search(out))
    return People(asks=bool(tables) or not _person_rows.isdisjoint(named), tables=tables)


def check(query: object) -> tuple[str, ...]:
    """Before any statement: the tables of whose personal columns something will come out.

    Raises:
        ScopeMissing: it handles rows of a fenced table outside any scope.
        UnattributedRead: it reads what is linked to people outside a `reading`.
    """
    if not isinstance(query, str):
        return ()
    if shop.get() is None:
        refuse_outside(query)
    people = people_in(query)
    if people.asks and reading.get() is None:
        raise UnattributedRead(
            f"{', '.join(people.tables) or 'rows of people'} would be read by nobody and for nothing:"
            " open `with reading(actor=..., purpose=...)` first"
        )
    return people.tables


def wanted() -> tuple[str, str]:
    """The two settings as they must be for the next statement: shop and purpose."""
    found = reading.get()
    return told(shop.get()), "" if found is None else found.purpose


def told(shop_id: int | None) -> str:
    """The setting's value for a scope: empty outside any, which shows no rows."""
    if shop_id is None:
        return ""
    return ALL_SHOPS if shop_id == ANY_SHOP else str(shop_id)


def handles_rows(query: str) -> bool:
    """Whether a statement reads or writes rows, as against one about tables, settings or transactions."""
    return _ROWS.match(query) is not None


def refuse_outside(query: str) -> None:
    """For a statement outside any scope.

    Raises:
        ScopeMissing: it handles rows of a fenced table.
    """
    if _fenced is None or not handles_rows(query):
        return
    found = _fenced.search(query)
    if found is not None:
        raise ScopeMissing(f"SQL on {found.group()} was sent outside a shop scope")
    if _DIRECTORY.search(query) is not None:
        raise ScopeMissing("a shop's own row was written outside its scope")
