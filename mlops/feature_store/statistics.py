"""How features are distributed, day by day, in bins that are fixed once for each version of a view."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl

from mlops.feature_store.declared import Dtype, Feature, View
from mlops.feature_store.models import FeatureDay, ViewVersion
from mlops.features.days import day_of
from tenancy.models import Shop
from tenancy.scope import scoped

BINS = 10
COMMONEST = 20
QUANTILES = (0.1, 0.5, 0.9)


def keep(shop: Shop, view: View, version: ViewVersion, values: pl.DataFrame, *, now: datetime) -> bool:
    """Keep the day's distribution of each feature; the first of a day of the shop counts. True when it was kept.

    Call it in the shop's scope, and in a transaction.

    Args:
        values: one Float64 column per feature of the view, a row per entity; null or NaN: no value.
    """
    day = day_of(now, shop.timezone)
    # A trainer may have fixed the bins since the row was read.
    version = ViewVersion.objects.select_for_update().get(pk=version.pk)
    if FeatureDay.objects.filter(view=view.name, digest=version.digest, day=day).exists():
        return False
    edges = fix_bins(version, view, values)
    rows = [
        _row(shop, view, version, each, values[each.name], edges[each.name], day, now)
        for each in view.features
    ]
    FeatureDay.objects.bulk_create(rows, ignore_conflicts=True)
    return True


def fix_bins(
    version: ViewVersion, view: View, values: pl.DataFrame, *, trained_at: datetime | None = None
) -> Mapping[str, list[float]]:
    """The ends of the bins: the deciles of the first training frame, and from then on for good.

    Until a model is trained they are those of the first refresh; each day keeps the bins that it was counted in. A
    feature without any value yet gets its bins with the first ones.

    Args:
        trained_at: the values are a training frame's, taken then. None: they are what is served.
    """
    first = trained_at is not None and version.trained_at is None and values.height > 0
    fixed: dict[str, list[float]] = {} if first else dict(version.edges)
    new = {}
    for each in view.features:
        known = _known(values[each.name])
        if each.name not in fixed and len(known):
            shares = np.arange(1, BINS) / BINS
            new[each.name] = np.unique(np.quantile(known, shares, method="inverted_cdf")).tolist()
    if new:
        # A feature that the training frame lacks keeps the bins that it had.
        fixed = {**version.edges, **fixed, **new}
        version.edges = fixed
        version.trained_at = trained_at if first else version.trained_at
        ViewVersion.objects.filter(pk=version.pk).update(edges=fixed, trained_at=version.trained_at)
    return {each.name: fixed.get(each.name, []) for each in view.features}


@scoped
def of(shop: Shop, view: str, day: date, *, digest: str | None = None) -> tuple[FeatureDay, ...]:
    """What was kept of a view on a day of the shop, in no order; of the version given, or of all."""
    found = FeatureDay.objects.filter(shop=shop, view=view, day=day)
    return tuple(found.filter(digest=digest) if digest else found)


@scoped
def since(shop: Shop, view: str, feature: str, first: date) -> tuple[FeatureDay, ...]:
    """What was kept of one feature from a day on, oldest first; of two versions on one day the later taken."""
    found = FeatureDay.objects.filter(shop=shop, view=view, feature=feature, day__gte=first)
    return tuple({each.day: each for each in found.order_by("day", "taken_at")}.values())


def _known(values: pl.Series) -> Any:
    found = values.drop_nulls().to_numpy()
    return found[np.isfinite(found)]


def _row(
    shop: Shop, view: View, version: ViewVersion, feature: Feature, values: pl.Series, edges: list[float],
    day: date, now: datetime,
) -> FeatureDay:  # fmt: skip
    known = _known(values)
    # Bin i holds what is above edge i - 1, up to and with edge i.
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    different, often = np.unique(known, return_counts=True)
    most: Any = np.argsort(-often, kind="stable")[:COMMONEST] if feature.dtype is Dtype.CODE else []
    return FeatureDay(
        shop=shop, view=view.name, digest=version.digest, feature=feature.name, day=day, taken_at=now, rows=len(values),
        nulls=len(values) - len(known), distinct=len(different), edges=edges, counts=counts.tolist(),
        low=float(known.min()) if len(known) else None, high=float(known.max()) if len(known) else None,
        mean=float(known.mean()) if len(known) else None,
        quantiles=np.quantile(known, QUANTILES, method="inverted_cdf").tolist() if len(known) else [],
        commonest=[[float(different[at]), int(often[at])] for at in most],
    )  # fmt: skip
