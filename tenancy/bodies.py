"""Reads a stranger's request body within a size and a time, so that who never finishes cannot hold the web server."""

from __future__ import annotations

import threading

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import UnreadablePostError


class BodyTooLarge(Exception):
    """More than anybody honest sends."""


class BodyUnfinished(Exception):
    """The connection broke, or the rest did not come in time."""


def read_body(request: HttpRequest, *, most: int, within_s: float) -> bytes:
    """The whole body.

    Args:
        most: bytes.

    Raises:
        BodyTooLarge: nothing, or not all of it, was read.
        BodyUnfinished: part of it may have been.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > most:
        raise BodyTooLarge
    read: list[bytes | Exception] = []

    def work() -> None:
        try:
            read.append(request.body)
        except (UnreadablePostError, RequestDataTooBig) as error:
            read.append(error)

    # WSGI's stream knows no timeout. The thread ends with the connection, which the server closes after our answer.
    thread = threading.Thread(target=work, name="request-body", daemon=True)
    thread.start()
    thread.join(within_s)
    found = read[0] if read else None
    if isinstance(found, RequestDataTooBig) or (isinstance(found, bytes) and len(found) > most):
        raise BodyTooLarge
    if not isinstance(found, bytes):
        raise BodyUnfinished
    return found
