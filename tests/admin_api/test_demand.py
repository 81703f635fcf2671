"""The admin's page of demand: rows, order lists, terms, promotions."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from mlops.demand import adaptation, plan
from mlops.features import store
from mlops.features.events import Source
from mlops.predictors.demand import adapt
from mlops.registry.models import UseCase
from mlops.training import run as training
from mlops.training.demand.observe import observe
from tenancy.models import Role, Shop
from tenancy.scope import scope
from tests.admin_api.members import Member, hire
from tests.looks import looking
from tests.mlops.builders import line, order, product, variant

pytestmark = pytest.mark.django_db
DAYS = 90


def trade(shop: Shop, *, products: int = 6) -> None:
    """Every product sells its number a day up to yesterday; product 1 is sold out, product 2 is called like a formula."""
    now = timezone.now()
    titles = {2: "=HYPERLINK(evil)"}
    catalogue = [
        product(
            each, title=titles.get(each, f"Lamp {each}"), version_at=now - timedelta(days=1), vendor="Oak" if each > 3 else "Birch",
            variants=(variant(each, available=0 if each == 1 else each * 20),),
        )
        for each in range(1, products + 1)
    ]  # fmt: skip
    store.append(shop, catalogue, source=Source.BACKFILL, now=now)
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    events = []
    for day in range(1, DAYS + 1):
        lines = [line(day * 100 + each, each, each) for each in range(1, products + 1)]
        events.append(order(day, lines, ordered_at=noon - timedelta(days=day)))
    store.append(shop, events, source=Source.BACKFILL, now=now)


@pytest.fixture
def forecast(shop: Shop) -> Shop:
    trade(shop)
    training.request(shop, use_case=UseCase.DEMAND, reason="test", actor="system:test", now=timezone.now())
    with scope(shop):
        while training.advance(shop, now=timezone.now()):
            pass
    return shop


@pytest.fixture
def owner(shop: Shop) -> Member:
    return hire(shop, 1001, Role.OWNER)


def rows(owner: Member, query: str = "") -> list[dict[str, Any]]:
    answer = owner.ask(f"demand?{query}")
    assert answer.status == 200, answer
    found: list[dict[str, Any]] = answer.body["rows"]
    return found


def test_before_the_first_forecast_the_page_says_so(owner: Member) -> None:
    body = owner.ask("demand").body
    assert (body["whole"], body["rows"], body["found"], body["training"]["state"]) == (None, [], 0, "never")
    for path in ("demand/total", "demand/variants/10", "demand/export", "demand/purchase-order"):
        answer = owner.ask(path)
        assert (answer.status, answer.code) == (404, "no_forecast"), path


def test_each_row_says_what_will_sell_what_is_there_and_what_to_order(forecast: Shop, owner: Member) -> None:
    body = owner.ask("demand?sort=title&rising=true").body
    assert body["found"] == 6
    assert body["whole"]["variants"] == 6
    assert body["whole"]["knowledge"] == "measured"
    assert body["training"]["state"] == "done"
    by_number = {each["variant_id"]: each for each in body["rows"]}
    five = by_number["50"]
    assert five["forecast"] == pytest.approx(140, rel=0.1)
    assert five["low"] <= five["forecast"] <= five["high"]
    assert (five["stock"], five["cover_days"]) == (100.0, pytest.approx(20, abs=2))
    assert date.fromisoformat(five["runs_out_on"]) == date.fromisoformat(body["today"]) + timedelta(
        days=five["cover_days"]
    )
    # 14 days until it arrives, and 7 until the next look: 105 units and some more.
    assert five["reorder_point"] >= 100
    assert five["order"] == max(0, five["reorder_point"] - 100)
    assert by_number["10"]["order"] == by_number["10"]["reorder_point"] > 0
    assert by_number["10"]["covered"] < 0.01
    assert five["accuracy"]["days"] > 0
    assert body["whole"]["to_order"] == sum(each["order"] > 0 for each in body["rows"])
    assert body["whole"]["forecast"] == pytest.approx(
        sum(each["forecast"] for each in body["rows"]), abs=1e-6
    )


def test_search_filters_sorts_and_pages_are_the_servers(forecast: Shop, owner: Member) -> None:
    assert [each["variant_id"] for each in rows(owner, "search=sku-4")] == ["40"]
    assert {each["vendor"] for each in rows(owner, "search=OAK")} == {"Oak"}
    assert [each["variant_id"] for each in rows(owner, "show=sold_out")] == ["10"]
    assert rows(owner, "show=dying") == []
    falling = [each["forecast"] for each in rows(owner, "sort=forecast")]
    assert falling == sorted(falling, reverse=True)
    first, second = rows(owner, "sort=forecast&size=4"), rows(owner, "sort=forecast&size=4&page=2")
    assert [len(first), len(second)] == [4, 2]
    assert [each["forecast"] for each in first + second] == falling
    assert rows(owner, "page=99") == []


@pytest.mark.parametrize(
    "query",
    [
        "sort=price",
        "show=none",
        "page=0",
        "size=101",
        "page=x",
        f"search={'x' * 101}",
        "rising=maybe",
        "search=%00",
    ],
)
def test_questions_that_cannot_be_are_refused(owner: Member, query: str) -> None:
    assert owner.ask(f"demand?{query}").status == 400


def test_a_variant_is_told_day_by_day_and_products_add_up_to_the_shop(forecast: Shop, owner: Member) -> None:
    total = owner.ask("demand/total").body
    parts = [owner.ask(f"demand/variants/{each}0").body for each in range(1, 7)]
    assert [len(total["ahead"]), len(total["history"])] == [28, DAYS]
    for at in range(28):
        assert total["ahead"][at]["mean"] == pytest.approx(
            sum(each["ahead"][at]["mean"] for each in parts), abs=1e-6
        )
    day = parts[4]["ahead"][0]
    assert day["q05"] <= day["q25"] <= day["q75"] <= day["q95"]
    assert parts[4]["history"][-1]["sold"] == 5
    assert parts[0]["history"][-1]["without_stock"] > 0
    missing = owner.ask("demand/variants/999")
    assert (missing.status, missing.code) == (404, "variant_not_found")


def test_order_lists_are_safe_csv(forecast: Shop, owner: Member) -> None:
    listed = list(csv.DictReader(io.StringIO(owner.ask("demand/export?search=hyperlink").body)))
    assert [each["Title"] for each in listed] == ["'=HYPERLINK(evil)"]
    drafted = list(csv.DictReader(io.StringIO(owner.ask("demand/purchase-order").body)))
    assert [each["Vendor"] for each in drafted] == sorted(each["Vendor"] for each in drafted)
    wanted = {each["variant_id"]: each["order"] for each in rows(owner) if each["order"]}
    assert {each["Variant"]: int(each["Quantity"]) for each in drafted} == wanted


def test_terms_decide_and_the_narrowest_word_counts(forecast: Shop, owner: Member) -> None:
    before = {each["variant_id"]: each["order"] for each in rows(owner)}
    assert owner.ask("demand/terms").body["shop"]["lead_days"] == 14
    told = owner.send("PUT", "demand/terms", {"of": "shop", "lead_days": 30, "late_days": 30})
    assert told.body["shop"]["lead_days"] == 30
    owner.send("PUT", "demand/terms", {"of": "vendor", "key": "Oak", "lead_days": 3, "late_days": 3})
    owner.send("PUT", "demand/terms", {"of": "variant", "key": "50", "pack": 500, "minimum": 1})
    after = {each["variant_id"]: each for each in rows(owner)}
    assert after["20"]["order"] > before["20"]
    assert after["40"]["lead_days"] == 3
    assert after["50"]["order"] % 500 == 0
    assert len(owner.ask("demand/terms").body["own"]) == 2
    owner.send("PUT", "demand/terms", {"of": "variant", "key": "50", "pack": None, "minimum": None})
    assert [each["key"] for each in owner.ask("demand/terms").body["own"]] == ["Oak"]
    entry = owner.ask("audit").body["entries"][0]
    assert entry["action"] == "terms.changed"
    assert entry["data"]["before"] == {"pack": 500, "minimum": 1}


@pytest.mark.parametrize(
    "body",
    [
        {"of": "shop"},
        {"of": "planet", "lead_days": 3},
        {"of": "shop", "key": "Oak", "lead_days": 3},
        {"of": "vendor", "lead_days": 3},
        {"of": "variant", "key": "x", "lead_days": 3},
        {"of": "variant", "key": "10", "review_days": 3},
        {"of": "shop", "lead_days": 0},
        {"of": "shop", "lead_days": 9, "late_days": 3},
        {"of": "shop", "fill_a": 1.0},
        {"of": "shop", "pack": 0},
        {"of": "shop", "fill_a": "NaN"},
    ],
)
def test_terms_that_cannot_be_are_refused(owner: Member, body: dict[str, Any]) -> None:
    answer = owner.send("PUT", "demand/terms", body)
    assert answer.status == 400, answer
    assert owner.ask("demand/terms").body["shop"]["lead_days"] == 14


def test_a_promotion_raises_the_forecast_only_as_far_as_past_ones_taught(
    forecast: Shop, owner: Member
) -> None:
    today = date.fromisoformat(owner.ask("demand").body["today"])
    days = {
        "starts_on": (today + timedelta(days=3)).isoformat(),
        "ends_on": (today + timedelta(days=5)).isoformat(),
    }
    before = owner.ask("demand/total").body
    made = owner.send("POST", "demand/promotions", {"name": "Autumn", "percent": 30, **days})
    assert made.status == 201
    after = owner.ask("demand/total").body
    # Nothing was ever reduced here: no lift is made up, and the calendar shows the promotion all the same.
    assert [each["mean"] for each in after["ahead"]] == pytest.approx(
        [each["mean"] for each in before["ahead"]]
    )
    assert [each["name"] for each in after["promotions"]] == ["Autumn"]
    assert owner.ask("demand/variants/20").body["ahead"][3]["discount"] == pytest.approx(0.3)
    assert owner.send("DELETE", f"demand/promotions/{made.body['id']}").body["promotions"] == []
    assert owner.ask("demand/promotions").body["promotions"] == []
    gone = owner.send("DELETE", f"demand/promotions/{made.body['id']}")
    assert (gone.status, gone.code) == (404, "promotion_not_found")


@pytest.mark.parametrize(
    "change",
    [
        {"percent": 0},
        {"percent": 95},
        {"ends_on": "2020-01-01"},
        {"starts_on": "no day"},
        {"products": ["x"]},
        {"products": []},
        {"products": [424242]},
        {"name": " "},
    ],
)
def test_promotions_that_cannot_be_are_refused(owner: Member, change: dict[str, Any]) -> None:
    day = timezone.now().date().isoformat()
    body = {"name": "Sale", "starts_on": day, "ends_on": day, "percent": 20, **change}
    assert owner.send("POST", "demand/promotions", body).status == 400
    assert owner.ask("demand/promotions").body["promotions"] == []


def test_a_forecast_is_asked_for_once(forecast: Shop, owner: Member) -> None:
    one = owner.send("POST", "demand/forecast", {"reason": "new season"})
    two = owner.send("POST", "demand/forecast", {"reason": "again"})
    assert (one.status, two.status) == (202, 202)
    assert one.body["state"] == "running"
    entries = owner.ask("audit").body["entries"]
    assert [each["reason"] for each in entries if each["action"] == "training.requested"] == ["new season"]


def test_versions_of_forecasts_stand_in_a_list_of_their_own(forecast: Shop, owner: Member) -> None:
    assert owner.ask("versions").body["versions"] == []
    found = owner.ask("versions?use_case=demand").body["versions"]
    assert [(each["number"], each["live_in"]) for each in found] == [(1, ["forecast"])]
    assert owner.ask("versions?use_case=weather").status == 400


def test_each_day_teaches_the_intervals_once(forecast: Shop) -> None:
    later = timezone.now() + timedelta(days=3)
    with scope(forecast), looking():
        assert observe(forecast, now=timezone.now()) == 0
        # Nothing was sold on the days since, which every interval had promised otherwise.
        assert observe(forecast, now=later) == 3
        once = adaptation.state(forecast)
        assert observe(forecast, now=later) == 0
        assert adaptation.through(forecast) == later.date() - timedelta(days=1)
        assert adapt.factors(once).max() > 1.0
        found = plan.live(forecast, now=later)
        assert found is not None
        assert found.today == later.date()
