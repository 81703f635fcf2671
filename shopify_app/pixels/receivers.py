"""What this room hears from below: a shop was installed."""

from __future__ import annotations

from typing import Any

from shopify_app.installs import shop_installed
from tenancy.models import Shop


def connect() -> None:
    shop_installed.connect(_switch_on, dispatch_uid="pixels.switch_on")


def _switch_on(sender: Any, *, shop: Shop, **_: Any) -> None:
    from shopify_app.pixels.tasks import settle

    settle.send(shop)
