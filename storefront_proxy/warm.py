"""Make a web worker ready before its first visitor: what a first answer would import, connect or load is there already."""

from __future__ import annotations

import logging
import time

from django.db import Error as DatabaseError
from django.db import connections
from django.urls import get_resolver
from redis.exceptions import RedisError

from mlops.features.events import STOREFRONT_SLOTS
from mlops.registry import loader
from storefront_proxy import callers, shops
from storefront_proxy.asked import Ask
from storefront_proxy.problems import Problem
from storefront_proxy.recommend import recommend
from tenancy.models import Shop, ShopState

log = logging.getLogger("shelfwise.storefront")

# Some 60 ms a version; shops beyond this are loaded when they are first asked for.
LONGEST_S = 10.0


def warm_up(*, longest_s: float = LONGEST_S) -> int:
    """Build the URL map, load the live versions of installed shops and answer once in each slot; returns the shops done.

    Without Postgres or Redis the worker starts cold, which is logged, and serves what it can.
    """
    began = time.monotonic()
    get_resolver().resolve("/proxy/recommendations")
    callers.warm_up()
    done = 0
    try:
        installed = Shop.objects.exclude(state=ShopState.UNINSTALLED).order_by("-installed_at")
        for domain in installed.values_list("domain", flat=True)[: loader.MOST_KEPT]:
            if time.monotonic() - began > longest_s:
                break
            shop = shops.installed_shop(domain)
            if shop is None:
                continue
            for slot in STOREFRONT_SLOTS:
                try:
                    recommend(shop, Ask(slot=slot, product_id=None, cart=(), visitor=None, limit=1))
                except Problem:
                    log.exception("storefront.warm_up", extra={"shop_id": shop.id})
            done += 1
    except (DatabaseError, RedisError):
        log.exception("storefront.starts_cold")
    finally:
        connections.close_all()  # this thread will not ask Postgres again
    return done
