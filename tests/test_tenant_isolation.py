"""Two installed shops: whatever one of them names that is the other's answers exactly as if it were missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import URLPattern

from mlops.deployments import router
from mlops.features import online, store
from mlops.features.events import Source
from mlops.features.models import Exposure, Outcome
from mlops.registry.models import Version
from mlops.validation import gate
from mlops.validation.models import HeldRow
from shopify_app.admin_api import urls
from shopify_app.privacy import exports
from shopify_app.privacy.models import Redaction
from shopify_app.webhooks.models import InboxDelivery
from storefront_proxy import arrivals, exposures, shops
from storefront_proxy import urls as proxy_urls
from tenancy.audit import record
from tenancy.models import Role, Shop
from tenancy.scope import scope, unscoped
from tests.admin_api.dead_letter_of import dead_letter
from tests.admin_api.members import Answer, Member, hire
from tests.admin_api.versions_of import deployed, registered
from tests.looks import looking
from tests.mlops.builders import line, order, product
from tests.mlops.shops import stock
from tests.storefront_proxy.storefront import Storefront, problem, signed

pytestmark = pytest.mark.django_db
MISSING = 987_654_321
THEIR_REQUEST = 4711
REASON = {"reason": "tried in a test"}


@dataclass(frozen=True, slots=True)
class Neighbours:
    """An owner of one shop, and another shop with what an intruder would like to have."""

    owner: Member
    theirs: Shop
    their_version: Version
    their_staff: Member
    their_delivery: InboxDelivery
    their_redaction: Redaction
    their_row: int


@pytest.fixture(autouse=True)
def _fresh_memory() -> Iterator[None]:
    router.forget()
    shops.forget()
    yield
    router.forget()
    shops.forget()


@pytest.fixture
def neighbours(shop: Shop, other_shop: Shop, now: datetime) -> Neighbours:
    ours = registered(shop, 1, now)
    deployed(shop, ours, now)
    theirs = registered(other_shop, 2, now, recall=0.777)
    deployed(other_shop, theirs, now)
    record(other_shop, actor="staff:7001", action="their.secret", now=now, reason="their reason")
    letter = dead_letter(other_shop, now, problem="their problem")
    asked = {"customer": {"id": 901}, "data_request": {"id": THEIR_REQUEST}}
    exports.data_request(other_shop, asked, now=now)
    redaction = Redaction(
        shop=other_shop, asked_at=now, erased_at=now, state="certified", certificate={"clean": True}
    )
    with scope(other_shop):
        redaction.save()
    bad = [order(each, [line(each, 1, -1)]) for each in range(1, 5)]
    assert gate.admit(other_shop, bad, source=Source.WEBHOOK, now=now).halted
    with scope(other_shop), looking():
        row = HeldRow.objects.order_by("id")[0].pk
    return Neighbours(
        hire(shop, 1001, Role.OWNER),
        other_shop,
        theirs,
        hire(other_shop, 7001, Role.OWNER),
        letter,
        redaction,
        row,
    )


def _version(to: Any) -> tuple[str, str, Any]:
    return "GET", f"versions/{to}", None


# For each address of the admin API: the request that names a number, or None where no request can name anything.
NAMING: dict[str, Callable[[Any], tuple[str, str, Any]] | None] = {
    "overview": None,
    "traffic": None,
    "versions": None,
    "audit": None,
    "access-log": None,
    "access-log-export": None,
    "fields": None,
    "fields-export": None,
    "features": None,
    "features-export": None,
    "feature-days": None,
    "metafields": None,
    "demand": None,
    "demand-export": None,
    "purchase-order": None,
    "demand-total": None,
    "forecast": None,
    "terms": None,
    "promotions": None,
    "demand-series": lambda to: ("GET", f"demand/variants/{to}", None),
    "promotion": lambda to: ("DELETE", f"demand/promotions/{to}", None),
    "staff": None,
    "storefront": None,
    "browser-link": None,
    "test-visitors": None,
    "training": None,
    "dead-letters": None,
    "flow": None,
    "incidents": None,
    "privacy": None,
    "markers": None,
    "reconcile": None,
    "import-restart": None,
    "nothing-here": None,
    "validation": None,
    "suite": None,
    "quarantine": None,
    "halt-release": lambda to: ("POST", "validation/halts/orders/release", {"accepted": True, **REASON}),
    "quarantine-replay": lambda to: ("POST", "validation/quarantine/replay", {"ids": [to], **REASON}),
    "quarantine-dismiss": lambda to: ("POST", "validation/quarantine/dismiss", {"ids": [to], **REASON}),
    "version": _version,
    "rollback": lambda to: ("POST", "slots/home/rollback", {"expected_version": str(to), **REASON}),
    "deploy": lambda to: ("POST", "slots/home/deploy", {"version": str(to), **REASON}),
    "replay": lambda to: ("POST", f"webhooks/{to}/replay", REASON),
    "note": lambda to: ("DELETE", f"markers/{to}", None),
    "privacy-export": lambda to: ("POST", f"privacy/requests/{to}/export", {}),
    "privacy-certificate": lambda to: ("GET", f"privacy/redactions/{to}/certificate", None),
    "role": lambda to: ("PUT", f"staff/{to}", {"role": "owner"}),
}


def test_every_address_is_in_the_table() -> None:
    assert set(NAMING) == {each.name for each in urls.urlpatterns if isinstance(each, URLPattern)}


@pytest.mark.parametrize("name", [name for name, naming in NAMING.items() if naming])
def test_what_is_theirs_answers_like_what_is_missing(neighbours: Neighbours, name: str) -> None:
    naming = NAMING[name]
    assert naming is not None
    named = {
        "role": neighbours.their_staff.user_id,
        "replay": neighbours.their_delivery.pk,
        "privacy-export": THEIR_REQUEST,
        "privacy-certificate": neighbours.their_redaction.pk,
        "quarantine-replay": neighbours.their_row,
        "quarantine-dismiss": neighbours.their_row,
    }
    foreign = named.get(name, neighbours.their_version.pk)
    before = _everything_of(neighbours.their_staff)
    answers: list[Answer] = [neighbours.owner.send(*naming(to)) for to in (foreign, MISSING)]
    for each in answers:
        each.body["error"].pop("request_id")
    assert answers[0].status == answers[1].status == 404
    assert answers[0].body == answers[1].body
    assert _everything_of(neighbours.their_staff) == before


@pytest.mark.parametrize(
    "path",
    [
        "overview",
        "traffic?days=28",
        "versions",
        "versions?before=99999999",
        "audit",
        "audit?before=99999999",
        "staff",
        "storefront",
        "flow",
        "incidents",
        "markers",
        "privacy",
        "reconcile",
        "webhooks/dead",
        "webhooks/dead?before=99999999",
        "validation",
        "validation/suites/orders",
        "validation/quarantine",
        "validation/quarantine?before=99999999",
    ],
)
@pytest.mark.parametrize("claim", ["", "shop=stranger.myshopify.com", "shop_id=2"])
def test_lists_hold_nothing_of_theirs(neighbours: Neighbours, path: str, claim: str) -> None:
    joined = f"{path}{'&' if '?' in path else '?'}{claim}"
    answer = neighbours.owner.ask(joined)
    assert answer.status == 200
    text = str(answer.body)
    for theirs in (
        neighbours.theirs.domain,
        "Stranger",
        "their.secret",
        "their reason",
        "their problem",
        "7001",
        "0.777",
    ):
        assert theirs not in text
    assert f"'id': '{neighbours.their_version.pk}'" not in text


@pytest.mark.parametrize("name", ["training", "import/restart"])
def test_work_that_is_asked_for_is_done_for_the_asker_alone(neighbours: Neighbours, name: str) -> None:
    before = _everything_of(neighbours.their_staff)
    body = {**REASON, "shop": neighbours.theirs.domain, "shop_id": neighbours.theirs.pk}
    assert neighbours.owner.send("POST", name, body).status == 202
    assert _everything_of(neighbours.their_staff) == before


def _everything_of(member: Member) -> list[Any]:
    found = [
        member.ask(path).body
        for path in ("overview", "versions", "audit", "staff", "traffic?days=7", "webhooks/dead")
    ]
    found[0].pop("at")
    return found


def test_the_storefront_addresses_are_those_tested_below() -> None:
    named = [each.name for each in proxy_urls.urlpatterns if isinstance(each, URLPattern) and each.name]
    assert named == ["proxy-recommendations", "proxy-clicks", "proxy-withdraw"]


def test_a_storefront_is_told_nothing_of_another_shops_products(shop: Shop, other_shop: Shop) -> None:
    stock(shop, products=5)
    store.append(other_shop, [product(77)], source=Source.BACKFILL, now=datetime.now(UTC))
    online.rebuild(other_shop)
    front = Storefront(shop.domain)
    foreign, missing = (
        front.ask(slot="product_page", product_id=77),
        front.ask(slot="product_page", product_id=78),
    )
    told = [{**problem(each), "request_id": ""} for each in (foreign, missing)]
    assert foreign.status_code == missing.status_code == 404
    assert told[0] == told[1]
    shown = {each["product_id"] for each in front.ask(slot="cart", cart="77", limit=24).json()["products"]}
    assert shown == {1, 2, 3, 4, 5}


def test_a_click_on_another_shops_exposure_earns_nothing(shop: Shop, other_shop: Shop) -> None:
    for each in (shop, other_shop):
        stock(each, products=5)
    theirs = Storefront(other_shop.domain).ask(slot="home").json()
    body = {"exposure": theirs["exposure"], "product_id": theirs["products"][0]["product_id"]}
    assert Storefront(shop.domain).click(body).status_code == 202, "as for an exposure that never was"
    exposures.flush(consumer="test", now=datetime.now(UTC))
    with scope(other_shop):
        assert Exposure.objects.count() == 1
    with unscoped(why="the test looks at both shops"):
        assert Outcome.objects.count() == 0


def test_a_visitor_is_forgotten_by_the_shop_that_gave_the_id_alone(shop: Shop, other_shop: Shop) -> None:
    front = Storefront(shop.domain)
    stock(shop, products=5)
    visitor = front.ask(slot="home", visitor="new").json()["visitor"]
    exposures.flush(consumer="test", now=datetime.now(UTC))
    query = signed(other_shop.domain, [])
    for body in (json.dumps({"visitor": visitor}), json.dumps({"visitor": visitor, "shop": shop.domain})):
        answer = front.client.post(f"/proxy/withdraw?{query}", data=body, content_type="text/plain")
        assert answer.status_code == 202
    arrivals.flush(consumer="test", now=datetime.now(UTC))
    with scope(shop), looking():
        assert Exposure.objects.get().visitor == visitor
