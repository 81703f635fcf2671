"""The shop scope: a query of shop-owned rows outside it raises.

    with scope(shop):
        Order.objects.filter(...)     # already fenced to this shop

Every shop-owned table inherits `ShopOwned` and so gets the fenced manager. `unscoped()` exists for the few places that
work across shops (schedulers, retention); each use says why. The open scope also goes with each statement to Postgres,
where row-level security holds raw SQL to it (`tenancy.fence`, `tenancy.row_security`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.db import models

from tenancy import fence
from tenancy.fence import ScopeMissing as ScopeMissing
from tenancy.models import Shop

_current = fence.shop
_ANY_SHOP = fence.ANY_SHOP
M = TypeVar("M", bound="ShopOwned")
S = TypeVar("S", Shop, int)
P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def scope(shop: Shop | int) -> Iterator[None]:
    """Fence all queries of shop-owned rows in this block to one shop. Nested scopes must name the same shop."""
    shop_id = shop if isinstance(shop, int) else shop.pk
    outer = _current.get()
    if outer not in (None, _ANY_SHOP, shop_id):
        raise ScopeMissing(f"a scope for shop {shop_id} was opened inside the scope of shop {outer}")
    token = _current.set(shop_id)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def unscoped(*, why: str) -> Iterator[None]:
    """Allow queries across shops in this block. `why` is for the reader of the code."""
    if not why:
        raise ValueError("say why this block may see every shop")
    token = _current.set(_ANY_SHOP)
    try:
        yield
    finally:
        _current.reset(token)


def scoped(function: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """For a function whose first argument is a shop or its number: all of it runs in that shop's scope."""

    @wraps(function)
    def inside(shop: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with scope(shop):
            return function(shop, *args, **kwargs)

    return inside


def current_shop_id() -> int:
    """The shop of the open scope.

    Raises:
        ScopeMissing: no scope is open, or it spans all shops.
    """
    found = _current.get()
    if found is None or found == _ANY_SHOP:
        raise ScopeMissing("open a shop scope first: `with scope(shop):`")
    return found


class ShopOwnedQuerySet(models.QuerySet[M]):
    def bulk_create(self, objs: Any, *args: Any, **kwargs: Any) -> list[M]:
        shop_id = current_shop_id()
        for each in objs:
            if each.shop_id is None:
                each.shop_id = shop_id
            elif each.shop_id != shop_id:
                raise ScopeMissing(f"a row of shop {each.shop_id} was written in the scope of shop {shop_id}")
        return super().bulk_create(objs, *args, **kwargs)


class ShopOwnedManager(models.Manager[M]):
    """Manager whose every query carries the scope's shop; raises `ScopeMissing` outside a scope."""

    def get_queryset(self) -> ShopOwnedQuerySet[M]:
        found = _current.get()
        if found is None:
            raise ScopeMissing(f"{self.model.__name__} was queried outside a shop scope")
        queryset: ShopOwnedQuerySet[M] = ShopOwnedQuerySet(self.model, using=self._db)
        return queryset if found == _ANY_SHOP else queryset.filter(shop_id=found)


class ShopOwned(models.Model):
    """Base of every table whose rows belong to one shop."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="+", db_index=False)

    objects = ShopOwnedManager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        found = _current.get()
        if found is None:
            raise ScopeMissing(f"{type(self).__name__} was saved outside a shop scope")
        if found != _ANY_SHOP and getattr(self, "shop_id", None) is None:
            self.shop_id = found
        if found not in (_ANY_SHOP, self.shop_id):
            raise ScopeMissing(f"a row of shop {self.shop_id} was saved in the scope of shop {found}")
        super().save(*args, **kwargs)
