"""A shop whose three slots are served by a two-stage recommender: products 1000 to 1059 of six themes, 150 customers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np

from mlops.deployments import router
from mlops.deployments import store as deployments
from mlops.features import online, store
from mlops.features.events import STOREFRONT_SLOTS, Source
from mlops.predictors import artefact
from mlops.registry import store as registry
from mlops.registry.models import UseCase
from mlops.registry.store import Lineage
from tenancy import pseudonyms
from tenancy.models import Shop
from tenancy.scope import scope
from tests.mlops.builders import NOON, product
from tests.mlops.recommend import themed

THEMES = 6


def theme(product_id: int) -> int:
    return (product_id - 1000) % THEMES


def open_shop(shop: Shop) -> list[int]:
    """Stock the shop and deploy the recommender; returns the Shopify number of the customer at each position."""
    learnt = themed.recommender()
    store.append(shop, [product(int(each)) for each in learnt.product_ids_], source=Source.BACKFILL, now=NOON)
    online.rebuild(shop)
    names = pseudonyms.of(shop)
    numbers = sorted(range(7_000, 7_000 + len(learnt.customers_)), key=names.of_customer)
    customers = np.array([names.of_customer(each) for each in numbers], np.int64)
    with scope(shop):
        version = registry.register(
            shop,
            use_case=UseCase.RECOMMENDATIONS,
            content=artefact.pack(replace(learnt, customers_=customers), {}),
            metrics={"measured": False},
            lineage=Lineage(
                run_id=1, snapshot_id=0, snapshot_digest="", data_since=None, data_until=NOON - timedelta(days=1),
                parameters={}, seed=1, code_revision="", duration_s=0.0,
            ),
            now=NOON,
        )  # fmt: skip
        for slot in STOREFRONT_SLOTS:
            deployments.deploy(shop, slot, version, actor="system:test", reason="", now=NOON)
        deployments.publish_all(shop)
    router.forget()
    return numbers
