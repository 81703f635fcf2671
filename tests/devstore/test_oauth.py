"""Every way to a token, and every refusal, over HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import httpx
import pytest
from starlette.requests import Request

from devstore.tokens import hmac_hex, mint_session_token, query_message
from tests.devstore.running import CLIENT_ID, DOMAIN, OTHER_DOMAIN, SECRET, RunningDevstore

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
OFFLINE = "urn:shopify:params:oauth:token-type:offline-access-token"
ONLINE = "urn:shopify:params:oauth:token-type:online-access-token"
APP_SCOPES = (
    "read_all_orders,read_customer_events,read_customers,read_inventory,read_orders,read_products,read_themes,"
    "write_app_proxy,write_pixels"
)


def post(devstore: RunningDevstore, body: dict[str, Any], *, domain: str = DOMAIN) -> httpx.Response:
    credentials = {"client_id": CLIENT_ID, "client_secret": SECRET}
    return devstore.client.post(
        "/admin/oauth/access_token", json={**credentials, **body}, headers={"Host": domain}
    )


def exchange(devstore: RunningDevstore, **more: Any) -> httpx.Response:
    body = {
        "grant_type": EXCHANGE,
        "subject_token": devstore.session_token(),
        "subject_token_type": ID_TOKEN,
        "requested_token_type": OFFLINE,
        "expiring": "1",
    }
    return post(devstore, {**body, **more})


def allowed(devstore: RunningDevstore, token: str, *, domain: str = DOMAIN) -> bool:
    """Whether the platform's door (`authenticate`) lets this token into this shop."""
    headers = [(b"host", domain.encode()), (b"x-shopify-access-token", token.encode())]
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": headers})
    return devstore.platform.authenticate(request) is not None


def error_of(response: httpx.Response) -> str:
    assert response.status_code == 400, response.text
    assert response.json()["error_description"]
    return str(response.json()["error"])


def test_offline_exchange_gives_an_expiring_pair(devstore: RunningDevstore) -> None:
    response = exchange(devstore)
    answer = response.json()
    assert response.status_code == 200
    assert answer["access_token"].startswith("shpat_")
    assert answer["refresh_token"].startswith("shprt_")
    assert (answer["expires_in"], answer["refresh_token_expires_in"]) == (3600, 7_776_000)
    assert answer["scope"] == APP_SCOPES
    assert "associated_user" not in answer
    assert allowed(devstore, answer["access_token"])
    assert not allowed(devstore, answer["access_token"], domain=OTHER_DOMAIN)


def test_offline_exchange_without_expiring_gives_a_token_that_stays(devstore: RunningDevstore) -> None:
    for more in ({"expiring": "0"}, {"expiring": None}, {"expiring": 0}):
        answer = exchange(devstore, **more).json()
        assert set(answer) == {"access_token", "scope"}
        assert allowed(devstore, answer["access_token"])


def test_only_one_expiring_offline_token_lives(devstore: RunningDevstore) -> None:
    first, second = exchange(devstore).json(), exchange(devstore).json()
    assert not allowed(devstore, first["access_token"])
    assert allowed(devstore, second["access_token"])
    assert error_of(refresh(devstore, first["refresh_token"])) == "invalid_grant"


@pytest.mark.parametrize("staff_id, name, owner", [(1001, "Olivia", True), (1003, "Vera", False)])
def test_online_exchange_names_the_staff_member(
    devstore: RunningDevstore, staff_id: int, name: str, owner: bool
) -> None:
    token = devstore.session_token(staff_id)
    answer = exchange(devstore, subject_token=token, requested_token_type=ONLINE).json()
    user = answer["associated_user"]
    assert (user["id"], user["first_name"], user["account_owner"]) == (staff_id, name, owner)
    assert {"email", "email_verified", "locale", "collaborator", "last_name"} <= set(user)
    assert (answer["expires_in"], answer["associated_user_scope"]) == (86_399, APP_SCOPES)
    assert allowed(devstore, answer["access_token"])


def test_form_bodies_are_taken_too(devstore: RunningDevstore) -> None:
    form = {"client_id": CLIENT_ID, "client_secret": SECRET, "grant_type": "client_credentials"}
    response = devstore.client.post("/admin/oauth/access_token", data=form, headers={"Host": DOMAIN})
    answer = response.json()
    assert response.status_code == 200
    assert (set(answer), answer["expires_in"]) == ({"access_token", "scope", "expires_in"}, 86_399)
    assert allowed(devstore, answer["access_token"])


def refresh(devstore: RunningDevstore, token: str) -> httpx.Response:
    return post(devstore, {"grant_type": "refresh_token", "refresh_token": token})


def test_refresh_rotates_both_tokens(devstore: RunningDevstore) -> None:
    old = exchange(devstore).json()
    new = refresh(devstore, old["refresh_token"]).json()
    assert set(new) == set(old)
    assert new["access_token"] != old["access_token"]
    assert new["refresh_token"] != old["refresh_token"]
    assert allowed(devstore, new["access_token"])
    assert not allowed(devstore, old["access_token"])
    assert error_of(refresh(devstore, old["refresh_token"])) == "invalid_grant"
    assert refresh(devstore, new["refresh_token"]).status_code == 200


def test_a_refresh_token_may_be_retried_until_its_replacement_is_used(devstore: RunningDevstore) -> None:
    devstore.platform.set_faults({"tokens": {"refresh_retry": True}})
    first = exchange(devstore).json()
    lost = refresh(devstore, first["refresh_token"]).json()
    again = refresh(devstore, first["refresh_token"])
    assert again.status_code == 200
    assert error_of(refresh(devstore, lost["refresh_token"])) == "invalid_grant"
    assert refresh(devstore, again.json()["refresh_token"]).status_code == 200
    assert error_of(refresh(devstore, first["refresh_token"])) == "invalid_grant"


def test_tokens_expire_when_told_to(devstore: RunningDevstore) -> None:
    devstore.platform.set_faults({"tokens": {"offline_expires_in": 0.2, "refresh_expires_in": 0.4}})
    answer = exchange(devstore).json()
    assert allowed(devstore, answer["access_token"])
    time.sleep(0.25)
    assert not allowed(devstore, answer["access_token"])
    time.sleep(0.2)
    assert error_of(refresh(devstore, answer["refresh_token"])) == "invalid_grant"


def test_a_permanent_token_is_upgraded_once(devstore: RunningDevstore) -> None:
    old = exchange(devstore, expiring="0").json()["access_token"]
    upgrade = {
        "subject_token": old,
        "subject_token_type": OFFLINE,
        "requested_token_type": OFFLINE,
        "expiring": "1",
    }
    answer = exchange(devstore, **upgrade).json()
    assert answer["refresh_token"]
    assert allowed(devstore, answer["access_token"])
    assert not allowed(devstore, old)
    assert error_of(exchange(devstore, **upgrade)) == "invalid_subject_token"


def minted(**changed: Any) -> str:
    given: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "shop": DOMAIN,
        "staff_id": 1001,
    }
    return mint_session_token(**{**given, "now": time.time(), **changed})


@pytest.mark.parametrize(
    "token",
    [
        "app-security.invalid.token",
        "",
        minted(client_secret="another"),
        minted(client_id="another-app"),
        minted(shop=OTHER_DOMAIN),
        minted(now=time.time() - 71),
        minted(now=time.time() + 3600),
        minted(staff_id=4242),
        "eyJhbGciOiJub25lIn0." + minted().split(".")[1] + ".",
    ],
)
def test_a_bad_session_token_is_refused(devstore: RunningDevstore, token: str) -> None:
    assert (
        error_of(exchange(devstore, subject_token=token, requested_token_type=ONLINE))
        == "invalid_subject_token"
    )


@pytest.mark.parametrize(
    "changed, code",
    [
        ({"client_id": "nobody"}, "application_cannot_be_found"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_secret": "höchst geheim"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "unsupported_grant_type"),
        ({"subject_token_type": "urn:x"}, "invalid_request"),
        ({"requested_token_type": "urn:x"}, "invalid_request"),
        ({"expiring": "yes"}, "invalid_request"),
    ],
)
def test_a_bad_request_is_refused(devstore: RunningDevstore, changed: dict[str, Any], code: str) -> None:
    assert error_of(exchange(devstore, **changed)) == code


def test_a_secret_with_half_a_surrogate_is_merely_wrong(devstore: RunningDevstore) -> None:
    body = json.dumps({"client_id": CLIENT_ID, "client_secret": "\udcff"})
    headers = {"Host": DOMAIN, "Content-Type": "application/json"}
    response = devstore.client.post("/admin/oauth/access_token", content=body, headers=headers)
    assert error_of(response) == "invalid_client"


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff\xfe", b'"x"', b"x" * 70_000, b"[" * 60_000])
def test_a_body_that_is_no_object_is_refused(devstore: RunningDevstore, body: bytes) -> None:
    headers = {"Host": DOMAIN, "Content-Type": "application/json"}
    assert (
        error_of(devstore.client.post("/admin/oauth/access_token", content=body, headers=headers))
        == "invalid_request"
    )


def test_nothing_is_given_where_the_app_is_not_installed(devstore: RunningDevstore) -> None:
    token = devstore.session_token(domain=OTHER_DOMAIN)
    body = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ID_TOKEN}
    assert error_of(post(devstore, body, domain=OTHER_DOMAIN)) == "app_not_installed"
    assert post(devstore, body, domain="nowhere.myshopify.com").status_code == 404


def test_uninstalling_revokes_every_token_at_once(devstore: RunningDevstore) -> None:
    pair = exchange(devstore).json()
    permanent = exchange(devstore, expiring="0").json()["access_token"]
    online = exchange(devstore, requested_token_type=ONLINE).json()["access_token"]
    assert devstore.control("POST", f"/shops/{DOMAIN}/uninstall").status_code == 200
    assert not any(allowed(devstore, token) for token in (pair["access_token"], permanent, online))
    devstore.platform.install(DOMAIN)
    assert not allowed(devstore, permanent)
    assert error_of(refresh(devstore, pair["refresh_token"])) == "invalid_grant"


def test_session_tokens_carry_shopifys_claims(devstore: RunningDevstore) -> None:
    head, payload, signature = devstore.session_token(1002).split(".")
    expected = hmac.new(SECRET.encode(), f"{head}.{payload}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(expected).decode().rstrip("=") == signature
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "HS256", "typ": "JWT"}
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert set(claims) == {"iss", "dest", "aud", "sub", "exp", "nbf", "iat", "jti", "sid"}
    assert (claims["iss"], claims["dest"]) == (f"https://{DOMAIN}/admin", f"https://{DOMAIN}")
    assert (claims["aud"], claims["sub"], claims["exp"] - claims["iat"]) == (CLIENT_ID, "1002", 60)


def test_the_oauth_hmac_is_that_of_shopifys_example() -> None:
    example = {
        "code": "0907a61c0c8d55e99db179b68161bc00",
        "shop": "some-shop.myshopify.com",
        "state": "0.6784241404160823",
        "timestamp": "1337178173",
    }
    digest = "700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf"
    assert hmac_hex("hush", query_message(example).encode()) == digest


def test_the_embedded_request_is_signed(devstore: RunningDevstore) -> None:
    parts = urlsplit(devstore.control("GET", f"/shops/{DOMAIN}/open?staff=1003&path=/alerts").json()["url"])
    given = dict(parse_qsl(parts.query))
    digest = given.pop("hmac")
    message = "&".join(f"{key}={quote(given[key], safe='')}" for key in sorted(given))
    assert digest == hmac.new(SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()
    assert parts.path == "/alerts"
    assert (given["shop"], given["embedded"]) == (DOMAIN, "1")
    assert base64.b64decode(given["host"] + "==").decode() == "admin.shopify.com/store/birch-and-co"
    payload = given["id_token"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "=="))["sub"] == "1003"


def authorize(
    devstore: RunningDevstore, domain: str = OTHER_DOMAIN, **changed: Any
) -> tuple[str, dict[str, str]]:
    given = {
        "client_id": CLIENT_ID,
        "scope": "read_orders,read_products",
        "redirect_uri": devstore.platform.app.redirect_urls[0],
        "state": "a b&c",
        **changed,
    }
    return f"/admin/oauth/authorize?{urlencode(given)}", {"Host": domain}


def test_the_authorization_code_way(devstore: RunningDevstore) -> None:
    url, headers = authorize(devstore)
    page = devstore.client.get(url, headers=headers)
    assert page.status_code == 200
    assert "read_orders" in page.text
    response = devstore.client.post(url, headers=headers)
    assert response.status_code == 302
    parts = urlsplit(response.headers["location"])
    assert parts.path == "/auth/callback"
    given = {key: values[0] for key, values in parse_qs(parts.query).items()}
    digest = given.pop("hmac")
    assert set(given) == {"code", "host", "shop", "state", "timestamp"}
    assert (given["state"], given["shop"]) == ("a b&c", OTHER_DOMAIN)
    message = "&".join(f"{key}={quote(given[key], safe='')}" for key in sorted(given))
    assert digest == hmac.new(SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()

    assert error_of(post(devstore, {"code": given["code"]})) == "invalid_request"  # another shop's
    url, headers = authorize(devstore)
    response = devstore.client.get(url, headers=headers)  # granted before: no second question
    code = parse_qs(urlsplit(response.headers["location"]).query)["code"][0]
    answer = post(devstore, {"code": code, "expiring": "1"}, domain=OTHER_DOMAIN).json()
    assert answer["scope"] == "read_orders,read_products"
    assert answer["refresh_token"]
    assert error_of(post(devstore, {"code": code}, domain=OTHER_DOMAIN)) == "invalid_request"  # used


def test_the_authorization_code_way_for_one_staff_member(devstore: RunningDevstore) -> None:
    url, headers = authorize(devstore, **{"grant_options[]": "per-user", "staff": "1002"})
    response = devstore.client.post(url, headers=headers)
    code = parse_qs(urlsplit(response.headers["location"]).query)["code"][0]
    answer = post(devstore, {"code": code}, domain=OTHER_DOMAIN).json()
    assert answer["associated_user"]["id"] == 1002


@pytest.mark.parametrize(
    "changed",
    [
        {"redirect_uri": "https://evil.example.com/"},
        {"client_id": "nobody"},
        {"scope": "everything<script>"},
        {"grant_options[]": "per-user", "staff": "99"},
    ],
)
def test_a_bad_authorize_request_goes_nowhere(devstore: RunningDevstore, changed: dict[str, str]) -> None:
    url, headers = authorize(devstore, **changed)
    for method in ("GET", "POST"):
        response = devstore.client.request(method, url, headers=headers)
        assert response.status_code == 400
        assert "<script" not in response.text
    assert devstore.platform.installs.active(OTHER_DOMAIN) is None
