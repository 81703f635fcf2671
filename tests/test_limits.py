"""How often anyone may ask: counted together, told with the time to wait, and never a reason to be down."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from shopify_app import middleware
from shopify_app.admin_api import scoped_view
from shopify_app.home import grant
from shopify_app.webhooks import body, senders
from shopify_app.webhooks.senders import Sender
from storefront_proxy import asked, batches, caps
from tenancy import addresses, limits, measures
from tenancy.models import Role, Shop
from tenancy.redis import client, key
from tests.admin_api.members import hire
from tests.hostile import public_paths
from tests.mlops.shops import stock
from tests.shopify_app.test_webhooks import SECRET, deliver, order_payload, rows
from tests.storefront_proxy.storefront import PATH, signed

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NOWHERE = "redis://127.0.0.1:9/0"


@pytest.fixture
def steady() -> None:
    """No new minute while the test runs."""
    if (left := 60 - time.time() % 60) < 10:
        time.sleep(left)


def spend(subject: str = "7", *, limit: int = 10, now: datetime = NOON, amount: int = 1) -> int:
    return limits.spend("of_a_test", subject, limit=limit, now=now, amount=amount)


def turned_away(response: Any) -> bool:
    """A 429 that says when to come again."""
    if response.status_code != 429:
        return False
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert "no-store" in response.headers["Cache-Control"]
    return True


def test_the_limit_is_let_through_and_no_more() -> None:
    assert [spend(now=NOON + timedelta(seconds=18)) for _ in range(12)] == [0] * 10 + [42] * 2
    assert spend("8") == 0, "another one's limit"
    assert spend(now=NOON + timedelta(seconds=60)) == 0, "another minute"
    assert spend("", limit=0) == 0, "nobody"


def test_what_another_process_counted_counts() -> None:
    for _ in range(10):
        assert spend() == 0
    limits.forget()
    assert spend() == 60
    assert client().ttl(key("limit", "of_a_test", "7", int(NOON.timestamp()) // 60)) in range(60, 121)


def test_processes_together_exceed_the_limit_by_a_hundredth_each_at_most() -> None:
    let_through = 0
    for _ in range(4):  # each process with all that it may count before it tells
        limits.forget()
        let_through += sum(spend(limit=1000) == 0 for _ in range(1000))
    assert 1000 <= let_through <= 1000 + 4 * 10


def test_most_requests_ask_redis_nothing() -> None:
    before = client().info("commandstats").get("cmdstat_incrby", {}).get("calls", 0)
    for step in range(2000):
        spend(limit=100_000, now=NOON + timedelta(milliseconds=step / 10))
    after = client().info("commandstats")["cmdstat_incrby"]["calls"]
    assert 1 <= after - before <= 4


def test_while_redis_is_away_each_process_counts_alone(settings: Settings) -> None:
    settings.REDIS_URL = NOWHERE
    assert [spend() for _ in range(12)] == [0] * 10 + [60] * 2
    limits.forget()
    assert spend() == 0


def test_addresses_are_hidden_and_one_key_serves_all_processes(settings: Settings) -> None:
    one = addresses.hidden("192.0.2.1", NOON)
    addresses.forget()
    assert one == addresses.hidden("192.0.2.1", NOON) != addresses.hidden("192.0.2.2", NOON)
    assert one != addresses.hidden("192.0.2.1", NOON + timedelta(days=1))
    addresses.forget()
    settings.REDIS_URL = NOWHERE
    assert addresses.hidden("192.0.2.1", NOON) != one


@pytest.mark.django_db
def test_who_was_turned_away_is_counted() -> None:
    for _ in range(13):
        spend()
    limits.spend("of_a_test", "7", limit=10, now=NOON + timedelta(seconds=1))
    assert 'shelfwise_requests_turned_away_total{limit="of_a_test"} 4.0' in measures.exposition().decode()


@pytest.mark.usefixtures("db", "steady")
@pytest.mark.parametrize(
    "path",
    ["/", "/data/quality", "/auth/begin", "/auth/callback", "/auth/bounce", "/metrics", "/api/overview"],
)
def test_an_address_that_asks_too_often(settings: Settings, path: str) -> None:
    settings.ADDRESS_PER_MINUTE, settings.PROXY_HOPS = 3, 1

    def ask(who: str) -> Any:
        return Client().get(path, headers={"X-Forwarded-For": f"6.6.6.6, {who}"})

    assert not [each for each in range(3) if turned_away(ask("192.0.2.1"))]
    refused = ask("192.0.2.1")
    assert turned_away(refused)
    assert b"too_many_requests" in refused.content
    assert not turned_away(ask("192.0.2.2"))
    assert Client().get("/healthz", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 200
    settings.REDIS_URL = NOWHERE
    limits.forget()
    addresses.forget()
    assert not turned_away(ask("192.0.2.1")), "whom nobody can count goes on"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("steady")
def test_a_member_of_staff_who_asks_too_often(shop: Shop, settings: Settings) -> None:
    settings.STAFF_PER_MINUTE = 3
    operator, viewer = hire(shop, 1002, Role.OPERATOR), hire(shop, 1003, Role.VIEWER)
    assert [operator.ask("markers").status for _ in range(3)] == [200] * 3
    refused = operator.send("POST", "markers", {"text": "one too many"})
    assert (refused.status, refused.code) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert viewer.ask("markers").body == {"markers": []}, "another person may, and nothing was written"


@pytest.mark.django_db
@pytest.mark.usefixtures("steady")
def test_a_shopper_and_a_shop_that_ask_too_often(shop: Shop, other_shop: Shop, settings: Settings) -> None:
    stock(shop)
    stock(other_shop)
    settings.PROXY_SHOPPER_PER_MINUTE, settings.PROXY_SHOP_PER_MINUTE, settings.PROXY_HOPS = 3, 8, 1

    def ask(who: str, domain: str = shop.domain) -> Any:
        query = signed(domain, [("slot", "home")])
        return Client().get(f"{PATH}?{query}", headers={"X-Forwarded-For": f"{who}, 198.51.100.1"})

    assert [ask("192.0.2.1").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert turned_away(ask("192.0.2.1"))
    assert [ask(f"192.0.2.{each}").status_code for each in range(2, 8)] == [200] * 5 + [429]
    assert ask("192.0.2.1", other_shop.domain).status_code == 200
    click = Client().post(f"/proxy/clicks?{signed(shop.domain, [])}", data=b"{}", content_type="text/plain")
    assert turned_away(click), "every address of the proxy is on the same account"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("steady")
def test_a_shop_that_sends_too_many_webhooks(shop: Shop, other_shop: Shop, settings: Settings) -> None:
    settings.SHOPIFY_SECRETS, settings.WEBHOOKS_SHOP_PER_MINUTE = (SECRET,), 3
    answers = [deliver(order_payload(5000 + each), webhook_id=f"w-{each}") for each in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert turned_away(answers[-1])
    assert len(rows()) == 3
    assert deliver(order_payload(), shop=other_shop.domain, webhook_id="w-9").status_code == 200
    erase = {"customer": {"id": 901}, "orders_to_redact": []}
    kept = deliver(erase, "customers/redact", webhook_id="w-10", path="/webhooks/compliance")
    assert kept.status_code == 200, "privacy has a limit of its own"
    settings.REDIS_URL = NOWHERE
    limits.forget()
    assert deliver(order_payload(5003), webhook_id="w-3").status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("steady")
def test_a_forger_loses_large_bodies_and_never_small_ones(shop: Shop, settings: Settings) -> None:
    settings.SHOPIFY_SECRETS = (SECRET,)
    large = order_payload(note="x" * senders.LARGE_BODY)
    assert deliver(large, webhook_id="w-0").status_code == 200
    for _ in range(senders.FORGED_PER_MINUTE):
        assert deliver(b"{}", secret="a guess").status_code == 401
    assert turned_away(deliver(large, webhook_id="w-1"))
    assert deliver(order_payload(), webhook_id="w-2").status_code == 200


def test_an_address_that_finishes_nothing_is_turned_away() -> None:
    now = timezone.now()
    sender = Sender(RequestFactory().post("/webhooks/shopify"), now)
    for _ in range(senders.UNFINISHED_PER_MINUTE):
        assert sender.wait_s() == 0
        sender.left_unfinished()
    assert 1 <= sender.wait_s() <= 60
    other = RequestFactory().post("/webhooks/shopify", REMOTE_ADDR="192.0.2.2")
    assert Sender(other, now).wait_s() == 0


def test_the_page_on_limits_names_every_room_and_says_the_numbers_that_hold() -> None:
    page = (Path(__file__).parents[1] / "docs" / "limits.md").read_text()
    rooms = {found[1] for path in public_paths() if (found := re.match(r"/?([a-z]+)/?", path))}
    assert {"api", "webhooks", "proxy", "collect"} <= rooms
    assert [each for each in rooms if f"`/{each}" not in page] == []
    numbers = [
        middleware.LONGEST_QUERY, scoped_view.LARGEST_BODY, asked.LARGEST_BODY, asked.MOST_PRODUCTS,
        asked.MOST_CART_PRODUCTS, batches.LARGEST_BODY, batches.MOST_EVENTS, caps.REQUESTS_PER_MINUTE,
        caps.VISITOR_PER_MINUTE, caps.ADDRESS_PER_MINUTE, body.LARGEST_BODY, senders.LARGE_BODY,
        senders.FORGED_PER_MINUTE, senders.UNFINISHED_PER_MINUTE, senders.COMPLIANCE_PER_MINUTE, grant.STATE_LIFE_S,
    ]  # fmt: skip
    assert [each for each in numbers if f"{each:,}" not in page] == []
    source = (Path(__file__).parents[1] / "shopify_app" / "settings.py").read_text()
    defaults = dict(re.findall(r'"([A-Z_]+_PER_MINUTE)", default=([0-9_]+)', source))
    assert len(defaults) == 6
    assert {name for name, value in defaults.items() if f"`{name}` ({int(value):,})" not in page} == set()
