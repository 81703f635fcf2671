"""Switches our web pixel on in a shop, and tells it where events go. Safe to repeat; a tick mends what failed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from django.conf import settings

from shopify_app import installs
from shopify_app.pixels.models import WebPixel
from storefront_proxy import visitors
from tenancy import audit
from tenancy.errors import Transient, UserFixable
from tenancy.models import Shop, ShopState
from tenancy.scope import unscoped

SCOPE = "write_pixels"
TRY_AGAIN = timedelta(minutes=5)


class PixelState(StrEnum):
    """How the shop's pixel stands, for the merchant."""

    ON = "on"
    WAITING = "waiting"  # not created yet
    FAILED = "failed"  # not created, and why is known
    NOT_GRANTED = "not_granted"  # the shop has not granted the scopes for it


class PixelRefused(UserFixable):
    """Shopify does not take the pixel."""

    code = "pixel_refused"


def endpoint(shop: Shop) -> str:
    """Where the shop's pixel sends its events."""
    return f"{settings.APP_URL}/collect/events?account={quote(visitors.account(shop.domain))}"


def due(now: datetime) -> list[int]:
    """Ids of the shops whose pixel is missing, or is told another address than ours."""
    installed = Shop.objects.filter(state=ShopState.INSTALLED, scopes__contains=SCOPE)
    with unscoped(why="the scheduler looks for shops of which each may lack its pixel"):
        rows = {each.shop_id: each for each in WebPixel.objects.filter(shop__in=installed)}
    return [
        shop.pk
        for shop in installed.order_by("pk")
        if (row := rows.get(shop.pk)) is None or (not _stands(row, shop) and row.next_try_at <= now)
    ]


def state_of(shop: Shop) -> tuple[PixelState, str]:
    """How the pixel stands, and what went wrong if something did. Within the shop's scope."""
    if SCOPE not in shop.scopes.split(","):
        return PixelState.NOT_GRANTED, ""
    row = WebPixel.objects.filter(shop=shop).first()
    if row is not None and _stands(row, shop):
        return PixelState.ON, ""
    return (PixelState.FAILED, row.problem) if row is not None and row.problem else (PixelState.WAITING, "")


def settle(shop: Shop, *, now: datetime) -> bool:
    """Create or mend the shop's pixel; True when something was changed at Shopify.

    Raises:
        Transient, UserFixable: it was not; the row says why, and the next tick tries again.
    """
    if shop.state != ShopState.INSTALLED or SCOPE not in shop.scopes.split(","):
        return False
    row = WebPixel.objects.filter(shop=shop).first() or WebPixel(shop=shop)
    if row.pk and _stands(row, shop):
        return False
    row.installed_at, row.changed_at, row.next_try_at = shop.installed_at, now, now + TRY_AGAIN
    try:
        row.gid, row.endpoint, row.problem = _tell(shop), endpoint(shop), ""
    except (Transient, UserFixable) as error:
        row.gid, row.problem = "", error.message
        row.save()
        raise
    row.save()
    audit.record(
        shop, actor="system:pixels", action="pixel.switched_on", now=now, reason="the app is installed"
    )
    return True


def _stands(row: WebPixel, shop: Shop) -> bool:
    return bool(row.gid) and row.endpoint == endpoint(shop) and row.installed_at == shop.installed_at


def _tell(shop: Shop) -> str:
    """The pixel's id, after Shopify knows its settings."""
    client = installs.admin_client(shop)
    told = json.dumps({"endpoint": endpoint(shop)})
    made: dict[str, Any] = client.run("WebPixelCreate", {"settings": told})["webPixelCreate"]
    if any(each.get("code") == "TAKEN" for each in made["userErrors"]):
        # Made before, by a call whose answer was lost or with another address.
        held = client.run("WebPixelHeld")["webPixel"]
        if held is None:
            raise Transient("the shop's pixel is there and is not", code="pixel_unclear")
        made = client.run("WebPixelUpdate", {"id": held["id"], "settings": told})["webPixelUpdate"]
    if made["userErrors"] or not made["webPixel"]:
        problem = "; ".join(str(each.get("message")) for each in made["userErrors"])[:300]
        raise PixelRefused(f"Shopify does not take the web pixel: {problem}")
    return str(made["webPixel"]["id"])
