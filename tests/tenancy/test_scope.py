"""The shop scope: no row of a shop is read or written without naming the shop."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import models

from mlops.features.models import Customer
from tenancy.models import Shop
from tenancy.scope import ScopeMissing, ShopOwned, current_shop_id, scope, unscoped
from tests.looks import looking


def _customer(shop: Shop, number: int, now: datetime) -> None:
    with scope(shop), looking():
        Customer.objects.create(customer_id=number, version_at=now, created_at=now)


def test_a_query_outside_a_scope_raises(shop: Shop) -> None:
    with pytest.raises(ScopeMissing, match="Customer was queried outside a shop scope"):
        Customer.objects.count()


def test_a_row_outside_a_scope_is_not_saved(shop: Shop, now: datetime) -> None:
    with pytest.raises(ScopeMissing, match="saved outside"):
        Customer(shop=shop, customer_id=1, version_at=now, created_at=now).save()


def test_a_scope_shows_its_shop_alone(shop: Shop, other_shop: Shop, now: datetime) -> None:
    _customer(shop, 1, now)
    _customer(other_shop, 1, now)
    _customer(other_shop, 2, now)
    with scope(shop), looking():
        assert [c.customer_id for c in Customer.objects.all()] == [1]
        assert not Customer.objects.filter(shop_id=other_shop.pk).exists()
        assert current_shop_id() == shop.pk
    with unscoped(why="the test counts every shop"), looking():
        assert Customer.objects.count() == 3


def test_another_shops_row_is_not_written_in_this_scope(shop: Shop, other_shop: Shop, now: datetime) -> None:
    stray = Customer(shop=other_shop, customer_id=1, version_at=now, created_at=now)
    with scope(shop), pytest.raises(ScopeMissing, match="saved in the scope of"):
        stray.save()
    with scope(shop), pytest.raises(ScopeMissing, match="written in the scope of"):
        Customer.objects.bulk_create([stray])
    with unscoped(why="the test looks for strays"), looking():
        assert not Customer.objects.exists()


def test_a_nested_scope_must_name_the_same_shop(shop: Shop, other_shop: Shop) -> None:
    with scope(shop):
        with scope(shop):
            assert current_shop_id() == shop.pk
        with pytest.raises(ScopeMissing, match="inside the scope of"), scope(other_shop):
            pass
        assert current_shop_id() == shop.pk


def test_the_scope_ends_with_its_block_also_when_it_fails(shop: Shop) -> None:
    with pytest.raises(ZeroDivisionError), scope(shop):
        _ = 1 / 0
    with pytest.raises(ScopeMissing):
        current_shop_id()


def _subclasses(kind: type[models.Model]) -> list[type[models.Model]]:
    return [each for child in kind.__subclasses__() for each in [child, *_subclasses(child)]]


def test_every_table_of_the_learning_side_is_fenced() -> None:
    from django.apps import apps

    fenced = set(_subclasses(ShopOwned))
    rooms = ("features", "registry", "training", "deployments", "sync")
    loose = {m.__name__ for m in apps.get_models() if m._meta.app_label in rooms and m not in fenced}
    assert loose == set()
