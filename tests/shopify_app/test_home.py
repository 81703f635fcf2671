"""The embedded page, its bounce, and the authorization-code grant, against forged and honest visitors."""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client
from pytest_django import Settings

from shopify_app.verify.signatures import oauth_message
from tenancy.models import Shop, ShopState
from tests.devstore.running import DOMAIN, SECRET, RunningDevstore
from tests.shopify_app.conftest import OWNER

HOST = "YWRtaW4uc2hvcGlmeS5jb20vc3RvcmUvYmlyY2gtYW5kLWNv"


@pytest.mark.usefixtures("db")
def test_the_first_load_installs_and_frames_only_for_this_shop(
    devstore: RunningDevstore, settings: Settings
) -> None:
    token = devstore.session_token(OWNER)
    response = Client().get("/", {"embedded": "1", "shop": DOMAIN, "host": HOST, "id_token": token})
    assert response.status_code == 200
    assert Shop.objects.get(domain=DOMAIN).state == ShopState.INSTALLED
    policy = response.headers["Content-Security-Policy"]
    assert policy == f"frame-ancestors {settings.SHOPIFY_FRAME_ANCESTORS.format(shop=DOMAIN)};"
    assert "*" not in policy
    assert "X-Frame-Options" not in response.headers
    html = response.content.decode()
    first_script = html.index("<script")
    assert html.index(f"{settings.SHOPIFY_CDN_ORIGIN}/app-bridge.js") < html.index("polaris.js")
    assert html[first_script:].startswith(f'<script src="{settings.SHOPIFY_CDN_ORIGIN}/app-bridge.js">')
    assert f'content="{settings.SHOPIFY_API_KEY}"' in html
    assert '<div id="app">' in html
    for secret in (SECRET, token, "shpat_", "shprt_"):
        assert secret not in html


@pytest.mark.usefixtures("db")
def test_client_side_routes_get_the_same_page(devstore: RunningDevstore) -> None:
    token = devstore.session_token(OWNER)
    pages = {
        Client().get(path, {"id_token": token}).content
        for path in ("/", "/versions", "/versions/12", "/team")
    }
    assert len(pages) == 1


@pytest.mark.usefixtures("db", "devstore")
@pytest.mark.parametrize("token", [None, "app-security.invalid.token", "x" * 5000])
def test_a_missing_or_bad_token_bounces_and_installs_nothing(token: str | None, settings: Settings) -> None:
    query = {
        "embedded": "1",
        "shop": DOMAIN,
        "host": HOST,
        "page": "2",
        **({"id_token": token} if token else {}),
    }
    response = Client().get("/versions", query)
    assert response.status_code == 302
    target = urlsplit(response.headers["Location"])
    assert (target.netloc, target.path) == ("", "/auth/bounce")
    back = parse_qs(target.query)["shopify-reload"][0]
    assert back.startswith(f"{settings.APP_URL}/versions?")
    assert "id_token" not in back
    assert parse_qs(urlsplit(back).query)["page"] == ["2"]
    assert not Shop.objects.exists()
    page = Client().get(response.headers["Location"])
    assert page.status_code == 200
    assert DOMAIN in page.headers["Content-Security-Policy"]
    assert b"app-bridge.js" in page.content


@pytest.mark.parametrize(
    "target",
    ["https://evil.tld/", "//evil.tld", "javascript:alert(1)", "", "{app}.evil.tld/", "{app}//evil.tld", "{app}/\\evil.tld",
     "{app}@evil.tld/"],
)  # fmt: skip
def test_the_bounce_page_only_returns_to_our_own_pages(target: str, settings: Settings) -> None:
    response = Client().get(
        "/auth/bounce", {"shop": DOMAIN, "shopify-reload": target.format(app=settings.APP_URL)}
    )
    assert response.status_code == 400
    assert response.headers["Content-Security-Policy"] == "frame-ancestors 'none';"


@pytest.mark.usefixtures("db")
def test_a_visitor_from_nowhere_is_told_where_to_go() -> None:
    response = Client().get("/")
    assert response.status_code == 400
    assert b"Shopify admin" in response.content
    assert response.headers["Content-Security-Policy"] == "frame-ancestors 'none';"


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("post", "/", 405),
        ("delete", "/versions", 405),
        ("get", "/?" + "a=1&" * 3000, 414),
        ("get", "/favicon.ico", 404),
        ("get", "/wp-admin/setup.php", 404),
        ("get", "/?shop=%ff%fe&id_token=%00", 302),
        ("get", "/?shop=evil.tld", 400),
        ("get", "/auth/begin", 400),
        ("get", "/auth/begin?shop=evil.tld", 400),
        ("get", "/auth/begin?shop=a.myshopify.com%0a", 400),
        ("get", "/auth/callback", 400),
        ("get", "/auth/bounce", 400),
        ("post", "/auth/callback", 405),
    ],
)
def test_strangers_never_get_a_500(method: str, path: str, status: int) -> None:
    assert getattr(Client(), method)(path).status_code == status


@pytest.mark.usefixtures("db")
def test_an_unreachable_shopify_is_said_on_the_page(devstore: RunningDevstore, settings: Settings) -> None:
    settings.SHOPIFY_SHOP_ORIGIN = "http://127.0.0.1:9"
    response = Client().get("/", {"id_token": devstore.session_token(OWNER)})
    assert response.status_code == 503
    assert b"Reload the page" in response.content


def begin(client: Client) -> str:
    response = client.get("/auth/begin", {"shop": DOMAIN})
    assert response.status_code == 302
    asked = parse_qs(urlsplit(response.headers["Location"]).query)
    assert "read_orders" in asked["scope"][0]
    assert asked["redirect_uri"][0].endswith("/auth/callback")
    cookie = response.cookies["shelfwise_grant"]
    assert (cookie["samesite"], bool(cookie["httponly"])) == ("Lax", True)
    return asked["state"][0]


def signed(params: dict[str, str]) -> str:
    digest = hmac.new(SECRET.encode(), oauth_message(params).encode(), hashlib.sha256).hexdigest()
    return "/auth/callback?" + urlencode({**params, "hmac": digest})


def honest(state: str, **changes: str) -> dict[str, str]:
    return {"code": "c", "shop": DOMAIN, "state": state, "timestamp": str(int(time.time())), **changes}


@pytest.mark.usefixtures("db", "devstore")
def test_a_grant_that_was_not_asked_for_in_this_browser_is_refused() -> None:
    asked = Client()
    state = begin(asked)
    assert Client().get(signed(honest(state))).status_code == 400, "another browser"
    assert asked.get(signed(honest("f" * 64))).status_code == 400, "another state"
    assert asked.get(signed(honest(state, shop="stranger.myshopify.com"))).status_code == 400, "another shop"
    assert asked.get(signed(honest(state, timestamp="1"))).status_code == 400, "an old link"
    assert asked.get("/auth/callback?" + urlencode(honest(state))).status_code == 400, "not signed"
    refused = asked.get(signed(honest(state)))
    assert refused.status_code == 400
    assert b"Shopify refuses this link" in refused.content, (
        "all is well but the code, which Shopify never gave"
    )
    assert not Shop.objects.exists()


@pytest.mark.usefixtures("db")
def test_the_whole_grant_installs_outside_the_admin(devstore: RunningDevstore, settings: Settings) -> None:
    devstore.platform.installs.end(DOMAIN, 0)
    settings.APP_URL = "http://127.0.0.1:9"
    client = Client()
    response = client.get("/auth/begin", {"shop": DOMAIN})
    location = urlsplit(response.headers["Location"])
    address = f"{location.path}?{location.query}"
    page = devstore.client.get(address, headers={"Host": DOMAIN})
    assert "Install Shelfwise?" in page.text
    consent = devstore.client.post(address, headers={"Host": DOMAIN})
    back = urlsplit(consent.headers["Location"])
    assert back.path == "/auth/callback"
    done = client.get(f"{back.path}?{back.query}")
    assert done.status_code == 302
    assert done.headers["Location"].startswith("https://admin.shopify.com/store/birch-and-co/apps/")
    shop = Shop.objects.get(domain=DOMAIN)
    assert shop.state == ShopState.INSTALLED
    assert shop.access_token_expires_at is not None, "an expiring token"
