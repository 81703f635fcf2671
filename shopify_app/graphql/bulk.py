"""Bulk operations: start, ask, cancel, and read the lines of the result.

A result is a file of one JSON object per line, at an address of Shopify's file store. It is read in pieces that can
start at any byte, so that a cut connection or a killed process goes on where it stood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from shopify_app.graphql import shop_http
from shopify_app.graphql.client import AdminClient, ShopifyTrouble
from tenancy.errors import Bug, Transient

# An order's own line is some 500 bytes; with 2,000 refunds or 200 long tags it stays below one MiB.
LONGEST_LINE = 2 * 1024 * 1024
BYTES_PER_PIECE = 8 * 1024 * 1024
KEPT_OF_TOO_LONG = 1024
_GZIP = b"\x1f\x8b"
_FIRST_FIELD = re.compile(r"\{\s*(\w+)(?:\s*\(([^)]*)\))?")


class BulkBusy(Transient):
    """As many operations run as Shopify allows: wait for one to end."""

    code = "bulk_busy"


class BulkRefused(Bug):
    """Shopify does not accept the bulk query."""

    code = "bulk_refused"


class NotAResult(ShopifyTrouble):
    """What came is a web page or a packed file, not lines of JSON."""

    code = "bulk_not_a_result"


class ResultGone(Transient):
    """The result's address has lapsed: the operation must run again."""

    code = "bulk_result_gone"


class BulkStatus(StrEnum):
    CREATED = "CREATED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """One operation as Shopify tells it.

    Args:
        objects: lines so far; the number of lines of the file once completed.
        url: None when completed without a single row.
        partial_url: what was read before a failure.
    """

    id: str
    status: BulkStatus
    error_code: str
    objects: int
    roots: int
    url: str | None
    partial_url: str | None


@dataclass(frozen=True, slots=True)
class Piece:
    """Some complete lines, and the byte position just after the last of them.

    Args:
        lines: without their newline; of one that is too long only the beginning.
        too_long: the true length of those, by place in `lines`.
    """

    lines: list[bytes]
    offset: int
    too_long: Mapping[int, int] = field(default_factory=dict)


def start(client: AdminClient, document_name: str, *, from_id: int = 0) -> str:
    """Start a bulk query and return its id.

    Args:
        from_id: only the objects at the top whose id is not smaller.

    Raises:
        BulkBusy: five run already, or one for each of us.
        BulkRefused: the query is not a valid bulk query.
    """
    text = query_text(client.document(document_name), from_id=from_id)
    data = client.run("BulkOperationRun", {"query": text})["bulkOperationRunQuery"]
    errors = data.get("userErrors") or []
    if {str(each.get("code")) for each in errors} & {"OPERATION_IN_PROGRESS", "LIMIT_REACHED"}:
        raise BulkBusy("other bulk operations are running")
    if errors or not data.get("bulkOperation"):
        told = "; ".join(str(each.get("message")) for each in errors)
        raise BulkRefused(f"Shopify refuses the bulk query {document_name}: {told[:300]}")
    return str(data["bulkOperation"]["id"])


def query_text(text: str, *, from_id: int = 0) -> str:
    """A bulk query, narrowed to the objects at the top from this id on. Bulk queries take no variables."""
    if not from_id:
        return text

    def narrowed(found: re.Match[str]) -> str:
        arguments = ", ".join(each for each in (found[2], f'query: "id:>={from_id}"') if each)
        return f"{{ {found[1]}({arguments})"

    return _FIRST_FIELD.sub(narrowed, text, count=1)


def status(client: AdminClient, operation_id: str) -> BulkOperation | None:
    """How the operation stands; None when Shopify no longer knows it."""
    found: dict[str, Any] | None = client.run("BulkOperationStatus", {"id": operation_id})["bulkOperation"]
    if found is None:
        return None
    return BulkOperation(
        id=str(found["id"]),
        status=BulkStatus(found["status"]),
        error_code=str(found.get("errorCode") or ""),
        objects=int(found.get("objectCount") or 0),
        roots=int(found.get("rootObjectCount") or 0),
        url=found.get("url"),
        partial_url=found.get("partialDataUrl"),
    )


def cancel(client: AdminClient, operation_id: str) -> None:
    """Ask Shopify to stop the operation; one that has ended already is fine."""
    client.run("BulkOperationCancel", {"id": operation_id})


def allowed_address(url: str) -> bool:
    """Only Shopify's own file hosts, over https, or the configured local stand-in."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        own = urlsplit(settings.SHOPIFY_SHOP_ORIGIN)
        if (
            "{" not in settings.SHOPIFY_SHOP_ORIGIN
            and parts.netloc == own.netloc
            and parts.scheme == own.scheme
        ):
            return True
    except ValueError:
        return False
    if parts.scheme != "https" or parts.username is not None or parts.port not in (None, 443):
        return False
    return host in ("storage.googleapis.com", "storage.shopifycloud.com") or host.endswith(
        (".shopify.com", ".storage.googleapis.com")
    )


@contextmanager
def pieces(url: str, offset: int, *, lines_per_piece: int) -> Iterator[Iterator[Piece]]:
    """Read complete lines from byte `offset` on, in pieces of up to `lines_per_piece` lines or some 8 MiB.

    A connection that is cut ends with `ShopifyTrouble` after the complete lines that did arrive; the caller goes on
    from the offset of the last piece. A file that ends amid a line keeps that line to itself: the offset stays before.
    A line longer than `LONGEST_LINE` never is in memory: its beginning is handed on, and its length.

    Raises:
        Bug: the address is not one that we may fetch.
        ResultGone: the address has lapsed.
        NotAResult: something else is served there.
        ShopifyTrouble: not reachable now, or cut off.
    """
    if not allowed_address(url):
        raise Bug(f"a bulk result at {urlsplit(url).hostname} is not fetched: the host is not Shopify's")
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        with shop_http.client().stream("GET", url, headers=headers) as response:
            if response.status_code == 416:
                yield iter(())
                return
            if response.status_code in (403, 404, 410):
                raise ResultGone(f"the bulk result has lapsed (HTTP {response.status_code})")
            if response.status_code not in (200, 206):
                raise ShopifyTrouble(f"the file store answered {response.status_code}")
            if offset and response.status_code == 206 and not _continues(response, offset):
                raise ShopifyTrouble("the file store sent another part of the file than asked for")
            skip = offset if response.status_code == 200 else 0
            yield _cut(response, offset, skip, lines_per_piece)
    except httpx.HTTPError as error:
        raise ShopifyTrouble(f"the bulk result was cut off ({type(error).__name__})") from error


def _continues(response: httpx.Response, offset: int) -> bool:
    told = response.headers.get("content-range")
    return told is None or told.startswith(f"bytes {offset}-")


def _cut(response: httpx.Response, offset: int, skip: int, lines_per_piece: int) -> Iterator[Piece]:
    gathered = _Gathered(offset)
    rest, swallowed = b"", 0
    begins_file = True
    try:
        # As they arrive: bytes that wait for a larger chunk would be lost with a cut connection.
        for each in response.iter_bytes():
            if begins_file and (skip or not offset):
                _must_be_lines(each)
            begins_file = False
            # A server that ignored the range sends again what we have.
            chunk = each[skip:]
            skip = max(0, skip - len(each))
            if swallowed:
                end = chunk.find(b"\n")
                if end < 0:
                    swallowed += len(chunk)
                    continue
                gathered.add_too_long(rest, swallowed + end)
                rest, swallowed, chunk = b"", 0, chunk[end + 1 :]
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            gathered.add(lines)
            if len(rest) > LONGEST_LINE:
                rest, swallowed = rest[:KEPT_OF_TOO_LONG], len(rest)
            yield from gathered.full(lines_per_piece)
    except httpx.HTTPError:
        yield from gathered.all()
        raise
    if swallowed:  # the file ended without a last newline
        gathered.add_too_long(rest, swallowed, newline=0)
    elif rest.strip() and _stands_whole(rest):
        gathered.add([rest], newline=0)
    yield from gathered.all()


class _Gathered:
    """Lines that wait to be handed on, and where in the file the first of them begins."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self._lines: list[bytes] = []
        self._ends: list[int] = []
        self._too_long: dict[int, int] = {}
        self._end = offset

    def add(self, lines: list[bytes], *, newline: int = 1) -> None:
        for line in lines:
            self._append(line, len(line), newline)

    def add_too_long(self, beginning: bytes, length: int, *, newline: int = 1) -> None:
        self._append(beginning[:KEPT_OF_TOO_LONG], length, newline)

    def full(self, lines_per_piece: int) -> Iterator[Piece]:
        """The pieces that are complete by number of lines or by size."""
        while len(self._lines) >= lines_per_piece or self._end - self._offset > BYTES_PER_PIECE:
            yield self._take(min(lines_per_piece, len(self._lines)))

    def all(self) -> Iterator[Piece]:
        """What is left."""
        if self._lines:
            yield self._take(len(self._lines))

    def _append(self, line: bytes, length: int, newline: int) -> None:
        if length > LONGEST_LINE:
            self._too_long[len(self._lines)] = length
            line = line[:KEPT_OF_TOO_LONG]
        self._lines.append(line)
        self._end += length + newline
        self._ends.append(self._end)

    def _take(self, count: int) -> Piece:
        too_long = {place: length for place, length in self._too_long.items() if place < count}
        piece = Piece(self._lines[:count], self._ends[count - 1], too_long)
        self._lines, self._ends = self._lines[count:], self._ends[count:]
        self._too_long = {place - count: length for place, length in self._too_long.items() if place >= count}
        self._offset = piece.offset
        return piece


def _must_be_lines(beginning: bytes) -> None:
    """Raises NotAResult where a page or a packed file begins."""
    if beginning.startswith(_GZIP):
        raise NotAResult("the file store sent a packed file instead of lines")
    if beginning.lstrip()[:1] == b"<":
        raise NotAResult("the file store sent a web page instead of lines")


def _stands_whole(line: bytes) -> bool:
    """Whether a last line without a newline is all there: an object that is cut off is never valid JSON."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
