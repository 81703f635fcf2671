"""The app proxy: a storefront path that Shopify signs and forwards to the app.

https://shopify.dev/docs/apps/build/online-store/app-proxies/authenticate-app-proxies
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

import anyio.to_thread
import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from devstore.store import Store
from devstore.tokens import hmac_hex

if TYPE_CHECKING:
    from devstore.platform import Platform

CUSTOMER_COOKIE = "devstore_customer"
BUYER_IP_HEADER = "x-devstore-buyer-ip"
SHOPIFY_PARAMETERS = frozenset(
    {b"shop", b"logged_in_customer_id", b"path_prefix", b"timestamp", b"signature"}
)
MAX_BODY = 8 * 1024 * 1024
TOTAL_TIMEOUT_S = 30.0
MAX_REDIRECTS = 5

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NOT_FORWARDED = _HOP_BY_HOP | {
    "cookie", "host", "content-length", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
    "x-real-ip", BUYER_IP_HEADER,
}  # fmt: skip
# Shopify's list, with the hop-by-hop headers that this server writes itself.
_NOT_RETURNED = _HOP_BY_HOP | {
    "accept-patch", "accept-ranges", "cookie", "date", "delta-base", "im", "p3p", "pragma", "preference-applied",
    "public-key-pins", "server", "service-worker-allowed", "set-cookie", "tk", "warning", "x-powered-by",
    "content-length",
}  # fmt: skip


def client() -> httpx.AsyncClient:
    """The pooled client that talks to the app; follows redirects, as Shopify does."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(TOTAL_TIMEOUT_S, connect=2.0),
        limits=httpx.Limits(max_connections=256, max_keepalive_connections=64),
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        trust_env=False,
    )


def proxy_message(query: bytes) -> bytes:
    """What is signed: `key=value,value` per key (decoded, values in order), sorted by bytes, joined without a sign."""
    values: dict[bytes, list[bytes]] = {}
    for part in query.split(b"&"):
        if part:
            key, _, value = part.partition(b"=")
            values.setdefault(_decoded(key), []).append(_decoded(value))
    values.pop(b"signature", None)
    return b"".join(sorted(key + b"=" + b",".join(found) for key, found in values.items()))


def signed_query(
    query: bytes, *, shop: str, customer_id: str, path_prefix: str, timestamp: int, secret: str
) -> bytes:
    """The buyer's raw query with Shopify's parameters and signature; the buyer's own copies of those are removed."""
    kept = [
        part
        for part in query.split(b"&")
        if part and _decoded(part.partition(b"=")[0]) not in SHOPIFY_PARAMETERS
    ]
    own = {
        "shop": shop,
        "logged_in_customer_id": customer_id,
        "path_prefix": path_prefix,
        "timestamp": str(timestamp),
    }
    kept += [f"{key}={quote(value, safe='')}".encode() for key, value in own.items()]
    unsigned = b"&".join(kept)
    return unsigned + b"&signature=" + hmac_hex(secret, proxy_message(unsigned)).encode()


def _decoded(part: bytes) -> bytes:
    return unquote_to_bytes(part.replace(b"+", b" "))


async def forward(platform: Platform, request: Request) -> Response:
    """Sign a request under `/{prefix}/{subpath}` and answer what the app answers.

    404 when the app has no proxy, is not installed, or the path is another app's; 502 when the app cannot be reached,
    504 when it takes over 30 s. Raises UnknownShopError (answered as 404).
    """
    store, settings = platform.store_for(request), platform.app.proxy
    raw_path = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    raw_path = raw_path.partition(b"?")[0]
    prefix = settings.path_prefix.encode() if settings else b""
    inside = raw_path == prefix or raw_path.startswith(prefix + b"/")
    climbs = any(unquote_to_bytes(part) in (b".", b"..") for part in raw_path.split(b"/"))
    if settings is None or not inside or climbs or platform.installs.active(store.domain) is None:
        return _page(404, "Page not found", "No app answers at this address of the shop.")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                return _page(413, "Too large", f"A request through the app proxy may hold {MAX_BODY} bytes.")
    except ClientDisconnect:
        return Response(status_code=499)
    customer_id = ""
    if CUSTOMER_COOKIE in request.cookies:
        customer_id = await anyio.to_thread.run_sync(_customer_id, store, request.cookies[CUSTOMER_COOKIE])
    query = signed_query(
        request.scope["query_string"],
        shop=store.domain,
        customer_id=customer_id,
        path_prefix=settings.path_prefix,
        timestamp=int(time.time()),
        secret=platform.app.client_secret,
    )
    url = httpx.URL(settings.url).copy_with(query=None)
    target = url.copy_with(raw_path=url.raw_path.rstrip(b"/") + raw_path[len(prefix) :] + b"?" + query)
    assert platform.proxy_client is not None, "the platform was not started"
    outgoing = platform.proxy_client.build_request(
        request.method, target, headers=_forwarded_headers(request, store.domain), content=bytes(body)
    )
    try:
        async with asyncio.timeout(TOTAL_TIMEOUT_S):
            answer = await platform.proxy_client.send(outgoing, stream=True)
            try:
                content = b"".join([chunk async for chunk in answer.aiter_raw()])
            finally:
                await answer.aclose()
    except (TimeoutError, httpx.TimeoutException):
        return _page(504, "The app took too long", f"{platform.app.name} did not answer.")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return _page(
            502,
            "The app is not reachable",
            f"{platform.app.name} could not be asked ({type(error).__name__}).",
        )
    response = Response(content, status_code=answer.status_code)
    response.raw_headers = [
        *(
            (key.lower(), value)
            for key, value in answer.headers.raw
            if key.lower().decode("latin-1") not in _NOT_RETURNED
        ),
        *([(b"content-length", str(len(content)).encode())] if answer.status_code not in (204, 304) else []),
    ]
    return response


def _customer_id(store: Store, cookie: str) -> str:
    """The signed-in customer, if the shop has one of this id; else an empty string."""
    if not (cookie.isascii() and cookie.isdigit() and len(cookie) <= 18):
        return ""
    known = store.one("SELECT 1 FROM customers WHERE id = ?", (int(cookie),))
    return str(int(cookie)) if known else ""


def _forwarded_headers(request: Request, domain: str) -> list[tuple[str, str]]:
    headers = [
        (key.decode("latin-1"), value.decode("latin-1"))
        for key, value in request.headers.raw
        if key.decode("latin-1").lower() not in _NOT_FORWARDED
    ]
    host = request.headers.get("host", domain)
    return [*headers, ("X-Forwarded-For", _buyer_ip(request)), ("X-Forwarded-Host", host)]


def _buyer_ip(request: Request) -> str:
    """The buyer's address: the peer's, or the one that a simulated shopper gives itself in X-Devstore-Buyer-Ip."""
    claimed = request.headers.get(BUYER_IP_HEADER, "")
    try:
        return str(ipaddress.ip_address(claimed))
    except ValueError:
        return request.client.host if request.client else "127.0.0.1"


def _page(status: int, title: str, text: str) -> HTMLResponse:
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><h1>{title}</h1><p>{text}</p></html>"
    return HTMLResponse(page, status_code=status)
