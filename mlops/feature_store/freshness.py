"""Whether feature vectors are as fresh as they are declared to be: a number for Prometheus, an incident for people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone
from prometheus_client.metrics_core import Metric

from mlops.feature_store import catalogue, refresh, versions
from mlops.feature_store.declared import LATE
from mlops.feature_store.models import ViewVersion
from tenancy import incidents, measures
from tenancy.models import Severity, Shop, ShopState
from tenancy.scope import scope, scoped, unscoped

KIND = "features_late"


def publish() -> None:
    """Tell the ages at every scrape. Safe to repeat."""
    measures.register("features", _ages)


@scoped
def look(shop: Shop, *, now: datetime) -> bool:
    """Open an incident when a view was not computed for longer than `LATE`, and close it when all are again. True: late.

    A shop that was never computed is late when it has been installed for that long.
    """
    age = refresh.age(shop, now=now)
    if age is None:
        age = now - shop.installed_at if shop.installed_at else None
    if age is None or age <= LATE:
        incidents.close_incident(shop, kind=KIND, now=now, told="The features were computed again.")
        return False
    hours = age.total_seconds() / 3600
    incidents.open_incident(
        shop,
        kind=KIND,
        severity=Severity.WARNING,
        now=now,
        told=f"What the recommendations know of products and customers is {hours:.1f} hours old; it should be 4 at most."
        " They go on with it, and with stand-ins where it is too old.",
        next_step="If this lasts, look whether the worker runs.",
        data={"hours": round(hours, 2)},
    )
    return True


def _ages() -> Iterable[Metric]:
    """Seconds since each view of each shop was computed as a whole."""
    now = timezone.now()
    found: dict[tuple[str, ...], float] = {}
    with unscoped(why="one scrape tells of every shop"):
        rows = list(
            ViewVersion.objects.exclude(refreshed_at=None).values_list(
                "shop_id", "view", "digest", "refreshed_at"
            )
        )
    shops = {
        each.pk: each
        for each in Shop.objects.filter(state=ShopState.INSTALLED, pk__in={row[0] for row in rows})
    }
    current: dict[int, set[str]] = {}
    for shop_id, shop in shops.items():
        with scope(shop):
            current[shop_id] = {versions.digest(each) for each in catalogue.views(shop)}
    for shop_id, view, digest, at in rows:
        if at is not None and digest in current.get(shop_id, ()):
            found[(str(shop_id), view)] = (now - at).total_seconds()
    yield measures.gauge(
        "feature_age_seconds", "since a view was computed for the whole shop", found, ("shop", "view")
    )
