"""Packed vectors in Redis: one MGET for all items of a request. A copy: everything here can be computed again.

Keys: `features:<shop>:<entity>:<fingerprint>:<id>`, and `features:<shop>:near:<view>:<version>:<product>` for neighbours.
What nobody refreshed for a day goes by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from mlops.feature_store import packed, versions
from mlops.feature_store.basis import Basis
from mlops.feature_store.catalogue import Service
from mlops.feature_store.declared import Entity, View
from mlops.feature_store.packed import Flags, Floats, Integers, Served
from tenancy import measures
from tenancy.redis import client, key

KEPT_S = 26 * 3600
BATCH = 1_000
DEGRADED = measures.counter(
    "degraded_features_total", "features that were missing or late when they were read", ("shop", "feature")
)
_NEAR = np.dtype(
    [("product_id", "<i8"), ("lift", "<f4"), ("jaccard", "<f4"), ("cosine", "<f4"), ("together", "<f4")]
)


def read(
    shop_id: int,
    service: Service,
    ids: Sequence[int | str],
    *,
    now: datetime,
    basis: Basis | None = None,
) -> Served:
    """The vectors of these entities, in one round trip; what is missing or late is stood in for, and counted.

    Args:
        basis: what the model stands on, from its manifest (`packed.serve`).
    """
    if not ids:
        return packed.serve(service, [], now=now, basis=basis)
    served = packed.serve(service, stored(shop_id, service, ids), now=now, basis=basis)
    if served.degraded_features:
        pipe = client().pipeline(transaction=False)
        for each in served.degraded_features:
            DEGRADED.add(to=pipe, shop=shop_id, feature=each)
        pipe.execute()
    return served


def stored(shop_id: int, service: Service, ids: Sequence[int | str]) -> list[bytes | None]:
    """As they lie there, unread."""
    found: Any = client().mget(keys(shop_id, service, ids))
    return list(found)


def look(shop_id: int, service: Service, ids: Sequence[int | str]) -> tuple[Flags, Integers, Floats]:
    """Found, moments and values as `packed.unpack` gives them, without any policy."""
    found: list[Any] = []
    for start in range(0, len(ids), BATCH):
        found += stored(shop_id, service, ids[start : start + BATCH])
    return packed.unpack(service, found)


def keys(shop_id: int, service: Service, ids: Iterable[int | str]) -> list[str]:
    before = key("features", shop_id, service.entity.value, service.fingerprint)
    return [f"{before}:{each}" for each in ids]


def write(
    shop_id: int, service: Service, ids: Sequence[int | str], moments: Integers, values: Floats
) -> None:
    """Store whole vectors. Args as `packed.pack`."""
    for start in range(0, len(ids), BATCH):
        part = slice(start, start + BATCH)
        pipe = client().pipeline(transaction=False)
        pipe.sadd(_versions_key(shop_id, service.entity), service.fingerprint)
        for name, each in zip(
            keys(shop_id, service, ids[part]), packed.pack(service, moments[part], values[part]), strict=True
        ):
            pipe.set(name, each, ex=KEPT_S)
        pipe.execute()


def write_neighbours(shop_id: int, view: View, pairs: pl.DataFrame) -> int:
    """Store the neighbours of products; returns of how many.

    Args:
        pairs: as `affinity.neighbours` gives them: sorted by product, best first.
    """
    rows = np.zeros(pairs.height, dtype=_NEAR)
    rows["product_id"] = pairs["other_id"].to_numpy()
    for name in ("lift", "jaccard", "cosine", "together"):
        rows[name] = pairs[name].to_numpy()
    products, starts = np.unique(pairs["product_id"].to_numpy(), return_index=True)
    ends = [*starts.tolist()[1:], len(rows)][: len(products)]
    digest = versions.digest(view)
    whole = list(zip(products.tolist(), starts.tolist(), ends, strict=True))
    for begin in range(0, len(whole), BATCH):
        pipe = client().pipeline(transaction=False)
        for product, start, end in whole[begin : begin + BATCH]:
            pipe.set(
                key("features", shop_id, "near", view.name, digest, product),
                rows[start:end].tobytes(),
                ex=KEPT_S,
            )
        pipe.execute()
    return len(whole)


def neighbours(shop_id: int, view: View, product_ids: Sequence[int]) -> list[Any]:
    """For each product an array with fields product_id, lift, jaccard, cosine, together, best first; empty: none known."""
    if not product_ids:
        return []
    before = key("features", shop_id, "near", view.name, versions.digest(view))
    found: Any = client().mget([f"{before}:{each}" for each in product_ids])
    return [np.frombuffer(each or b"", dtype=_NEAR) for each in found]


def forget(shop_id: int) -> int:
    """Drop everything of a shop; returns how many keys there were."""
    return _delete(
        [name.decode() for name in client().scan_iter(match=key("features", shop_id, "*"), count=1000)]
    )


def forget_entities(shop_id: int, entity: Entity, ids: Iterable[int | str]) -> int:
    """Drop what is kept of these, by whatever version of the views; returns how many keys there were."""
    wanted = list(ids)
    if not wanted:
        return 0
    versions_there: Any = client().smembers(_versions_key(shop_id, entity))
    return _delete(
        [
            key("features", shop_id, entity.value, each.decode(), name)
            for each in sorted(versions_there)
            for name in wanted
        ]
    )


def _versions_key(shop_id: int, entity: Entity) -> str:
    """By which fingerprints there are vectors, or were: so that a person is forgotten without looking through all keys."""
    return key("features", shop_id, "by", entity.value)


def _delete(names: list[str]) -> int:
    gone: Any = 0
    for start in range(0, len(names), BATCH):
        gone += client().delete(*names[start : start + BATCH])
    return int(gone)
