"""Shopify's runtime probes against the running product, and the rules behind them held over the whole URL map and source.

Probes: Shopify CLI, app security checks. Any 2xx is a failure; redirects are not followed.
"""

from __future__ import annotations

import ast
import hashlib
import hmac
import re
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from shopify_app.verify.shop_domain import claimed_shop, shop_domain
from tests.hostile import public_paths
from tests.live_product import LiveProduct

ROOT = Path(__file__).parents[1]
SOURCES = [
    p for room in ("shopify_app", "storefront_proxy", "mlops", "tenancy") for p in (ROOT / room).rglob("*.py")
]
PROBE = {"User-Agent": "Shopify-CLI-App-Security-Probe"}


class Verifier(Enum):
    """By what an address knows its caller, and what it answers to one who proves nothing."""

    WEBHOOK = "HMAC of the body"
    PROXY = "signature of the query"
    SESSION = "session token in the Authorization header"
    PAGE = "session token in the query; without one, a redirect that leads to Shopify or a refusal"
    ACCOUNT = "the account in the address, which every page of its shop shows: caps bound a forger"
    GRANT = "HMAC of the query and our own state"
    TOKEN = "bearer token of the operator (METRICS_TOKEN)"
    OPEN = "nothing: it tells and changes nothing of a shop"


W, P, S, A = Verifier.WEBHOOK, Verifier.PROXY, Verifier.SESSION, Verifier.PAGE
# Each pattern of the URL map. A new one must say here how it verifies.
VERIFIED_BY = {
    "healthz": Verifier.OPEN,
    "metrics": Verifier.TOKEN,
    "static/": Verifier.OPEN,
    "webhooks/shopify": W,
    "webhooks/compliance": W,
    "webhooks/^.*$": Verifier.OPEN,
    "proxy/recommendations": P,
    "proxy/clicks": P,
    "proxy/withdraw": P,
    "proxy/^.*$": Verifier.OPEN,
    "collect/events": Verifier.ACCOUNT,
    "collect/^.*$": Verifier.OPEN,
    "api/overview": S,
    "api/traffic": S,
    "api/versions": S,
    "api/versions/<str:version_id>": S,
    "api/slots/<str:slot>/rollback": S,
    "api/slots/<str:slot>/deploy": S,
    "api/training": S,
    "api/import/restart": S,
    "api/audit": S,
    "api/flow": S,
    "api/incidents": S,
    "api/reconcile": S,
    "api/webhooks/dead": S,
    "api/webhooks/<str:delivery_id>/replay": S,
    "api/markers": S,
    "api/markers/<member:marker_id>": S,
    "api/access-log": S,
    "api/access-log/export": S,
    "api/fields": S,
    "api/fields/export": S,
    "api/features": S,
    "api/features/export": S,
    "api/features/<str:view>/days": S,
    "api/metafields": S,
    "api/privacy": S,
    "api/privacy/requests/<member:request_id>/export": S,
    "api/privacy/redactions/<member:redaction_id>/certificate": S,
    "api/validation": S,
    "api/validation/suites/<str:resource>": S,
    "api/validation/quarantine": S,
    "api/validation/quarantine/replay": S,
    "api/validation/quarantine/dismiss": S,
    "api/validation/halts/<str:resource>/release": S,
    "api/demand": S,
    "api/demand/export": S,
    "api/demand/purchase-order": S,
    "api/demand/total": S,
    "api/demand/variants/<member:variant_id>": S,
    "api/demand/forecast": S,
    "api/demand/terms": S,
    "api/demand/promotions": S,
    "api/demand/promotions/<member:promotion_id>": S,
    "api/storefront": S,
    "api/storefront/browser-link": S,
    "api/storefront/test-visitors": S,
    "api/staff": S,
    "api/staff/<member:user_id>": S,
    "api/^.*$": S,
    "": A,
    "auth/begin": Verifier.OPEN,
    "auth/callback": Verifier.GRANT,
    "auth/bounce": Verifier.OPEN,
    "^(?!api/|proxy/|webhooks/|static/|auth/)(?P<path>[a-z0-9_-]+(?:/[a-z0-9_-]+)*)$": A,
}


def addresses(*verifiers: Verifier) -> list[str]:
    return [path for pattern, path in public_paths().items() if VERIFIED_BY.get(pattern) in verifiers]


def probe(product: LiveProduct, method: str, path: str, **given: object) -> httpx.Response:
    with httpx.Client(base_url=product.stack.app_url, headers=PROBE, timeout=5.0) as client:
        answer = client.request(method, path, **given)  # type: ignore[arg-type]
    assert not answer.is_success, (method, path, answer.status_code)
    assert answer.status_code < 500, (method, path, answer.status_code)
    return answer


def test_every_address_says_how_it_verifies_its_caller() -> None:
    assert set(public_paths()) == set(VERIFIED_BY)


@pytest.mark.parametrize("path", addresses(S, A))
def test_app_home_invalid_token(product: LiveProduct, path: str) -> None:
    headers = {"Authorization": "Bearer app-security.invalid.token"}
    answer = probe(product, "POST", path, headers=headers, content=b"{}")
    assert answer.status_code in (401, 405)
    if path in addresses(S):
        assert answer.json()["error"]["code"] in ("malformed_token", "bad_signature")


def test_metrics_are_told_to_the_operators_token_alone(product: LiveProduct) -> None:
    for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "local-metrics-token"}):
        answer = probe(product, "GET", "/metrics", headers=given)
        assert answer.status_code == 401
        assert b"shelfwise_" not in answer.content
    headers = {"Authorization": "Bearer local-metrics-token"}
    told = httpx.get(f"{product.stack.app_url}/metrics", headers=headers, timeout=5.0)
    assert told.status_code == 200
    assert 'shelfwise_scrape_failed{source="counters"} 0.0' in told.text


@pytest.mark.parametrize("path", addresses(W))
def test_webhook_unverified_hmac(product: LiveProduct, path: str) -> None:
    assert probe(product, "GET", path).status_code == 405
    assert probe(product, "POST", path, content=b"{}").status_code == 401
    named = {"hmac-sha256": "invalid-hmac", "shop-domain": "app-security-probe.invalid.myshopify.com"}
    named["topic"] = "app_security/probe"
    headers = {
        f"{prefix}{name}": value for name, value in named.items() for prefix in ("X-Shopify-", "shopify-")
    }
    for some in (
        headers,
        {n: v for n, v in headers.items() if n[0] == "X"},
        {n: v for n, v in headers.items() if n[0] == "s"},
    ):
        assert probe(product, "POST", path, content=b"{}", headers=some).status_code == 401


def _proxy_query(product: LiveProduct, *, age_s: int = 0, extra: tuple[tuple[str, str], ...] = ()) -> str:
    pairs = [("shop", product.shop), ("path_prefix", "/apps/shelfwise"), ("slot", "home"), *extra]
    if age_s >= 0:
        pairs.append(("timestamp", str(int(time.time()) - age_s)))
    joined: dict[str, list[str]] = {}
    for name, value in pairs:
        joined.setdefault(name, []).append(value)
    message = "".join(sorted(f"{name}={','.join(values)}" for name, values in joined.items()))
    proof = hmac.new(product.stack.secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    return urlencode([*pairs, ("signature", proof)])


@pytest.mark.parametrize("path", addresses(P))
def test_app_proxy_unverified_signature(product: LiveProduct, path: str) -> None:
    method = "POST" if path.endswith(("clicks", "withdraw")) else "GET"
    assert probe(product, "GET", path).status_code in (401, 405)
    good = _proxy_query(product)
    unsigned = good.partition("&signature=")[0]
    assert probe(product, method, f"{path}?{unsigned}").status_code == 401
    assert probe(product, method, f"{path}?{unsigned}&signature=invalid-signature").status_code == 401
    assert probe(product, method, f"{path}?{_proxy_query(product, age_s=-1)}").status_code == 401
    assert probe(product, method, f"{path}?{_proxy_query(product, age_s=120)}").status_code == 401
    twice = _proxy_query(product, extra=(("shop", "app-security-probe.myshopify.com"),))
    assert probe(product, method, f"{path}?{twice}").status_code == 400
    if method == "GET":
        with httpx.Client(base_url=product.stack.app_url) as client:
            answer = client.get(f"{path}?{good}")
        assert answer.status_code == 200, "the refusals above are for their own reason"
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", addresses(Verifier.ACCOUNT))
def test_the_collector_wants_an_account_that_we_made(product: LiveProduct, path: str) -> None:
    assert probe(product, "GET", path).status_code == 405
    for account in ("", product.shop, f"{product.shop}.AAAAAAAAAAAA", "app-security-probe.myshopify.com"):
        batch = {"v": 1, "consent": {"analytics": True}, "events": []}
        answer = probe(product, "POST", path, json=batch, params={"account": account})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_account")
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", addresses(A))
@pytest.mark.parametrize("token", ["", "app-security.invalid.token", "eyJhbGciOiJub25lIn0.e30."])
def test_a_page_without_a_good_token_is_no_page(product: LiveProduct, path: str, token: str) -> None:
    bounced = probe(product, "GET", f"{path}?id_token={token}&shop={product.shop}&embedded=1")
    assert bounced.status_code == 302
    assert bounced.headers["location"].startswith("/auth/bounce?")
    sent = probe(product, "GET", f"{path}?shop={product.shop}")
    assert sent.headers["location"].startswith("/auth/begin?")
    assert probe(product, "GET", path).status_code == 400


@pytest.mark.parametrize("path", addresses(Verifier.GRANT))
def test_the_grant_wants_a_signature_and_our_state(product: LiveProduct, path: str) -> None:
    assert probe(product, "GET", f"{path}?shop={product.shop}&code=x&state=y&hmac=z").status_code == 400
    pairs = {"shop": product.shop, "code": "x", "state": "y", "timestamp": str(int(time.time()))}
    message = "&".join(f"{name}={value}" for name, value in sorted(pairs.items()))
    proof = hmac.new(product.stack.secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    assert probe(product, "GET", f"{path}?{urlencode({**pairs, 'hmac': proof})}").status_code == 400


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.tld/",
        "//evil.tld",
        "/\\evil.tld",
        "javascript:alert(1)",
        "{app}.evil.tld/",
        "{app}@evil.tld/",
    ],
)
def test_the_bounce_leads_to_our_own_pages_only(product: LiveProduct, target: str) -> None:
    given = target.format(app=product.stack.app_url)
    assert probe(product, "GET", "/auth/bounce", params={"shopify-reload": given}).status_code == 400


@pytest.mark.parametrize(
    "text",
    [
        "a.myshopify.com.evil.tld", "evil.tld/a.myshopify.com", "a.myshopify.com\n", "a.myshopify.com/", "a@b.myshopify.com",
        "a.b.myshopify.com", "-a.myshopify.com", ".myshopify.com", "amyshopify.com", "ａ.myshopify.com", "a.myshopify.com:443",
    ],
)  # fmt: skip
def test_what_is_almost_a_shop_is_none(text: str) -> None:
    assert shop_domain(text) is None
    assert claimed_shop(urlencode({"shop": text})) is None


def test_a_claim_names_one_shop() -> None:
    assert claimed_shop("x=1&shop=Birch.myshopify.com") == "birch.myshopify.com"
    assert claimed_shop("shop=birch.myshopify.com&shop=birch.myshopify.com") is None
    assert claimed_shop("&".join(["a=1"] * 5_000)) is None
    assert claimed_shop("shop=%ff") is None


def _found(what: Callable[[ast.AST], bool], *, besides: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        for path in SOURCES
        if not str(path.relative_to(ROOT)).startswith(besides or ("-",))
        for node in ast.walk(ast.parse(path.read_text()))
        if what(node)
    ]


def test_no_view_reads_the_shop_from_a_request() -> None:
    """Only the verifiers turn a request into a shop."""

    def reads_shop(node: ast.AST) -> bool:
        holder = {"GET", "POST", "query_params", "data", "headers", "META", "COOKIES"}
        if isinstance(node, ast.Subscript):
            key: ast.AST = node.slice
            value: ast.AST = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            key, value = node.args[0], node.func.value
        else:
            return False
        named = isinstance(key, ast.Constant) and isinstance(key.value, str)
        return (
            named
            and bool(re.search(r"(^|[-_])shop($|[-_])", str(getattr(key, "value", "")), re.IGNORECASE))
            and isinstance(value, ast.Attribute)
            and value.attr in holder
        )

    assert _found(reads_shop, besides=("shopify_app/verify/",)) == []


def test_nothing_is_marked_as_safe_html() -> None:
    def trusts(node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id in ("mark_safe", "SafeString", "format_html")

    assert _found(trusts) == []
    templates = [*(ROOT / "shopify_app" / "templates").glob("*.html")]
    assert templates
    assert [p.name for p in templates if re.search(r"\|\s*safe\b|autoescape\s+off", p.read_text())] == []


def test_views_that_change_something_use_no_cookie() -> None:
    """No session and no CSRF token are needed, because no cookie opens anything; the grant's state is the exception."""

    def reads_cookie(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and node.attr in ("COOKIES", "session", "get_signed_cookie")

    assert {each.rpartition(":")[0] for each in _found(reads_cookie)} <= {"shopify_app/home/grant.py"}
