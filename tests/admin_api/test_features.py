"""/api/features: every declared feature with its versions, as JSON and as CSV; of one's own shop."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from mlops.feature_store import offers, refresh, registered, versions
from tenancy.models import Role, Shop
from tests.admin_api.members import hire
from tests.mlops.shops import stock

pytestmark = pytest.mark.django_db


def test_views_tell_their_versions_and_the_models_on_them(
    shop: Shop, other_shop: Shop, now: datetime
) -> None:
    reader = hire(shop, 1003, Role.VIEWER)
    before = {each["name"]: each for each in reader.ask("features").body["views"]}
    assert before["product_offer"]["versions"] == []
    stock(shop, products=3)
    refresh.refresh(shop, now=now)
    digests = {offers.PRODUCT.name: versions.digest(offers.PRODUCT)}
    registered.pin(shop, digests, model="recommendations version 4", now=now)
    refresh.refresh(other_shop, now=now)
    registered.pin(other_shop, digests, model="their version", now=now)
    view = {each["name"]: each for each in reader.ask("features").body["views"]}["product_offer"]
    (version,) = view["versions"]
    assert (version["digest"], version["current"], version["entities"]) == (view["digest"], True, 3)
    assert version["models"] == ["recommendations version 4"]
    price = view["features"][0]
    assert (price["name"], price["kind"], price["missing"]) == ("price", "number", "last_value")


def test_the_csv_has_a_row_for_each_feature(shop: Shop, now: datetime) -> None:
    reader = hire(shop, 1003, Role.VIEWER)
    refresh.refresh(shop, now=now)
    told = reader.ask("features/export")
    rows = list(csv.DictReader(io.StringIO(told.body)))
    listed = [(each["View"], each["Feature"]) for each in rows]
    assert len(listed) == len(set(listed)) > 50
    assert ("customer_rfm", "recency_days") in listed
    assert {each["Of"] for each in rows} == {"customer", "product", "variant", "visitor", "pair", "shop"}


def test_the_days_of_a_feature_are_the_shops_own(shop: Shop, other_shop: Shop, now: datetime) -> None:
    reader = hire(shop, 1003, Role.VIEWER)
    stock(shop, products=4)
    today = timezone.now()
    refresh.refresh(other_shop, now=today)
    for ago in (2, 0):
        refresh.refresh(shop, now=today - timedelta(days=ago))
    told = reader.ask("features/product_offer/days?feature=price&days=3").body
    (before, after) = told["days"]
    assert (before["day"], after["day"]) == (told["since"], told["until"])
    assert (after["rows"], after["nulls"], after["distinct"]) == (4, 0, 1)
    assert (after["mean"], after["quantiles"]) == (12.5, [12.5] * 3)
    empty = reader.ask("features/product_carts/days?feature=abandon_rate_28d&days=1").body["days"]
    assert [(each["nulls"], each["mean"], each["quantiles"]) for each in empty] == [(4, None, [])]
    states = {each["name"]: each["state"] for each in reader.ask("features").body["views"]}
    assert set(states.values()) == {"fresh"}


def test_a_view_that_was_not_computed_for_hours_is_late(shop: Shop) -> None:
    reader = hire(shop, 1003, Role.VIEWER)
    assert {each["state"] for each in reader.ask("features").body["views"]} == {"never"}
    refresh.refresh(shop, now=timezone.now() - timedelta(hours=5))
    assert {each["state"] for each in reader.ask("features").body["views"]} == {"late"}


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("features/nothing/days?feature=price", 404),
        ("features/product_offer/days?feature=nothing", 404),
        ("features/product_offer/days", 400),
        ("features/product_offer/days?feature=price&days=0", 400),
        ("features/product_offer/days?feature=price&days=401", 400),
    ],
)
def test_what_is_not_there_is_refused(shop: Shop, address: str, status: int) -> None:
    assert hire(shop, 1003, Role.VIEWER).ask(address).status == status
