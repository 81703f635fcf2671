"""A stocked, trained shop and its storefront."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlops.deployments import router
from storefront_proxy import lists, newcomers, outbox, shops, tiles, versions
from tenancy.models import Shop
from tests.mlops.shops import sell, stock, train
from tests.storefront_proxy.storefront import Storefront


@pytest.fixture(autouse=True)
def _fresh_memory() -> Iterator[None]:
    """As a process that has just started."""
    _forget()
    yield
    outbox.drain()
    _forget()


def _forget() -> None:
    for memory in (router, shops, tiles, versions, lists, newcomers):
        memory.forget()


@pytest.fixture
def stocked(shop: Shop) -> Storefront:
    """A catalogue of 30 products and no model."""
    stock(shop)
    return Storefront(shop.domain)


@pytest.fixture
def storefront(shop: Shop) -> Storefront:
    """A catalogue of 30 products and a model that knows even products from odd ones."""
    stock(shop)
    sell(shop, orders=60)
    train(shop)
    return Storefront(shop.domain)
