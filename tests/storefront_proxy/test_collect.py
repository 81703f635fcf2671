"""The collector: what it takes, what it refuses, and what of it reaches Postgres."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mlops.features.models import StorefrontEventRecord
from mlops.features.storefront import Exclusion
from shopify_app import installs
from storefront_proxy import arrivals, batches, callers, caps, shops, visitors
from tenancy.bus.opened import open_bus
from tenancy.models import Shop
from tenancy.redis import client, key
from tenancy.scope import scope
from tests.looks import looking
from tests.storefront_proxy.pixel import (
    GOOGLEBOT,
    NO,
    NO_PREFERENCES,
    Pixel,
    flush,
    happened,
    now_ms,
)
from tests.storefront_proxy.storefront import problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def pixel(shop: Shop) -> Pixel:
    return Pixel(shop.domain, visitor=visitors.issue(shop.domain))


def kept(shop: Shop) -> list[StorefrontEventRecord]:
    with scope(shop), looking():
        return list(StorefrontEventRecord.objects.order_by("at", "event_id"))


def waiting() -> int:
    return open_bus().lag(arrivals.TOPIC.name, arrivals.GROUP).messages


def test_what_a_browser_tells_is_kept_once(pixel: Pixel, shop: Shop) -> None:
    bought = [["11", "111", 2, "9.99"], [None, None, 1, None]]
    events = [
        happened("product_viewed", product="11", variant="111", price="9.99", currency="GBP"),
        happened("search_submitted", search="  Beeswax\u00a0  CANDLE\x00 "),
        happened("checkout_completed", order="5001", lines=bought),
    ]
    for _ in range(3):  # a retry, and the same events in another batch
        response = pixel.send(*events, *events[:1])
        assert (response.status_code, response.json()) == (202, {"accepted": 3, "dropped": 1})
    flush()
    rows = {each.kind: each for each in kept(shop)}
    assert set(rows) == {"product_viewed", "search_submitted", "checkout_completed"}
    assert len(kept(shop)) == 3
    viewed = rows["product_viewed"]
    assert (viewed.product_id, viewed.variant_id, viewed.price, viewed.currency) == (
        11,
        111,
        Decimal("9.99"),
        "GBP",
    )
    assert (viewed.visitor, viewed.consent, viewed.excluded) == (pixel.visitor, "personal", None)
    assert rows["search_submitted"].search == "beeswax candle"
    assert rows["checkout_completed"].order_id == 5001
    assert rows["checkout_completed"].lines == [[11, 111, 2, "9.9900"], [None, None, 1, None]]


def test_any_page_may_send_and_none_may_read_more(pixel: Pixel) -> None:
    for response in (
        pixel.send(happened()),
        pixel.post(b"nonsense"),
        pixel.client.get("/collect/events"),
        pixel.client.options("/collect/events"),
    ):
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert not response.cookies
    asked = pixel.client.options("/collect/events")
    assert (asked.status_code, asked.headers["Access-Control-Allow-Methods"]) == (204, "POST")
    assert pixel.client.get("/collect/events").status_code == 405


# Consent


def test_without_consent_nothing_is_kept(pixel: Pixel, shop: Shop) -> None:
    response = pixel.send(happened(), happened("product_viewed", product="11"), consent=NO)
    assert response.json() == {"accepted": 0, "dropped": 2}
    assert waiting() == 0
    assert pixel.send(happened(), consent={}).json() == {"accepted": 0, "dropped": 1}
    assert pixel.send(happened(), consent={"analytics": "yes"}).json()["accepted"] == 0
    flush()
    assert kept(shop) == []


def test_consent_to_analytics_alone_names_nobody(pixel: Pixel, shop: Shop) -> None:
    response = pixel.send(happened(), consent=NO_PREFERENCES)
    assert response.json() == {"accepted": 1, "dropped": 0}  # and no visitor id is made
    flush()
    (row,) = kept(shop)
    assert (row.visitor, row.consent) == (None, "analytics")


def test_withdrawing_unlinks_what_was_and_what_still_comes(pixel: Pixel, shop: Shop) -> None:
    late = happened()
    pixel.send(happened(), happened("product_viewed", product="11"))
    flush()
    assert {each.visitor for each in kept(shop)} == {pixel.visitor}
    pixel.send(consent=NO, forget=pixel.visitor)
    pixel.send(late)  # a retry that was on its way
    flush()
    assert len(kept(shop)) == 3
    assert {each.visitor for each in kept(shop)} == {None}
    held = b" ".join(str(each).encode() for each in client().scan_iter(match=key("*"), count=1000))
    assert (pixel.visitor or "").encode() not in held


# Visitors


def test_the_server_gives_the_visitor_id(shop: Shop, other_shop: Shop) -> None:
    pixel = Pixel(shop.domain)
    made = pixel.send(happened()).json()["visitor"]
    assert visitors.issued(shop.domain, made)
    pixel.visitor = made
    assert "visitor" not in pixel.send(happened()).json()
    flush()
    assert {each.visitor for each in kept(shop)} == {made}
    assert not visitors.issued(other_shop.domain, made)


@pytest.mark.parametrize("invented", ["visitor-of-birch", "A" * 32, "z" * 64])
def test_an_invented_visitor_id_is_replaced(shop: Shop, invented: str) -> None:
    made = Pixel(shop.domain, visitor=invented).send(happened()).json()["visitor"]
    flush()
    assert [each.visitor for each in kept(shop)] == [made] != [invented]


# Time


def test_a_wrong_clock_is_corrected_and_both_times_are_kept(pixel: Pixel, shop: Shop) -> None:
    hour = 3_600_000
    began = timezone.now()
    pixel.send(happened(at=now_ms() + 7 * hour - 30_000), sent_at=now_ms() + 7 * hour)
    flush()
    (row,) = kept(shop)
    assert abs(row.at - (began - timedelta(seconds=30))) < timedelta(seconds=5)
    assert row.client_at - began > timedelta(hours=6)


@pytest.mark.parametrize("off_ms", [-86_400_000, 86_400_000, -1_700_000_000_000])
def test_without_a_send_time_the_clock_is_held_to_five_minutes(pixel: Pixel, shop: Shop, off_ms: int) -> None:
    pixel.send(happened(at=now_ms() + off_ms), sent_at=None)
    flush()
    (row,) = kept(shop)
    assert abs(row.at - row.received_at) <= timedelta(minutes=5)


@pytest.mark.parametrize("at", [None, "now", True, -1, 2**63, 1.5, [], 4_102_444_800_001])
def test_a_time_that_is_none_drops_its_event_alone(pixel: Pixel, at: Any) -> None:
    response = pixel.send({**happened(), "at": at}, happened())
    assert response.json() == {"accepted": 1, "dropped": 1}


# What must not be in a search term


@pytest.mark.parametrize(
    "typed",
    ["ann@example.com", "ann@", "+44 (0)20 7946 0958", "call 020-7946-0958 now", "4111 1111 1111 1111", "1234567", "٠٢٠٧٩٤٦٠٩٥"],
)  # fmt: skip
def test_addresses_and_numbers_of_people_are_not_kept(pixel: Pixel, shop: Shop, typed: str) -> None:
    assert pixel.send(happened("search_submitted", search=typed)).json()["accepted"] == 1
    flush()
    assert [each.search for each in kept(shop)] == [None]


@pytest.mark.parametrize(
    ("typed", "term"),
    [("Kerze 12 cm", "kerze 12 cm"), ("ＷＡＸ", "wax"), ("x" * 500, "x" * 80), ("\ud800", None), ("a\u202eb", "a b"), ("", None)],
)  # fmt: skip
def test_search_terms_have_one_spelling(typed: str, term: str | None) -> None:
    assert batches.searched(typed) == term


# Whose shop


def test_an_account_of_our_making_of_an_installed_shop(pixel: Pixel, shop: Shop, other_shop: Shop) -> None:
    good = visitors.account(shop.domain)
    proof = good.rpartition(".")[2]
    wrong = [
        "",
        shop.domain,
        f"{other_shop.domain}.{proof}",
        f"{good}A",
        "\x00",
        "ä.ä",
        good.replace("b", "ß"),
    ]
    for account in wrong:
        found = problem(pixel.post(b"{}", account=account))
        assert found["code"] == "unknown_account"
    assert waiting() == 0
    installs.uninstall(shop, timezone.now())
    shops.forget()
    assert problem(pixel.send(happened()))["code"] == "unknown_account"


# Who does not count


@pytest.mark.parametrize(
    ("agent", "reason"),
    [(GOOGLEBOT, "bot"), ("python-requests/2.32", "bot"), ("", "bot"), ("curl/8.0", "bot")],
)
def test_crawlers_are_kept_and_flagged(shop: Shop, agent: str, reason: str) -> None:
    Pixel(shop.domain, agent=agent).send(happened())
    flush()
    assert [each.excluded for each in kept(shop)] == [reason]


def test_a_browser_without_a_person_is_flagged(shop: Shop, settings: Any) -> None:
    headless = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/143.0.0.0 Safari/537.36"
    settings.COUNT_HEADLESS = False
    callers.forget()
    Pixel(shop.domain, agent=headless).send(happened())
    Pixel(shop.domain).send(happened(), languages=0)
    flush()
    assert [each.excluded for each in kept(shop)] == ["headless", "headless"]
    callers.forget()


def test_a_staff_pass_marks_the_browser_for_good(pixel: Pixel, shop: Shop, other_shop: Shop) -> None:
    later = timezone.now() + timedelta(days=1)
    pixel.send(happened())
    for wrong in (
        visitors.staff_pass(other_shop.domain, until=later),
        visitors.staff_pass(shop.domain, until=timezone.now() - timedelta(seconds=5)),
        "1.AAAA",
        "." * 64,
        "9" * 64,
    ):
        assert pixel.send(happened(), staff=wrong).status_code == 202
    flush()
    assert {each.excluded for each in kept(shop)} == {None}
    pixel.send(happened(), staff=visitors.staff_pass(shop.domain, until=later))
    flush()
    assert {each.excluded for each in kept(shop)} == {"staff"}  # what came before as well
    pixel.send(happened())  # without the pass: the visitor is known by now
    flush()
    assert {each.excluded for each in kept(shop)} == {Exclusion.STAFF}
    assert len(kept(shop)) == 8


# Caps and sizes


def test_too_much_is_refused_and_says_when_to_come_back(pixel: Pixel, settings: Any) -> None:
    settings.COLLECT_SHOP_PER_MINUTE = 60
    answers = [pixel.send(*(happened() for _ in range(25))) for _ in range(3)]
    assert [each.status_code for each in answers] == [202, 202, 429]
    assert problem(answers[-1])["code"] == "too_many_events"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert waiting() == 2


def test_one_visitor_and_one_address_have_limits_of_their_own(shop: Shop) -> None:
    now = timezone.now().replace(second=1)
    visitor = visitors.issue(shop.domain)
    assert caps.spend(shop_id=1, visitor=visitor, address="192.0.2.1", amount=600, now=now).over == ""
    assert caps.spend(shop_id=1, visitor=visitor, address="192.0.2.2", amount=1, now=now).over == "visitor"
    assert caps.spend(shop_id=1, visitor=None, address="192.0.2.1", amount=2_401, now=now).over == "address"
    assert caps.spend(shop_id=1, visitor=None, address="192.0.2.3", amount=1, now=now).over == ""
    after = now + timedelta(minutes=1)
    assert caps.spend(shop_id=1, visitor=visitor, address="192.0.2.1", amount=1, now=after).over == ""
    names = [each.decode() for each in client().scan_iter(match=key("collected", "*"), count=1000)]
    assert names
    assert not [each for each in names if "192.0.2" in each or visitor in each]


def test_large_and_deep_bodies_are_refused(pixel: Pixel) -> None:
    assert pixel.post(b" " * (batches.LARGEST_BODY + 1)).status_code == 413
    for body in (
        b"",
        b"[]",
        b"\xff",
        b"{",
        b"[" * 30_000,
        b'{"v":1}',
        b'{"v":true}',
        b'{"a":NaN}',
        b"1" * 5_000,
    ):
        assert pixel.post(body).status_code == 400, body[:20]
    nested: Any = 1
    for _ in range(7):
        nested = [nested]
    assert problem(pixel.send(happened(), extra=nested))["code"] == "invalid_body"
    assert problem(pixel.send(*(happened() for _ in range(51))))["field"] == "events"
    assert waiting() == 0


def test_ten_thousand_repetitions_are_one_row(pixel: Pixel, shop: Shop, settings: Any) -> None:
    settings.COLLECT_SHOP_PER_MINUTE = 1_000_000
    one = happened()
    for _ in range(40):  # the same event and the same visitor from many addresses
        for address in range(5):
            batch = {
                "v": 1,
                "consent": {"analytics": True},
                "events": [one] * 50,
            }
            response = Client().post(
                f"/collect/events?account={visitors.account(shop.domain)}", data=json.dumps(batch).encode(), content_type="text/plain",
                headers={"User-Agent": pixel.agent}, REMOTE_ADDR=f"192.0.2.{address}",
            )  # fmt: skip
            assert response.json() == {"accepted": 1, "dropped": 49}
    flush()
    assert len(kept(shop)) == 1


def test_an_address_that_asks_without_end_is_not_listened_to(pixel: Pixel) -> None:
    now = timezone.now()
    for _ in range(caps.REQUESTS_PER_MINUTE):
        assert caps.knock("127.0.0.1", now=now).over == ""
    assert caps.knock("127.0.0.1", now=now).over == "address"
    if timezone.now().minute == now.minute:
        assert pixel.post(b"{}").status_code == 429
