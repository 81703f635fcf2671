"""Pages over short lists that are not tables of the shop's file (bulk operations, subscriptions)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from devstore.resolvers.fields import BadArgument, Page, PageRequest, Row
from devstore.resolvers.paging import decode_cursor, encode_cursor


def page_of_list(rows: Sequence[Mapping[str, Any]], request: PageRequest) -> Page:
    """One page of rows that have an `id`, given in ascending order. Raises BadArgument for an unknown cursor."""
    ordered = list(reversed(rows)) if request.reverse else list(rows)
    if request.backward:
        ordered.reverse()
    if request.cursor is not None:
        last_id, _ = decode_cursor(request.cursor)
        places = [place for place, row in enumerate(ordered) if row["id"] == last_id]
        if not places:
            raise BadArgument(f"Invalid cursor for current pagination sort: {request.cursor[:100]}.")
        ordered = ordered[places[0] + 1 :]
    kept, more = ordered[: request.limit], len(ordered) > request.limit
    if request.backward:
        kept.reverse()
    elsewhere = request.cursor is not None
    return Page(
        kept,
        has_next=elsewhere if request.backward else more,
        has_previous=more if request.backward else elsewhere,
        cursor_of=_cursor_of,
    )


def _cursor_of(row: Row) -> str:
    return encode_cursor(row["id"], row["id"])
