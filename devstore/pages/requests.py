"""Reading what strangers send, and running blocking pages off the event loop."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

MAX_BODY = 512 * 1024
MAX_ID = 2**63 - 1


class PageRefusedError(Exception):
    """The request cannot be served; answered with this status and sentence."""

    def __init__(self, status: int, message: str, *, title: str = "Bad Request") -> None:
        super().__init__(message)
        self.status = status
        self.title = title


@dataclass(frozen=True)
class Sent:
    """A request with its body read: `body` holds the JSON object or the form's last values."""

    request: Request
    body: Mapping[str, Any]
    is_json: bool

    @property
    def wants_json(self) -> bool:
        accepted = self.request.headers.get("accept", "")
        return (
            self.is_json or "application/json" in accepted or self.request.url.path.endswith((".js", ".json"))
        )


def whole(value: object, *, what: str, least: int = 0, most: int = MAX_ID) -> int:
    """A whole number within bounds from text or a number. Raises PageRefusedError (422)."""
    text = str(value).strip()
    if isinstance(value, bool) or len(text) > 20 or not text.removeprefix("-").isascii():
        raise PageRefusedError(422, f"{what} must be a whole number.")
    try:
        number = int(text)
    except ValueError:
        raise PageRefusedError(422, f"{what} must be a whole number.") from None
    if not least <= number <= most:
        raise PageRefusedError(422, f"{what} must be between {least} and {most}.")
    return number


def page_number(request: Request, *, per_page: int) -> tuple[int, int]:
    """(page, offset) from `?page=`; anything odd is page 1."""
    try:
        page = whole(request.query_params.get("page", "1"), what="page", least=1, most=1_000_000)
    except PageRefusedError:
        page = 1
    return page, (page - 1) * per_page


Handler = Callable[[Sent], Response]


def answering(handler: Handler) -> Callable[[Request], Any]:
    """An endpoint that reads the body, runs `handler` in a worker thread and turns refusals into answers."""

    @functools.wraps(handler)
    async def endpoint(request: Request) -> Response:
        sent = Sent(request, {}, is_json=False)
        try:
            if request.method == "POST":
                sent = await _read(request)
            return await anyio.to_thread.run_sync(handler, sent)
        except ClientDisconnect:
            return Response(status_code=400)
        except PageRefusedError as refusal:
            if sent.wants_json or request.url.path.endswith((".js", ".json")):
                body = {"status": refusal.status, "message": refusal.title, "description": str(refusal)}
                return JSONResponse(body, status_code=refusal.status)
            return PlainTextResponse(str(refusal), status_code=refusal.status)

    return endpoint


async def _read(request: Request) -> Sent:
    header = request.headers.get("content-type", "")
    kind = header.partition(";")[0].strip().lower()
    is_json = kind in ("application/json", "text/json")
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise PageRefusedError(413, f"A body may have {MAX_BODY} bytes at most.", title="Too Large")
        chunks.append(chunk)
    body = b"".join(chunks)
    try:
        if is_json:
            found = json.loads(body.decode() or "{}")
            json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate could not be stored or sent
        elif kind == "multipart/form-data":
            found = nested(_multipart(header, body))
        else:
            found = nested(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=2000))
    except (ValueError, RecursionError):
        raise PageRefusedError(400, "The body is not valid.") from None
    if not isinstance(found, dict):
        raise PageRefusedError(400, "The body must be an object.")
    return Sent(request, found, is_json=is_json)


def _multipart(header: str, body: bytes) -> list[tuple[str, str]]:
    """The text fields of a form sent with FormData; no form here has files. Raises ValueError."""
    head = f"Content-Type: {header}\r\n\r\n".encode("latin-1")
    message = message_from_bytes(head + body, policy=HTTP)
    if not message.is_multipart():
        raise ValueError("no parts")
    found = []
    for part in message.iter_parts():
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            found.append((name, content.decode()))
    return found


def nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Form fields as an object: `a=1` and `properties[x]=2` give {"a": "1", "properties": {"x": "2"}}."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        name, bracket, rest = key.partition("[")
        if not bracket:
            found[name] = value
            continue
        inner = rest.removesuffix("]")
        group = found.setdefault(name, {})
        if isinstance(group, dict):
            group[inner or str(len(group))] = value
    return found
