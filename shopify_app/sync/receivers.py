"""What sync hears from below: a shop was installed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from shopify_app.installs import shop_installed
from shopify_app.sync import backfill
from tenancy.models import Shop


def connect() -> None:
    shop_installed.connect(_import_history, dispatch_uid="sync.import_history")


def _import_history(sender: Any, *, shop: Shop, now: datetime, **_: Any) -> None:
    backfill.start(shop, now=now)
