"""Visitor ids, withdrawals, and answers to those who are no shoppers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops.features import store
from mlops.features.models import ExcludedVisitor, Exposure
from storefront_proxy import callers, exposures, outbox, visitors
from tenancy.models import Role, Shop
from tenancy.scope import scope
from tests.admin_api.members import hire
from tests.looks import looking
from tests.storefront_proxy.pixel import GOOGLEBOT, PERSON, Pixel, flush, happened
from tests.storefront_proxy.storefront import PATH, Storefront, problem, signed

pytestmark = pytest.mark.django_db
HEADLESS = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/143.0.0.0 Safari/537.36"


def ask(storefront: Storefront, agent: str, **params: str) -> Any:
    query = signed(storefront.domain, [("slot", "home"), *params.items()])
    return storefront.client.get(f"{PATH}?{query}", headers={"User-Agent": agent})


def shown(shop: Shop) -> list[tuple[str | None, str | None]]:
    outbox.drain()
    exposures.flush(consumer="one", now=datetime.now(UTC))
    with scope(shop), looking():
        return list(Exposure.objects.order_by("at").values_list("visitor", "excluded"))


def test_the_answer_hands_out_a_visitor_id_to_those_who_allow_it(stocked: Storefront, shop: Shop) -> None:
    answer = stocked.ask(slot="home", visitor="new").json()
    assert visitors.issued(shop.domain, answer["visitor"])
    assert "visitor" not in stocked.ask(slot="home", visitor=answer["visitor"]).json()
    assert "visitor" not in stocked.ask(slot="home").json()
    assert shown(shop) == [(answer["visitor"], None)] * 2 + [(None, None)]


@pytest.mark.parametrize(
    ("agent", "reason"),
    [(PERSON, None), (GOOGLEBOT, "bot"), ("python-httpx/0.28.1", None), ("", None), ("Googlebot/2.1 python-requests/2", "bot")],
)  # fmt: skip
def test_crawlers_are_answered_and_not_counted(
    stocked: Storefront, shop: Shop, agent: str, reason: str | None
) -> None:
    answer = ask(stocked, agent)
    assert answer.json()["products"]
    assert shown(shop) == [(None, reason)]


def test_browsers_without_a_person(stocked: Storefront, shop: Shop, settings: Any) -> None:
    settings.COUNT_HEADLESS = False
    callers.forget()
    ask(stocked, HEADLESS)
    ask(stocked, PERSON, automated="1")
    assert [reason for _, reason in shown(shop)] == ["headless", "headless"]
    settings.COUNT_HEADLESS = True
    callers.forget()
    ask(stocked, HEADLESS)
    assert shown(shop)[-1] == (None, None)


def test_a_staff_pass_is_heard_by_the_block_as_well(stocked: Storefront, shop: Shop) -> None:
    good = visitors.staff_pass(shop.domain, until=datetime.now(UTC) + timedelta(days=1))
    ask(stocked, PERSON, staff=good)
    ask(stocked, PERSON, staff="1.AAAA")
    assert [reason for _, reason in shown(shop)] == ["staff", None]
    assert problem(ask(stocked, PERSON, staff="x" * 65))["field"] == "staff"


def test_a_withdrawal_through_the_proxy(stocked: Storefront, shop: Shop, other_shop: Shop) -> None:
    made = stocked.ask(slot="home", visitor="new").json()["visitor"]
    assert shown(shop) == [(made, None)]

    def withdraw(body: bytes, domain: str = shop.domain) -> Any:
        return stocked.client.post(
            f"/proxy/withdraw?{signed(domain, [])}", data=body, content_type="text/plain"
        )

    for wrong in (b"", b"[]", b"{}", b'{"visitor": 7}', b'{"visitor": "no"}', b"\xff"):
        assert problem(withdraw(wrong))["code"] in ("invalid_body", "invalid_parameter")
    assert withdraw(f'{{"visitor": "{made}"}}'.encode(), other_shop.domain).status_code == 202
    flush()
    assert shown(shop) == [(made, None)], "another shop's word changes nothing here"
    assert withdraw(f'{{"visitor": "{made}"}}'.encode()).status_code == 202
    stocked.ask(slot="home", visitor=made)  # a page that was still open
    flush()
    assert shown(shop) == [(None, None), (None, None)]


def test_a_synthetic_crawler_changes_no_figure_on_the_overview(stocked: Storefront, shop: Shop) -> None:
    merchant = hire(shop, 1001, Role.OWNER)
    person = Pixel(shop.domain)
    person.visitor = person.send(happened()).json()["visitor"]
    answer = ask(stocked, PERSON, visitor=person.visitor).json()
    stocked.click({"exposure": answer["exposure"], "product_id": answer["products"][0]["product_id"]})
    flush()
    shown(shop)

    def figures() -> Any:
        return merchant.ask("traffic?days=7").body, merchant.ask("overview").body["data"]

    before = figures()
    assert before[0]["totals"]["shown"] == 1
    assert before[0]["totals"]["clicks"] == 1
    # One that says its name, and one that does not but is too fast for a person.
    for agent, many in ((GOOGLEBOT, 5), (PERSON, 70)):
        crawler = Pixel(shop.domain, agent=agent)
        crawler.visitor = visitors.issue(shop.domain)
        for _ in range(many):
            crawler.send(happened(), happened("product_viewed", product="3"))
            seen = ask(stocked, agent, visitor=crawler.visitor).json()
            stocked.click(
                {
                    "exposure": seen["exposure"],
                    "product_id": seen["products"][0]["product_id"],
                    "visitor": crawler.visitor,
                }
            )
        flush()
        shown(shop)
    after = figures()
    assert after == before
    with scope(shop):
        assert Exposure.objects.count() == 76, "kept"
        assert set(Exposure.objects.exclude(excluded=None).values_list("excluded", flat=True)) == {
            "bot",
            "rate",
        }
        assert list(ExcludedVisitor.objects.values_list("reason", flat=True)) == ["rate"]
    assert store.counts(shop).orders == 0
