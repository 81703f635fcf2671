"""What the first page is told: data, import, what is live and how good, what shoppers saw, what followed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mlops.features import store as features
from mlops.features.events import (
    Click,
    CustomerChanged,
    Event,
    Exposure,
    OrderLine,
    OrderPlaced,
    RefundLine,
    RefundMade,
    ServedBy,
    SlotName,
    Source,
)
from shopify_app.sync.models import ImportJob, JobState
from tenancy.models import Role, Shop
from tenancy.scope import scope
from tests.admin_api.members import Member, hire
from tests.admin_api.versions_of import deployed, registered

pytestmark = pytest.mark.django_db(transaction=True)
LAMP, SHADE = 11, 12


@pytest.fixture
def vera(shop: Shop) -> Member:
    return hire(shop, 1003, Role.VIEWER)


def exposure(shop: Shop, number: int, at: datetime, tier: ServedBy = ServedBy.ITEM_TO_ITEM) -> Exposure:
    return Exposure(
        exposure_id=f"exposure-{number:012d}",
        shop_id=shop.pk,
        at=at,
        slot=SlotName.PRODUCT_PAGE,
        served_by=tier,
        product_ids=() if tier == ServedBy.NONE else (LAMP, SHADE),
        visitor="visitor-1",
    )


def order(number: int, at: datetime, *lines: OrderLine, visitor: str | None = None) -> OrderPlaced:
    return OrderPlaced(
        order_id=number,
        version_at=at,
        ordered_at=at,
        currency="GBP",
        total=Decimal("30.00"),
        refunded=Decimal(0),
        lines=lines,
        visitor=visitor,
    )


def line(number: int, product: int, price: str, shown: str | None = None) -> OrderLine:
    return OrderLine(number, product, product * 10, "", 1, 1, Decimal(price), shown)


def test_an_empty_shop_is_told_so_honestly(vera: Member) -> None:
    found = vera.ask("overview").body
    assert found["history_import"] == {"state": "not_started", "resources": []}
    assert set(found["data"].values()) == {0}
    assert found["training"]["state"] == "never"
    assert [each["slot"] for each in found["slots"]] == ["product_page", "cart", "home"]
    assert all(each["version"] is None and each["previous_good"] is None for each in found["slots"])
    assert vera.ask("traffic").body["totals"]["requests"] == 0
    assert vera.ask("versions").body == {"versions": [], "next_before": None}


def test_the_theme_editor_opens_with_our_block(vera: Member) -> None:
    url = vera.ask("overview").body["shop"]["theme_editor_url"]
    assert url.endswith(
        "/admin/themes/current/editor?context=apps&template=product"
        "&addAppBlockId=shelfwise-local-client-id/recommendations&target=newAppsSection"
    )


def test_rows_are_counted_for_this_shop_alone(vera: Member, other_shop: Shop, now: datetime) -> None:
    events: list[Event] = [
        order(1, now, line(1, LAMP, "10.00"), line(2, SHADE, "5.00")),
        CustomerChanged(5, now, now),
    ]
    features.append(vera.shop, events, source=Source.WEBHOOK, now=now)
    features.append(other_shop, [order(2, now)], source=Source.WEBHOOK, now=now)
    data = vera.ask("overview").body["data"]
    assert (data["orders"], data["order_lines"], data["customers"]) == (1, 2, 1)


def test_import_progress_has_pace_and_time_left(vera: Member, shop: Shop) -> None:
    now = timezone.now()
    with scope(shop):
        jobs = {"started_at": now - timedelta(seconds=30), "next_step_at": now}
        ImportJob.objects.create(
            shop=shop, resource="products", state=JobState.DONE, lines_read=90, finished_at=now, **jobs
        )
        ImportJob.objects.create(
            shop=shop,
            resource="orders",
            state=JobState.READING,
            lines_read=500,
            lines_total=2000,
            rate=250.0,
            **jobs,
        )
    found = vera.ask("overview").body["history_import"]
    assert found["state"] == "running"
    orders = next(each for each in found["resources"] if each["resource"] == "orders")
    assert (orders["state"], orders["phase"]) == ("running", "reading")
    assert (orders["done"], orders["total"], orders["per_second"], orders["eta_s"]) == (500, 2000, 250.0, 6.0)
    with scope(shop):
        ImportJob.objects.filter(resource="orders").update(
            state=JobState.FAILED, problem="The file broke off."
        )
    found = vera.ask("overview").body["history_import"]
    assert found["state"] == "failed"
    assert "The file broke off." in {each["problem"] for each in found["resources"]}


def test_live_versions_come_with_measures_and_the_way_back(vera: Member, shop: Shop, now: datetime) -> None:
    first, second = registered(shop, 1, now, recall=0.2), registered(shop, 2, now, recall=0.25)
    deployed(shop, first, now)
    deployed(shop, second, now, SlotName.HOME)
    slots = {each["slot"]: each for each in vera.ask("overview").body["slots"]}
    home = slots["home"]
    assert (home["version"]["number"], home["previous_good"]["number"]) == (2, 1)
    assert (home["version"]["live_in"], home["previous_good"]["live_in"]) == (
        ["home"],
        ["product_page", "cart"],
    )
    assert home["version"]["orders"] == 400
    assert (home["changed_by"], home["reason"]) == ("system:training", "better")
    recall = next(
        each for each in home["version"]["measures"] if each["name"] == "recall@20" and each["slot"] == "home"
    )
    assert (recall["value"], recall["baseline"], recall["cases"]) == (0.25, 0.11, 800)
    assert recall["ahead_low"] == pytest.approx(0.13)
    assert slots["cart"]["previous_good"] is None


def test_traffic_follows_an_answer_to_the_order_and_its_refund(vera: Member, shop: Shop) -> None:
    now = timezone.now().replace(microsecond=0)
    shown = [
        exposure(shop, 1, now),
        exposure(shop, 2, now, ServedBy.TRENDING),
        exposure(shop, 3, now, ServedBy.NONE),
    ]
    features.record_exposures(shown)
    features.record_clicks([Click(shown[0].exposure_id, shop.pk, now, LAMP, "visitor-1")])
    by_line = order(1, now, line(1, LAMP, "20.00", shown[0].exposure_id), line(2, 99, "9.00"))
    by_click = order(2, now + timedelta(seconds=1), line(3, LAMP, "20.00"), visitor="visitor-1")
    forged = order(3, now, line(4, LAMP, "20.00", "exposure-of-nobody-at-all"))
    refund = RefundMade(7, 1, now, Decimal("5.00"), "GBP", (RefundLine(1, 0, Decimal("5.00")),))
    events: list[Event] = [by_line, by_click, forged, refund]
    for _ in range(2):  # delivered twice: counted once
        features.append(shop, events, source=Source.WEBHOOK, now=now)
    totals = vera.ask("traffic?days=2").body["totals"]
    assert totals["tiers"] == {"item_to_item": 1, "trending": 1, "newest": 0, "none": 1}
    assert (totals["requests"], totals["shown"], totals["clicks"]) == (3, 2, 1)
    assert totals["attributed_orders"] == 2
    assert (totals["attributed_net_revenue"], totals["taken_back"]) == ("35.00", "5.00")


def test_days_are_the_shops_own(vera: Member, shop: Shop, other_shop: Shop) -> None:
    features.record_exposures([exposure(other_shop, 9, timezone.now())])
    found = vera.ask("traffic?days=28").body
    assert len(found["days"]) == 28
    assert (found["days"][0]["day"], found["days"][-1]["day"]) == (found["since"], found["until"])
    assert (found["timezone"], found["currency"]) == ("Europe/London", "GBP")
    assert found["totals"]["requests"] == 0


def test_versions_are_paged_newest_first(vera: Member, shop: Shop, now: datetime) -> None:
    for run in range(1, 6):
        registered(shop, run, now)
    first = vera.ask("versions?limit=3").body
    assert [each["number"] for each in first["versions"]] == [5, 4, 3]
    rest = vera.ask(f"versions?limit=3&before={first['next_before']}").body
    assert [each["number"] for each in rest["versions"]] == [2, 1]
    assert rest["next_before"] is None


def test_a_version_tells_where_it_came_from(vera: Member, shop: Shop, now: datetime) -> None:
    first, second = registered(shop, 1, now), registered(shop, 2, now)
    deployed(shop, second, now, SlotName.CART)
    found = vera.ask(f"versions/{second.pk}").body
    assert found["digest"] == second.artefact_digest
    assert found["snapshot"] == f"{2:064x}"
    assert (found["parameters"], found["seed"], found["code_revision"]) == ({"shrinkage": 10}, 42, "abc1234")
    assert found["parent_number"] == first.number
    assert [(each["slot"], each["from_number"], each["to_number"]) for each in found["changes"]] == [
        ("cart", None, 2)
    ]


@pytest.mark.parametrize(("path", "most"), [("overview", 11), ("traffic", 4), ("versions", 6), ("audit", 3)])
def test_pages_keep_to_their_queries(vera: Member, shop: Shop, path: str, most: int) -> None:
    """However much there is: nothing here asks once per row."""
    at = datetime(2026, 11, 1, tzinfo=UTC)
    for run in range(1, 5):
        deployed(shop, registered(shop, run, at), at)
    vera.ask(path)
    with CaptureQueriesContext(connection) as asked:
        assert vera.ask(path).status == 200
    statements = [each["sql"] for each in asked if not each["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert len(statements) <= most, "\n".join(statements)
