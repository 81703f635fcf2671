"""Which role may do what, for every endpoint there is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import get_resolver
from django.utils import timezone

from shopify_app.admin_api import urls
from tenancy.models import Role, Shop, StaffMember
from tenancy.scope import unscoped
from tests.admin_api.members import Answer, Member, hire

pytestmark = pytest.mark.django_db
VIEWER, OPERATOR, OWNER = Role.VIEWER, Role.OPERATOR, Role.OWNER
REASON = {"reason": "tried in a test"}
SOON = (timezone.now() + timedelta(days=9)).date().isoformat()

# name of the URL, method, path, body, lowest role. The answer to an allowed one may still be 404 or 409.
MATRIX: list[tuple[str, str, str, Any, Role]] = [
    ("overview", "GET", "overview", None, VIEWER),
    ("traffic", "GET", "traffic?days=7", None, VIEWER),
    ("versions", "GET", "versions", None, VIEWER),
    ("version", "GET", "versions/1", None, VIEWER),
    ("audit", "GET", "audit", None, VIEWER),
    ("flow", "GET", "flow", None, VIEWER),
    ("incidents", "GET", "incidents", None, VIEWER),
    ("markers", "GET", "markers", None, VIEWER),
    ("markers", "POST", "markers", {"text": "new supplier"}, OPERATOR),
    ("note", "DELETE", "markers/1", None, OPERATOR),
    ("rollback", "POST", "slots/home/rollback", {"expected_version": "1", **REASON}, OPERATOR),
    ("deploy", "POST", "slots/home/deploy", {"version": "1", **REASON}, OPERATOR),
    ("training", "POST", "training", REASON, OPERATOR),
    ("import-restart", "POST", "import/restart", REASON, OPERATOR),
    ("reconcile", "GET", "reconcile", None, VIEWER),
    ("reconcile", "POST", "reconcile", REASON, OPERATOR),
    ("dead-letters", "GET", "webhooks/dead", None, VIEWER),
    ("replay", "POST", "webhooks/1/replay", REASON, OPERATOR),
    ("access-log", "GET", "access-log", None, OWNER),
    ("access-log-export", "GET", "access-log/export", None, OWNER),
    ("fields", "GET", "fields", None, VIEWER),
    ("fields-export", "GET", "fields/export", None, VIEWER),
    ("features", "GET", "features", None, VIEWER),
    ("feature-days", "GET", "features/product_offer/days?feature=price", None, VIEWER),
    ("features-export", "GET", "features/export", None, VIEWER),
    ("metafields", "GET", "metafields", None, VIEWER),
    (
        "metafields",
        "PUT",
        "metafields",
        {"changes": [{"owner": "product", "namespace": "custom", "key": "weight", "use": "chosen"}]},
        OPERATOR,
    ),
    ("privacy", "GET", "privacy", None, VIEWER),
    ("privacy-export", "POST", "privacy/requests/1/export", {}, OWNER),
    ("privacy-certificate", "GET", "privacy/redactions/1/certificate", None, VIEWER),
    ("validation", "GET", "validation", None, VIEWER),
    ("suite", "GET", "validation/suites/orders", None, VIEWER),
    (
        "suite",
        "POST",
        "validation/suites/orders",
        {"expectation": "lines.quantity:range", "bounds": {"max": 9}, "base": 1, **REASON},
        OPERATOR,
    ),
    ("quarantine", "GET", "validation/quarantine", None, VIEWER),
    ("quarantine-replay", "POST", "validation/quarantine/replay", {"ids": [1], **REASON}, OPERATOR),
    (
        "quarantine-dismiss",
        "POST",
        "validation/quarantine/dismiss",
        {"resource": "orders", **REASON},
        OPERATOR,
    ),
    ("halt-release", "POST", "validation/halts/orders/release", {"accepted": True, **REASON}, OPERATOR),
    ("demand", "GET", "demand", None, VIEWER),
    ("demand-export", "GET", "demand/export", None, VIEWER),
    ("purchase-order", "GET", "demand/purchase-order", None, VIEWER),
    ("demand-total", "GET", "demand/total", None, VIEWER),
    ("demand-series", "GET", "demand/variants/10", None, VIEWER),
    ("forecast", "POST", "demand/forecast", REASON, OPERATOR),
    ("terms", "GET", "demand/terms", None, VIEWER),
    ("terms", "PUT", "demand/terms", {"of": "shop", "lead_days": 9}, OPERATOR),
    ("promotions", "GET", "demand/promotions", None, VIEWER),
    (
        "promotions",
        "POST",
        "demand/promotions",
        {"name": "Sale", "starts_on": SOON, "ends_on": SOON, "percent": 20},
        OPERATOR,
    ),
    ("promotion", "DELETE", "demand/promotions/1", None, OPERATOR),
    ("storefront", "GET", "storefront?days=7", None, VIEWER),
    ("browser-link", "POST", "storefront/browser-link", None, OPERATOR),
    ("test-visitors", "PUT", "storefront/test-visitors", {"visitor": "visitor-1234", "test": True}, OPERATOR),
    ("staff", "GET", "staff", None, OWNER),
    ("role", "PUT", "staff/1003", {"role": "viewer"}, OWNER),
    ("nothing-here", "GET", "no/such/path", None, VIEWER),
]


@pytest.fixture
def team(shop: Shop) -> dict[Role, Member]:
    return {role: hire(shop, 1001 + place, role) for place, role in enumerate((OWNER, OPERATOR, VIEWER))}


@pytest.mark.parametrize("role", [VIEWER, OPERATOR, OWNER])
@pytest.mark.parametrize(
    ("name", "method", "path", "body", "lowest"), MATRIX, ids=[f"{row[1]} {row[0]}" for row in MATRIX]
)
def test_each_role_may_do_exactly_its_part(
    team: dict[Role, Member], role: Role, name: str, method: str, path: str, body: Any, lowest: Role
) -> None:
    answer = team[role].send(method, path, body)
    if role.includes(lowest):
        assert answer.status in (200, 201, 202, 404, 409), answer
    else:
        assert (answer.status, answer.code) == (403, "not_allowed")
        assert "Nothing was changed" in answer.body["error"]["message"]


def test_the_matrix_names_every_endpoint() -> None:
    assert {row[0] for row in MATRIX} == {pattern.name for pattern in urls.urlpatterns}
    assert get_resolver("shopify_app.admin_api.urls").app_name is None or urls.app_name == "admin_api"


def test_a_refused_change_changes_nothing(team: dict[Role, Member], shop: Shop) -> None:
    assert team[OPERATOR].send("PUT", "staff/1002", {"role": "owner"}).status == 403
    with unscoped(why="the test looks at every shop"):
        assert StaffMember.objects.get(shop=shop, user_id=1002).role == OPERATOR
    with unscoped(why="the test looks at every shop"):
        assert not shop.audit.exists()


def test_a_new_role_holds_from_the_next_request_on(team: dict[Role, Member]) -> None:
    assert team[VIEWER].ask("staff").status == 403
    assert team[OWNER].send("PUT", "staff/1003", {"role": "owner"}).status == 200
    assert team[VIEWER].ask("staff").status == 200


def test_roles_change_on_the_record(team: dict[Role, Member]) -> None:
    answer = team[OWNER].send("PUT", "staff/1003", {"role": "operator"})
    assert {member["user_id"]: member["role"] for member in answer.body["members"]}[1003] == "operator"
    entry = team[OWNER].ask("audit").body["entries"][0]
    assert entry["actor"] == "staff:1001"
    assert entry["action"] == "staff.role_changed"
    assert entry["data"] == {"user_id": 1003, "from": "viewer", "to": "operator"}
    team[OWNER].send("PUT", "staff/1003", {"role": "operator"})
    assert len(team[OWNER].ask("audit").body["entries"]) == 1


def test_a_shop_keeps_an_owner(team: dict[Role, Member]) -> None:
    answer = team[OWNER].send("PUT", "staff/1001", {"role": "viewer"})
    assert (answer.status, answer.code) == (409, "last_owner")
    assert team[OWNER].ask("staff").status == 200
    assert team[OWNER].send("PUT", "staff/1002", {"role": "owner"}).status == 200
    assert team[OWNER].send("PUT", "staff/1001", {"role": "viewer"}).status == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("staff/1003", {"role": "king"}, 400),
        ("staff/1003", {}, 400),
        ("staff/1003", [], 400),
        ("staff/9999", {"role": "viewer"}, 404),
        ("staff/0", {"role": "viewer"}, 404),
        ("staff/-1", {"role": "viewer"}, 404),
        ("staff/9999999999999999999", {"role": "viewer"}, 404),
    ],
)
def test_bad_role_orders_are_refused(team: dict[Role, Member], path: str, body: Any, status: int) -> None:
    answer: Answer = team[OWNER].send("PUT", path, body)
    assert answer.status == status


def test_staff_of_another_shop_is_nobody_here(team: dict[Role, Member], other_shop: Shop) -> None:
    stranger = hire(other_shop, 7001, VIEWER)
    missing = team[OWNER].send("PUT", "staff/9999", {"role": "owner"})
    foreign = team[OWNER].send("PUT", "staff/7001", {"role": "owner"})
    for answer in (missing, foreign):
        answer.body["error"].pop("request_id")
    assert (foreign.status, foreign.body) == (missing.status, missing.body) == (404, missing.body)
    assert stranger.ask("staff").status == 403
    assert 7001 not in {member["user_id"] for member in team[OWNER].ask("staff").body["members"]}
