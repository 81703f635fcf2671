"""Registered versions with a real artefact, made without training."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from mlops.deployments import store as deployments
from mlops.features.events import STOREFRONT_SLOTS, SlotName
from mlops.features.models import Snapshot
from mlops.predictors.artefact import pack
from mlops.predictors.item_to_item import CoPurchase
from mlops.predictors.neighbours import Neighbours
from mlops.predictors.popularity import Trending
from mlops.registry.models import UseCase, Version
from mlops.registry.store import Lineage, register
from tenancy.models import Shop
from tenancy.scope import scope


def report(recall: float, bestsellers: float) -> dict[str, Any]:
    """One slot's measures in the shape of `mlops.training.measures.report`."""
    ahead = recall - bestsellers
    return {
        "queries": 800,
        "recall@20": {
            "value": recall,
            "low": recall - 0.02,
            "high": recall + 0.02,
            "baseline": bestsellers,
            "difference": {"value": ahead, "low": ahead - 0.01, "high": ahead + 0.01},
        },
        "coverage@10": {"value": 0.6, "baseline": 0.04},
    }


def registered(
    shop: Shop, run: int, now: datetime, *, recall: float = 0.24, features: Mapping[str, str] | None = None
) -> Version:
    """The next version of a shop, from a snapshot of 400 orders."""
    empty = Neighbours(np.zeros(3, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))
    trending = Trending(np.arange(2, dtype=np.int32), np.ones(2, np.float32))
    content = pack(CoPurchase(np.array([11, 12 + run], np.int64), empty, empty, trending), {"run": run})
    with scope(shop):
        snapshot = Snapshot.objects.create(
            shop=shop,
            digest=f"{run:064x}",
            taken_at=now,
            since=now - timedelta(days=300),
            until=now,
            orders=400,
            lines=800,
            customers=90,
            products=2,
        )
        lineage = Lineage(
            run_id=run,
            snapshot_id=snapshot.pk,
            snapshot_digest=snapshot.digest,
            data_since=snapshot.since,
            data_until=now,
            parameters={"shrinkage": 10},
            seed=42,
            code_revision="abc1234",
            duration_s=1.5,
            features=features or {},
        )
        metrics = {
            "measured": True,
            "slots": {slot.value: report(recall, 0.11) for slot in STOREFRONT_SLOTS},
        }
        return register(
            shop, use_case=UseCase.RECOMMENDATIONS, content=content, metrics=metrics, lineage=lineage, now=now
        )


def deployed(shop: Shop, version: Version, now: datetime, *slots: SlotName) -> None:
    with scope(shop):
        for slot in slots or STOREFRONT_SLOTS:
            deployments.deploy(shop, slot, version, actor="system:training", reason="better", now=now)
