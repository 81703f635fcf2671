"""Where a request came from, and how an address is counted without being kept."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest
from redis.exceptions import RedisError

from tenancy.redis import client, key

_SALT_LIFE_S = 26 * 3600
_salts: dict[str, bytes] = {}
# For as long as Redis is away: other processes hash otherwise, so each counts by itself.
_OWN_SALT = secrets.token_bytes(16)


def address(request: HttpRequest) -> str:
    """The caller's network address: the entry that the outermost of our own `PROXY_HOPS` proxies wrote."""
    hops: int = settings.PROXY_HOPS
    if hops:
        told = _forwarded(request)
        if told:
            return told[max(0, len(told) - hops)][:64]
    return str(request.META.get("REMOTE_ADDR") or "")[:64]


def shopper_address(request: HttpRequest) -> str:
    """The buyer's address at an app proxy address: Shopify names it in front of what our own proxies add."""
    told = _forwarded(request)
    hops: int = settings.PROXY_HOPS
    return told[max(0, len(told) - hops - 1)][:64] if told else ""


def hidden(text: str, now: datetime) -> str:
    """A keyed hash of an address or a visitor. Its key is random, shared by all processes for a day, then forgotten."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), key=_salt(now), digest_size=12).hexdigest()


def forget() -> None:
    """Drop this process's memory of the day's key."""
    _salts.clear()


def _forwarded(request: HttpRequest) -> list[str]:
    told = str(request.META.get("HTTP_X_FORWARDED_FOR", ""))
    return [part.strip() for part in told.split(",") if part.strip()]


def _salt(now: datetime) -> bytes:
    day = now.date().isoformat()
    found = _salts.get(day)
    if found is None:
        name = key("collected", "salt", day)
        try:
            client().set(name, secrets.token_bytes(16), nx=True, ex=_SALT_LIFE_S)
            found = bytes(client().get(name) or b"")  # type: ignore[arg-type]
        except RedisError:
            return _OWN_SALT
        _salts.clear()
        _salts[day] = found
    return found
