"""Requests that no honest client sends, on a bare socket, and what every answer to them must look like."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from dataclasses import dataclass, field
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern, RoutePattern

SHAPE = {"code", "message", "next_step", "field", "request_id"}
# The web server itself answers these, without a body, when the bytes are not HTTP.
NOT_HTTP = {400, 408, 413, 414, 431}
LEAKS = (
    "Traceback",
    "django",
    "Django",
    "shpat_",
    "shprt_",
    "shpss_",
    "/site-packages/",
    "psycopg",
    "<h1>Not Found</h1>",
)
_PAGE = re.compile(r'<main data-code="([a-z_]+)" data-request-id="([A-Za-z0-9-]{8,64})">')
# A value for each converter in a route. A new kind of parameter must be named here.
_SAMPLES = {
    "version_id": "1",
    "slot": "home",
    "user_id": "1001",
    "delivery_id": "1",
    "marker_id": "1",
    "request_id": "1",
    "redaction_id": "1",
    "resource": "orders",
    "view": "product_offer",
    "variant_id": "10",
    "promotion_id": "1",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as bytes; `raw` replaces all of it."""

    method: bytes = b"GET"
    path: bytes = b"/"
    headers: tuple[bytes, ...] = ()
    body: bytes = b""
    host: bytes | None = b"127.0.0.1"
    length: bool = True
    raw: bytes | None = None

    def encode(self) -> bytes:
        if self.raw is not None:
            return self.raw
        lines = [self.method + b" " + self.path + b" HTTP/1.1", b"Connection: close", *self.headers]
        if self.host is not None:
            lines.append(b"Host: " + self.host)
        if self.length and (self.body or self.method in (b"POST", b"PUT", b"PATCH")):
            lines.append(b"Content-Length: %d" % len(self.body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed answer; header names in lower case. Status 0: the connection ended without one."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def send(port: int, request: Request, *, timeout_s: float = 10.0) -> Answer:
    """Send the bytes and read to the end of the connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        # The server may answer and close before it has read all of it.
        with contextlib.suppress(ConnectionError):
            connection.sendall(request.encode())
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65536):
                received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1.1 "):
        return Answer(0)
    pairs = [line.partition(":") for line in rest]
    return Answer(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)


def check(request: Request, answer: Answer) -> None:
    """Assert all that must hold for any answer to a stranger."""
    seen = f"{request.encode()[:300]!r} -> {answer.status} {answer.headers} {answer.body[:300]!r}"
    assert 200 <= answer.status < 500, seen
    text = answer.body.decode("utf-8")
    assert not [leak for leak in LEAKS if leak in text], seen
    if "x-request-id" not in answer.headers:
        assert (answer.status in NOT_HTTP, answer.body) == (True, b""), seen
        return
    assert "transfer-encoding" not in answer.headers, seen
    if request.method not in (b"HEAD", b"CONNECT"):
        assert int(answer.headers["content-length"]) == len(answer.body), seen
    assert answer.headers["x-content-type-options"] == "nosniff", seen
    assert "frame-ancestors" in answer.headers["content-security-policy"], seen
    if answer.status == 405:
        assert answer.headers["allow"], seen
    if answer.status >= 400 and request.method not in (b"HEAD", b"CONNECT"):
        code, request_id = facts(answer)
        assert code, seen
        assert request_id == answer.headers["x-request-id"], seen
        assert answer.headers["cache-control"] == "no-store", seen


def facts(answer: Answer) -> tuple[str, str]:
    """Code and request id of a refusal, from the one shape or from the page that says the same."""
    if answer.headers["content-type"].startswith("application/json"):
        found: Any = json.loads(answer.body)
        assert set(found) == {"error"}
        assert set(found["error"]) == SHAPE
        assert found["error"]["message"]
        return found["error"]["code"], found["error"]["request_id"]
    page = _PAGE.search(answer.body.decode())
    assert page is not None, answer
    return page[1], page[2]


def public_paths() -> dict[str, str]:
    """Every pattern of the URLconf, as written, with one address that it matches."""
    return {**_walk(get_resolver().url_patterns, "", ""), "static/": "/static/no-such-file.js"}


def _walk(patterns: list[URLPattern | URLResolver], written: str, address: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in patterns:
        pattern: Any = each.pattern
        if isinstance(pattern, RoutePattern):
            sample = re.sub(r"<(?:\w+:)?(\w+)>", lambda name: _SAMPLES[name[1]], str(pattern))
        else:
            assert isinstance(pattern, RegexPattern)
            sample = "no-such-address"
        here, there = written + str(pattern), address + sample
        if isinstance(each, URLResolver):
            found |= _walk(each.url_patterns, here, there)
        else:
            found[here] = "/" + there
    return found
