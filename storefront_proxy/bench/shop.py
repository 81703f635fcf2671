"""A shop for measuring the serving path: a full catalogue, and a recommender of full size that was made up.

What is recommended does not matter here, how much has to be read for it does; a tenth of the catalogue is sold out.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from mlops.deployments import store as deployments
from mlops.features import online
from mlops.features.events import STOREFRONT_SLOTS, ProductChanged, Source, VariantState
from mlops.predictors import artefact
from mlops.predictors.recommend.shop import ShopRecommender
from mlops.registry import store as registry
from mlops.registry.models import UseCase
from mlops.registry.store import Lineage
from mlops.validation import gate
from storefront_proxy.bench import recommender
from tenancy import pseudonyms
from tenancy.models import Shop
from tenancy.scope import scope

DOMAIN = "bench-serving.myshopify.com"
NEIGHBOURS = 300


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
                content=artefact.pack(_recommender(shop, products), {}),
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


def _recommender(shop: Shop, products: int) -> ShopRecommender:
    """Its customers are the shop's own numbers from 1 on."""
    made, names = recommender.made(products=products, kept=NEIGHBOURS), pseudonyms.of(shop)
    customers = sorted(names.of_customer(each) for each in range(1, len(made.customers_) + 1))
    return replace(made, customers_=np.array(customers, np.int64))
