"""Reads a delivery's body within a size and a time, so that a sender who never finishes cannot hold the web server."""

from __future__ import annotations

import threading

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import UnreadablePostError

LARGEST_BODY = 5 * 1024 * 1024
# Shopify sends a delivery in one go and waits five seconds for the answer.
LONGEST_READ_S = 2.0


class BodyTooLarge(Exception):
    """More than any webhook carries."""


class BodyUnfinished(Exception):
    """The connection broke, or the rest did not come in time."""


def read_body(request: HttpRequest) -> bytes:
    """The whole body.

    Raises:
        BodyTooLarge: nothing, or not all of it, was read.
        BodyUnfinished: part of it may have been.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > LARGEST_BODY:
        raise BodyTooLarge
    read: list[bytes | Exception] = []

    def work() -> None:
        try:
            read.append(request.body)
        except (UnreadablePostError, RequestDataTooBig) as error:
            read.append(error)

    # WSGI's stream knows no timeout. The thread ends with the connection, which the server closes after our answer.
    thread = threading.Thread(target=work, name="webhook-body", daemon=True)
    thread.start()
    thread.join(LONGEST_READ_S)
    found = read[0] if read else None
    if isinstance(found, RequestDataTooBig):
        raise BodyTooLarge
    if not isinstance(found, bytes):
        raise BodyUnfinished
    return found
