"""Bulk operations: start, ask, cancel, and read the lines of the result.

A result is a file of one JSON object per line, at an address of Shopify's file store. It is read in pieces that can
start at any byte, so that a cut connection or a killed process goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from shopify_app.graphql import shop_http
from shopify_app.graphql.client import AdminClient, ShopifyTrouble
from tenancy.errors import Bug, Transient

LONGEST_LINE = 8 * 1024 * 1024


class BulkBusy(Transient):
    """As many operations run as Shopify allows: wait for one to end."""

    code = "bulk_busy"


class BulkRefused(Bug):
    """Shopify does not accept the bulk query."""

    code = "bulk_refused"


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
    """Some complete lines, and the byte position just after the last of them."""

    lines: list[bytes]
    offset: int


def start(client: AdminClient, document_name: str) -> str:
    """Start a bulk query and return its id.

    Raises:
        BulkBusy: five run already, or one for each of us.
        BulkRefused: the query is not a valid bulk query.
    """
    data = client.run("BulkOperationRun", {"query": client.document(document_name)})["bulkOperationRunQuery"]
    errors = data.get("userErrors") or []
    if {str(each.get("code")) for each in errors} & {"OPERATION_IN_PROGRESS", "LIMIT_REACHED"}:
        raise BulkBusy("other bulk operations are running")
    if errors or not data.get("bulkOperation"):
        told = "; ".join(str(each.get("message")) for each in errors)
        raise BulkRefused(f"Shopify refuses the bulk query {document_name}: {told[:300]}")
    return str(data["bulkOperation"]["id"])


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
    """Read complete lines from byte `offset` on, in pieces of up to `lines_per_piece` lines.

    A connection that is cut ends with `ShopifyTrouble` after the complete lines that did arrive; the caller goes on
    from the offset of the last piece.

    Raises:
        Bug: the address is not one that we may fetch.
        ResultGone: the address has lapsed.
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
            skip = offset if response.status_code == 200 else 0
            yield _cut(response, offset, skip, lines_per_piece)
    except httpx.HTTPError as error:
        raise ShopifyTrouble(f"the bulk result was cut off ({type(error).__name__})") from error


def _cut(response: httpx.Response, offset: int, skip: int, lines_per_piece: int) -> Iterator[Piece]:
    rest = b""
    waiting: list[bytes] = []
    try:
        # As they arrive: bytes that wait for a larger chunk would be lost with a cut connection.
        for each in response.iter_bytes():
            # A server that ignored the range sends again what we have.
            chunk = each[skip:]
            skip = max(0, skip - len(each))
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            if len(rest) > LONGEST_LINE:
                raise Bug("a line of the bulk result is longer than any that we accept")
            waiting.extend(lines)
            while len(waiting) >= lines_per_piece:
                ready, waiting = waiting[:lines_per_piece], waiting[lines_per_piece:]
                offset += sum(map(len, ready)) + len(ready)
                yield Piece(ready, offset)
    except httpx.HTTPError:
        if waiting:
            yield Piece(waiting, offset + sum(map(len, waiting)) + len(waiting))
        raise
    if rest:  # the file ended, whole, without a last newline
        waiting.append(rest)
        offset -= 1
    if waiting:
        yield Piece(waiting, offset + sum(map(len, waiting)) + len(waiting))
