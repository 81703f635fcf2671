"""What a trainer takes from the feature store: the frame as of each row, and what its model then stands on."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from mlops.feature_store import (
    catalogue,
    offers,
    online,
    refresh,
    registered,
    statistics,
    training_frame,
    versions,
)
from mlops.feature_store.basis import Basis
from mlops.feature_store.declared import Entity
from mlops.feature_store.models import ViewVersion
from mlops.features import store
from mlops.features.events import Source
from mlops.registry import store as registry
from tenancy.errors import NotFound, Refused
from tenancy.models import Shop
from tenancy.reading import UnattributedRead
from tenancy.redis import client
from tenancy.scope import scope
from tests.admin_api.versions_of import registered as a_version
from tests.looks import looking
from tests.mlops.builders import NOON, line, order
from tests.mlops.shops import stock

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def selling(shop: Shop) -> Shop:
    """Product p sold p units, a week before the app came and told of it."""
    stock(shop, products=4)
    told = [order(each, [line(each, each, each)], ordered_at=NOON - 7 * DAY) for each in range(1, 5)]
    store.append(shop, told, source=Source.BACKFILL, now=NOON)
    return shop


def asked(*, at_days: float = 0.0, ids: tuple[int, ...] = (1, 2, 3, 4)) -> pl.DataFrame:
    rows = {
        "product_id": list(ids),
        "at": [NOON - at_days * DAY] * len(ids),
        "label": [float(each) for each in ids],
    }
    return pl.DataFrame(rows)


def test_two_lines_give_the_frame_and_hold_its_versions(selling: Shop) -> None:
    with looking():
        frame, basis = training_frame.take(selling, ["product_offer", "product_carts"], asked(), now=NOON)
    assert frame.columns[:3] == ["product_id", "at", "label"]
    assert frame["product_offer.units_28d"].to_list() == [1.0, 2.0, 3.0, 4.0]
    assert basis.medians["product_offer.units_28d"] == 2.5
    assert "product_carts.abandon_rate_28d" not in basis.medians, "a feature without any value has no median"
    version = a_version(selling, 1, NOON, features=dict(basis.versions))
    with scope(selling):
        assert registry.features_of(version) == dict(basis.versions)
    digest = basis.versions["product_offer"]
    with pytest.raises(registered.StillPinned, match="recommendations version 1"):
        registered.delete(selling, "product_offer", digest, actor="system:test", reason="", now=NOON)


def test_nothing_is_looked_at_that_was_not_known_unless_it_is_said(selling: Shop) -> None:
    with looking():
        strictly, _ = training_frame.take(selling, ["product_offer"], asked(at_days=1), now=NOON)
        knowing, _ = training_frame.take(
            selling, ["product_offer"], asked(at_days=1), now=NOON, known_by=NOON
        )
        before, _ = training_frame.take(selling, ["product_offer"], asked(at_days=8), now=NOON, known_by=NOON)
    assert strictly["product_offer.units_28d"].to_list() == [0.0] * 4, "the app came a day later"
    assert knowing["product_offer.units_28d"].to_list() == [1.0, 2.0, 3.0, 4.0]
    assert before["product_offer.units_28d"].to_list() == [0.0] * 4, "a week later nothing had been sold yet"


def test_the_manifest_brings_the_medians_to_serving(selling: Shop) -> None:
    with looking():
        frame, basis = training_frame.take(selling, ["product_offer"], asked(), now=NOON)
    refresh.refresh(selling, now=NOON)
    again = Basis.read(basis.told())
    assert again == basis
    service = catalogue.services(catalogue.views(selling))[Entity.PRODUCT]
    client().delete(*online.keys(selling.pk, service, [4]))
    served = online.read(selling.pk, service, [3, 4], now=NOON, basis=again)
    at = service.columns.index("product_offer.units_28d")
    assert served.values[:, at].tolist() == [frame["product_offer.units_28d"][2], 2.5]
    assert "product_offer.units_28d" in served.degraded_features
    assert np.isnan(served.values[1, service.columns.index("product_carts.views_28d")]), (
        "of which nothing was learnt"
    )


def test_the_first_training_frame_fixes_the_bins_and_no_later_one(selling: Shop) -> None:
    refresh.refresh(selling, now=NOON)
    view = offers.PRODUCT

    def edges() -> list[float]:
        with scope(selling):
            return list(
                ViewVersion.objects.get(view=view.name, digest=versions.digest(view)).edges["units_28d"]
            )

    assert edges() == [1.0, 2.0, 3.0, 4.0]
    with looking():
        training_frame.take(selling, [view.name], asked(ids=(1, 2)), now=NOON)
        assert edges() == [1.0, 2.0]
        training_frame.take(selling, [view.name], asked(ids=(3, 4)), now=NOON)
    assert edges() == [1.0, 2.0]
    (today,) = [
        each for each in statistics.of(selling, view.name, NOON.date()) if each.feature == "units_28d"
    ]
    assert (today.edges, today.counts) == ([1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1, 0]), "a day keeps its own bins"
    refresh.refresh(selling, now=NOON + DAY)
    (after,) = [
        each for each in statistics.of(selling, view.name, (NOON + DAY).date()) if each.feature == "units_28d"
    ]
    assert (after.edges, after.counts) == ([1.0, 2.0], [1, 1, 2])


def test_what_cannot_be_taken_is_refused(selling: Shop) -> None:
    with pytest.raises(UnattributedRead):
        training_frame.take(selling, ["product_offer"], asked(), now=NOON)
    with looking():
        with pytest.raises(NotFound):
            training_frame.take(selling, ["nothing"], asked(), now=NOON)
        with pytest.raises(ValueError, match="asked without product_id"):
            training_frame.take(selling, ["product_offer"], asked().drop("product_id"), now=NOON)
        none, basis = training_frame.take(selling, ["product_offer"], asked(ids=()), now=NOON)
        assert (none.height, dict(basis.medians)) == (0, {})
    digest = versions.digest(offers.PRODUCT)
    registered.deprecate(selling, "product_offer", digest, actor="system:test", reason="", now=NOON)
    with looking(), pytest.raises(Refused, match="is deprecated"):
        training_frame.take(selling, ["product_offer"], asked(), now=NOON)
