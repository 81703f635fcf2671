"""Pseudonymous ids of this app's own making, each for one shop: a visitor, a staff browser, the shop at the collector.

Each carries a proof that we made it, so that nobody else's invention is taken and nothing has to be looked up. Pure but
for the key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

from django.conf import settings

_RANDOM_BYTES = 15
_PROOF_BYTES = 9
_VISITOR_CHARS = 32  # 24 bytes of base64


def issue(domain: str) -> str:
    """A new visitor id for this shop: 32 url-safe characters, 120 bits of them random."""
    body = secrets.token_bytes(_RANDOM_BYTES)
    return base64.urlsafe_b64encode(body + _proof("visitor", domain, body)).decode()


def issued(domain: str, visitor: str) -> bool:
    """Whether `issue` made this id for this shop."""
    if len(visitor) != _VISITOR_CHARS:
        return False
    raw = _decoded(visitor)
    body, proof = raw[:_RANDOM_BYTES], raw[_RANDOM_BYTES:]
    return len(raw) == _RANDOM_BYTES + _PROOF_BYTES and hmac.compare_digest(
        proof, _proof("visitor", domain, body)
    )


def account(domain: str) -> str:
    """How the shop's pixel names its shop: `<domain>.<proof>`. Public: every page of the shop shows it."""
    return f"{domain}.{base64.urlsafe_b64encode(_proof('account', domain, b'')).decode()}"


def shop_of_account(given: str) -> str | None:
    """The domain of an account that we made; None for anything else."""
    domain, _, proof = given.rpartition(".")
    expected = _proof("account", domain, b"")
    return domain if domain and hmac.compare_digest(_decoded(proof), expected) else None


def staff_pass(domain: str, *, until: datetime) -> str:
    """What marks a browser as one of the shop's own people: `<unix time>.<proof>`; names nobody."""
    end = str(int(until.timestamp()))
    return f"{end}.{base64.urlsafe_b64encode(_proof('staff', domain, end.encode())).decode()}"


def is_staff(domain: str, given: str, *, now: datetime) -> bool:
    """Whether `staff_pass` made this for this shop and it has not lapsed."""
    end, _, proof = given.partition(".")
    if not (end.isascii() and end.isdigit() and len(end) <= 12 and len(given) <= 40):
        return False
    good = hmac.compare_digest(_decoded(proof), _proof("staff", domain, end.encode()))
    return good and int(end) >= now.timestamp()


def _proof(kind: str, domain: str, body: bytes) -> bytes:
    told = f"shelfwise {kind} of {domain}:".encode() + body
    return hmac.new(settings.SECRET_KEY.encode(), told, hashlib.sha256).digest()[:_PROOF_BYTES]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        return b""
