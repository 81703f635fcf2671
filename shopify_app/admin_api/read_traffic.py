"""What shoppers saw and what followed, day by day in the shop's zone, as facts for the reader."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from mlops.features import store as features
from mlops.features.events import ServedBy
from shopify_app.admin_api.facts import Tiers, Traffic, TrafficDay, TrafficTotals
from tenancy.models import Shop


def traffic(shop: Shop, span: timedelta, now: datetime) -> Traffic:
    """The last `span.days` calendar days, today included; a day without traffic is there with zeros."""
    until = now.astimezone(ZoneInfo(shop.timezone)).date()
    since = until - span + timedelta(days=1)
    found = features.traffic(shop, since=since, until=until)
    return Traffic(
        since=since,
        until=until,
        timezone=shop.timezone,
        currency=shop.currency,
        attribution_window_hours=settings.ATTRIBUTION_WINDOW_HOURS,
        totals=TrafficTotals(**_figures(found.total)),
        days=tuple(TrafficDay(day=each.day, **_figures(each.traffic)) for each in found.days),
    )


def _figures(found: features.Traffic) -> dict[str, Any]:
    return {
        "requests": sum(found.requests.values()),
        "tiers": Tiers(**{tier.value: found.requests[tier] for tier in ServedBy}),
        "shown": found.exposures,
        "clicks": found.clicks,
        "attributed_orders": found.orders,
        "attributed_net_revenue": found.net,
        "taken_back": found.taken_back,
    }
