"""Every request proves who asks, for which shop; whatever does not is refused with the way back."""

from __future__ import annotations

import time

import jwt
import pytest

from tenancy.models import Role, Shop, ShopState
from tenancy.scope import unscoped
from tests.admin_api.members import Member, call, hire, session_token

pytestmark = pytest.mark.django_db
RETRY = "X-Shopify-Retry-Invalid-Session-Request"


@pytest.fixture
def alice(shop: Shop) -> Member:
    return hire(shop, 1001, Role.OWNER)


def test_a_session_token_opens_the_door(alice: Member) -> None:
    answer = alice.ask("overview")
    assert answer.status == 200
    assert answer.body["you"] == {
        "user_id": 1001,
        "role": "owner",
        "may_operate": True,
        "may_manage_team": True,
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors https://birch-and-co.myshopify.com" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": int(time.time()) - 3600, "nbf": int(time.time()) - 3660},
        {"nbf": int(time.time()) + 3600},
        {"aud": "another-app"},
        {"iss": "https://stranger.myshopify.com/admin"},
        {"dest": "https://birch-and-co.myshopify.com.evil.example"},
        {"sub": "alice"},
        {"sub": None},
        {"exp": None},
        {"secret": "not the secret of this app"},
    ],
    ids=[
        "stale",
        "not yet",
        "other app",
        "issuer",
        "look-alike",
        "no number",
        "nobody",
        "for ever",
        "forged",
    ],
)
def test_a_bad_token_is_refused_and_asked_for_anew(alice: Member, changed: dict[str, str]) -> None:
    answer = call("GET", "overview", token=session_token(alice.shop.domain, 1001, **changed))
    assert answer.status == 401
    assert answer.headers[RETRY] == "1"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert set(answer.body["error"]) == {"code", "message", "next_step", "field", "request_id"}
    assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none';"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer app-security.invalid.token"},
        {"Authorization": "Basic YWxpY2U6cGFzcw=="},
        {"Authorization": "Bearer " + "e" * 10_000},
        {"Authorization": "Bearer é.é.é"},
        {"Cookie": "sessionid=1001"},
    ],
)
def test_without_a_token_there_is_nothing(alice: Member, headers: dict[str, str]) -> None:
    for path in ("overview", "staff", "no/such/path"):
        answer = call("GET", path, **headers)
        assert answer.status == 401
        assert answer.headers[RETRY] == "1"


def test_unsigned_tokens_are_refused(alice: Member) -> None:
    claims = jwt.decode(session_token(alice.shop.domain, 1001), options={"verify_signature": False})
    assert call("GET", "overview", token=jwt.encode(claims, "", algorithm="none")).status == 401


def test_a_shop_that_is_not_installed_has_no_api(alice: Member) -> None:
    unknown = call("GET", "overview", token=session_token("nobody.myshopify.com", 1001))
    assert (unknown.status, unknown.code) == (403, "not_installed")
    with unscoped(why="the test looks at every shop"):
        Shop.objects.filter(pk=alice.shop.pk).update(state=ShopState.UNINSTALLED)
    gone = alice.ask("overview")
    assert (gone.status, gone.code) == (403, "not_installed")
    assert "installs it again" in gone.body["error"]["next_step"]
    assert RETRY not in gone.headers


def test_a_shop_whose_key_lapsed_still_sees_its_pages(alice: Member) -> None:
    with unscoped(why="the test looks at every shop"):
        Shop.objects.filter(pk=alice.shop.pk).update(state=ShopState.NEEDS_REAUTH)
    assert alice.ask("overview").body["shop"]["state"] == "needs_reauth"


def test_a_first_visit_while_shopify_is_away_may_be_repeated(shop: Shop) -> None:
    """The role of a new member is Shopify's to tell; the tests run without a Shopify."""
    answer = Member(shop, 4242).ask("overview")
    assert answer.status == 503
    with unscoped(why="the test looks at every shop"):
        assert not shop.staff.exists()
