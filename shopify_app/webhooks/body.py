"""How large a delivery's body may be, and how long it may take."""

from __future__ import annotations

from django.http import HttpRequest

from tenancy import bodies
from tenancy.bodies import BodyTooLarge, BodyUnfinished

__all__ = ["LARGEST_BODY", "BodyTooLarge", "BodyUnfinished", "read_body"]

LARGEST_BODY = 5 * 1024 * 1024
# Shopify sends a delivery in one go and waits five seconds for the answer.
LONGEST_READ_S = 2.0


def read_body(request: HttpRequest) -> bytes:
    """The whole body. Raises as `tenancy.bodies.read_body`."""
    return bodies.read_body(request, most=LARGEST_BODY, within_s=LONGEST_READ_S)
