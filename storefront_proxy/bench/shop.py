"""A shop for measuring the serving path: a full catalogue, and a predictor of full size with made-up neighbours.

What is recommended does not matter here, how much has to be read for it does: every product has as many neighbours as a
trained one may have, and a tenth of the catalogue is sold out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from mlops.deployments import store as deployments
from mlops.features import online
from mlops.features.events import STOREFRONT_SLOTS, ProductChanged, Source, VariantState
from mlops.predictors import artefact
from mlops.predictors.item_to_item import CoPurchase
from mlops.predictors.neighbours import Neighbours
from mlops.predictors.popularity import Trending
from mlops.registry import store as registry
from mlops.registry.models import UseCase
from mlops.registry.store import Lineage
from mlops.validation import gate
from tenancy.models import Shop
from tenancy.scope import scope

DOMAIN = "bench-serving.myshopify.com"
NEIGHBOURS = 200


def make(*, products: int, now: datetime) -> Shop:
    """The shop, stocked and with a version in every slot; the same shop when it is there already."""
    shop, _ = Shop.objects.get_or_create(
        domain=DOMAIN, defaults={"name": "Bench", "currency": "EUR", "installed_at": now}
    )
    with scope(shop):
        gate.admit(
            shop, [_product(each, now) for each in range(1, products + 1)], source=Source.BACKFILL, now=now
        )
        online.rebuild(shop)
        if not deployments.slots(shop):
            version = registry.register(
                shop,
                use_case=UseCase.RECOMMENDATIONS,
                content=artefact.pack(_predictor(products), {}),
                metrics={"measured": False},
                lineage=Lineage(
                    run_id=0,
                    snapshot_id=0,
                    snapshot_digest="",
                    data_since=None,
                    data_until=now,
                    parameters={},
                    seed=1,
                    code_revision="",
                    duration_s=0.0,
                ),
                now=now,
            )
            for slot in STOREFRONT_SLOTS:
                deployments.deploy(shop, slot, version, actor="system:bench", reason="measured", now=now)
    return shop


def _product(number: int, now: datetime) -> ProductChanged:
    published = datetime(2026, 1, 1, tzinfo=now.tzinfo) + timedelta(minutes=number)
    variant = VariantState(
        variant_id=number * 10,
        title="Default",
        sku=f"SKU-{number}",
        price=Decimal("19.90"),
        compare_at_price=None,
        position=1,
        inventory_item_id=number * 100,
        available=0 if number % 10 == 0 else 5,
        continue_selling=False,
    )
    return ProductChanged(
        product_id=number,
        version_at=published,
        handle=f"a-product-with-a-usual-handle-{number}",
        title=f"A product with a usual title, number {number}",
        product_type="",
        vendor="",
        status="active",
        tags=(),
        created_at=published,
        published_at=published,
        image_url=f"https://cdn.example/files/a-product-{number}.jpg?v=1",
        gift_card=False,
        variants=(variant,),
    )


def _predictor(products: int) -> CoPurchase:
    generator = np.random.default_rng(1)
    kept = min(NEIGHBOURS, products - 1)
    indices = np.concatenate(
        [
            (row + generator.choice(products - 1, kept, replace=False) + 1) % products
            for row in range(products)
        ]
    ).astype(np.int32)
    scores = np.tile(np.linspace(0.5, 0.01, kept, dtype=np.float32), products)
    indptr = np.arange(0, products * kept + 1, kept, dtype=np.int32)
    table = Neighbours(indptr, indices, scores)
    order = generator.permutation(products).astype(np.int32)
    trending = Trending(order, np.linspace(100.0, 1.0, products, dtype=np.float32))
    return CoPurchase(np.arange(1, products + 1, dtype=np.int64), table, table, trending)
