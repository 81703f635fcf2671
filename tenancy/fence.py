"""What this thread may see of the shops' rows, as each statement tells it to Postgres. No Django in here.

`scope()` and `unscoped()` write `shop`; `tenancy.postgres` carries it to the session before the next statement; the
policies of `tenancy.row_security` hold every row against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar

from tenancy.errors import Bug

SETTING = "shelfwise.shop"
ALL_SHOPS = "all"
# For `options` of a connection beside Django's, which no scope speaks for.
EVERY_ROW = f"-c {SETTING}={ALL_SHOPS}"
ANY_SHOP = -1

# The open scope: a shop's number, ANY_SHOP, or None outside any.
shop: ContextVar[int | None] = ContextVar("shop_scope", default=None)

_ROWS = re.compile(r"\s*(?:select|insert|update|delete|with|merge|copy)\b", re.IGNORECASE)
# The directory of shops may be read outside a scope, or no scope could ever begin. It may not be changed there.
_DIRECTORY = re.compile(
    r'\b(?:update|delete\s+from)\s+"?tenancy_shop"?\b|\btenancy_shop\b.*\bfor\s+(?:no\s+key\s+)?update\b',
    re.IGNORECASE | re.DOTALL,
)
_fenced: re.Pattern[str] | None = None


class ScopeMissing(Bug):
    """Shop-owned rows were touched without naming the shop."""


def watch(tables: Iterable[str]) -> None:
    """Name the fenced tables, so that SQL about them outside a scope raises instead of finding nothing."""
    global _fenced
    _fenced = re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, tables)))})\b")


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
