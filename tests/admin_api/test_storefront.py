"""What the merchant sees of storefront events, and whose visits they can leave out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.utils import timezone

from storefront_proxy import shops, visitors
from tenancy.models import Role, Shop
from tenancy.scope import unscoped
from tests.admin_api.members import Member, hire
from tests.storefront_proxy.pixel import GOOGLEBOT, NO, NO_PREFERENCES, Pixel, flush, happened

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(shop: Shop) -> Member:
    shops.forget()  # the shop of the test before had the same domain and another number
    return hire(shop, 1001, Role.OWNER)


def facts(member: Member, days: int = 7) -> Any:
    answer = member.ask(f"storefront?days={days}")
    assert answer.status == 200, answer
    return answer.body


def test_events_by_kind_and_day_with_consent_and_reasons(owner: Member, shop: Shop, other_shop: Shop) -> None:
    person = Pixel(shop.domain, visitor=visitors.issue(shop.domain))
    person.send(happened(), happened("product_viewed", product="7"), happened("nonsense"))
    Pixel(shop.domain).send(happened(), consent=NO_PREFERENCES)
    Pixel(shop.domain).send(happened(), happened(), consent=NO)
    Pixel(shop.domain, agent=GOOGLEBOT).send(happened())
    Pixel(other_shop.domain).send(happened())
    flush()
    found = facts(owner)
    assert found["kinds"] == [{"kind": "page_viewed", "events": 2}, {"kind": "product_viewed", "events": 1}]
    assert found["personal"] == 2
    assert found["excluded"] == [{"reason": "bot", "events": 1, "answers": 0}]
    assert found["not_taken"] == [
        {"reason": "no_consent", "events": 2},
        {"reason": "unknown_kind", "events": 1},
    ]
    assert len(found["days"]) == 7
    assert found["days"][-1]["kinds"] == found["kinds"]
    assert all(each["kinds"] == [] for each in found["days"][:-1])
    assert found["pixel"] == {"state": "waiting", "problem": ""}


def test_the_link_marks_the_browser_that_opens_it(owner: Member, shop: Shop) -> None:
    made = owner.send("POST", "storefront/browser-link", {})
    assert made.status == 200
    url = urlsplit(made.body["url"])
    origin = settings.SHOPIFY_SHOP_ORIGIN.format(shop=shop.domain)
    assert made.body["url"].startswith(f"{origin}/#")
    name, _, told = url.fragment.partition("=")
    assert name == "shelfwise-staff"
    assert visitors.is_staff(shop.domain, told, now=timezone.now() + timedelta(days=179))
    assert not visitors.is_staff(shop.domain, told, now=timezone.now() + timedelta(days=181))
    pixel = Pixel(shop.domain, visitor=visitors.issue(shop.domain))
    pixel.send(happened(), staff=told)
    flush()
    found = facts(owner)
    assert found["excluded"] == [{"reason": "staff", "events": 1, "answers": 0}]
    assert [each["visitor"] for each in found["marked"]] == [pixel.visitor]
    with unscoped(why="the test looks at every shop"):
        assert shop.audit.filter(action="storefront.browser_link").count() == 1
        assert told not in str(list(shop.audit.values_list("data", "reason")))


def test_a_test_visitor_is_left_out_until_taken_off(owner: Member, shop: Shop) -> None:
    pixel = Pixel(shop.domain, visitor=visitors.issue(shop.domain))
    pixel.send(happened())
    flush()
    order = {"visitor": pixel.visitor, "test": True}
    assert owner.send("PUT", "storefront/test-visitors", order).body["excluded"][0]["reason"] == "test"
    assert owner.send("PUT", "storefront/test-visitors", order).status == 200
    off = owner.send("PUT", "storefront/test-visitors", {**order, "test": False})
    assert off.body["marked"] == []
    pixel.send(happened())
    flush()
    assert facts(owner)["kinds"] == [{"kind": "page_viewed", "events": 1}]
    with unscoped(why="the test looks at every shop"):
        actions = list(shop.audit.order_by("id").values_list("action", flat=True))
    assert actions == ["storefront.test_visitor_added", "storefront.visitor_counts"]


@pytest.mark.parametrize(
    "order", [{}, [], {"visitor": "x", "test": True}, {"visitor": "a" * 65, "test": True}, {"visitor": "good-visitor"},
              {"visitor": "good-visitor", "test": "maybe"}, {"visitor": None, "test": True}],
)  # fmt: skip
def test_bad_orders_change_nothing(owner: Member, shop: Shop, order: Any) -> None:
    assert owner.send("PUT", "storefront/test-visitors", order).status == 400
    assert facts(owner)["marked"] == []
    with unscoped(why="the test looks at every shop"):
        assert not shop.audit.exists()


def test_the_pixel_says_how_it_stands(owner: Member, shop: Shop) -> None:
    with unscoped(why="the test looks at every shop"):
        Shop.objects.filter(pk=shop.pk).update(scopes="read_orders")
    assert facts(owner)["pixel"]["state"] == "not_granted"


@pytest.mark.parametrize("days", ["0", "367", "x", "-1"])
def test_bad_spans_are_refused(owner: Member, days: str) -> None:
    assert owner.ask(f"storefront?days={days}").status == 400
