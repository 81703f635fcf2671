"""/api/features: every declared feature with its versions, as JSON and as CSV; of one's own shop."""

from __future__ import annotations

import csv
import io
from datetime import datetime

import pytest

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
