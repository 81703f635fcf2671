"""Shell: what a trainer asks for. One call gives the frame, as of each row's moment, and what its model will stand on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from django.db import transaction

from mlops.feature_store import catalogue, loading, registered, statistics, versions
from mlops.feature_store.basis import Basis
from mlops.feature_store.declared import View
from mlops.feature_store.models import ViewVersion
from tenancy.errors import Refused
from tenancy.models import Shop
from tenancy.scope import scoped


@scoped
def take(
    shop: Shop, names: Sequence[str], asked: pl.DataFrame, *, now: datetime, known_by: datetime | None = None
) -> tuple[pl.DataFrame, Basis]:
    """The features of these entities as they were at these moments, and the basis of the model that learns from them.

        frame, basis = training_frame.take(shop, ["product_offer"], asked, known_by=snapshot.until, now=now)
        registry.register(..., lineage=Lineage(..., features=basis.versions))   # holds the versions while it may serve

    Put `basis.told()` into the manifest; serving gives it back: `online.read(..., basis=Basis.read(told))` then fills
    what is missing with the medians of this frame, and refuses vectors that other code has made. The bins in which the
    distribution of each feature is kept day by day are fixed by the first frame that is taken of a version.

    What it costs grows with the rows asked, but for two views that look at the whole shop: `copurchase` and `coview` count
    all baskets again for each different moment, and the fifths of `customer_rfm` all orders for each four hours that are
    asked for. Ask those at few moments.

    Args:
        names: views, of `catalogue.views(shop)`.
        asked: the columns that name the views' entities (`Entity.columns`: product_id, variant_id, customer_id, visitor,
            shop_id, or product_id and other_id), `at` (UTC), and whatever else: all columns and their order are kept.
        known_by: look at history as it was known at this later moment (`tables.as_known`): a shop's history from before
            the app came is empty without it. None: strictly as it was known then.

    Returns:
        `asked` with a Float64 column `view.feature` for each feature of the views, null where there is no value; and
        the basis.

    Raises:
        NotFound: there is no view of such a name.
        Refused: the running version of a view is deprecated, so that no model may be registered on it.
        ValueError: `asked` lacks a column, or asks for a moment after `known_by`.
        UnattributedRead: outside a `reading`.
    """
    views = [catalogue.view(shop, each) for each in names]
    rows = registered.ensure(shop, views, now=now)
    for row in rows.values():
        if row.deprecated_at is not None:
            raise Refused(
                f"{row.view} {row.digest} is deprecated: no new model may stand on it",
                code="deprecated",
                next_step="Train on another view, or deploy the code of its successor first.",
            )
    frame = loading.frame(shop, views, asked, known_by=known_by)
    with transaction.atomic():
        _fix_bins(views, frame, now=now)
    return frame, Basis.of(views, frame)


def _fix_bins(views: Sequence[View], frame: pl.DataFrame, *, now: datetime) -> None:
    for each in sorted(views, key=lambda view: view.name):
        row = ViewVersion.objects.select_for_update().get(view=each.name, digest=versions.digest(each))
        own = frame.select(pl.col(f"{each.name}.{name}").alias(name) for name in each.names)
        statistics.fix_bins(row, each, own, trained_at=now)
