"""The one way by which a request leaves for Shopify: where a shop lives, and a pooled client per process."""

from __future__ import annotations

import os
import threading

import httpx
from django.conf import settings

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
AGENT = "Shelfwise/0.1 (+self-hosted)"

_lock = threading.Lock()
_clients: dict[int, httpx.Client] = {}


def client() -> httpx.Client:
    """This process's HTTP client: pooled, thread safe, follows no redirect. A forked child makes its own."""
    pid = os.getpid()
    found = _clients.get(pid)
    if found is None:
        with _lock:
            found = _clients.get(pid)
            if found is None:
                found = _clients[pid] = httpx.Client(
                    timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
                    limits=httpx.Limits(
                        max_connections=20, max_keepalive_connections=5, keepalive_expiry=4.0
                    ),
                    headers={"User-Agent": AGENT},
                    follow_redirects=False,
                    trust_env=False,
                )
    return found


def shop_url(domain: str, path: str) -> str:
    """The address of `path` (which begins with a slash) at the shop, or at its local stand-in."""
    return str(settings.SHOPIFY_SHOP_ORIGIN).replace("{shop}", domain) + path


def shop_headers(domain: str) -> dict[str, str]:
    """Names the shop to a stand-in that hosts several; to Shopify it says what the address says already."""
    return {"Host": domain, "Accept": "application/json"}
