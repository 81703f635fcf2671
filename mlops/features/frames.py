"""Frozen frames after an erasure: the same lines, of nobody. The digest changes with the content; lineage is told."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
from django.db import transaction

from mlops.features import sealed
from mlops.features.models import Snapshot
from mlops.features.snapshots import CATALOGUE, KIND, manifest, parquet
from tenancy.models import Shop
from tenancy.scope import scoped


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Args:
    held: ids of the snapshots that held one of the customers, and do so no more.
    gone: ids of the snapshots whose file is not there: nobody can tell who was in them.
    """

    held: tuple[int, ...]
    gone: tuple[int, ...]


@scoped
def without(shop: Shop, customers: Sequence[int], *, now: datetime) -> Rewritten:
    """Take these customers out of every frozen frame of the shop.

    Call it in a transaction that holds the shop's TRAINING lock, so that no frame is being written. Kill-safe: a new
    file is whole before a row names it, the old one goes after the commit, and one that no row names is dropped.

    Raises:
        FileUnusable: a frame does not open; nothing is rewritten.
    """
    held: list[int] = []
    named = {row.digest for row in Snapshot.objects.filter(shop=shop).only("digest")}
    for path in files(shop.pk):
        digest = path.stem
        frame = pl.read_parquet(io.BytesIO(sealed.read(shop.pk, digest, kind=KIND)))
        theirs = pl.col("customer_id").is_in(list(customers))
        if digest in named and not frame.filter(theirs).is_empty():
            left = frame.with_columns(customer_id=pl.when(theirs).then(None).otherwise(pl.col("customer_id")))
            held += _replace(shop, digest, left, now)
        if digest not in named or not frame.filter(theirs).is_empty():
            transaction.on_commit(lambda path=path: path.unlink(missing_ok=True))  # type: ignore[misc]
    gone = [row.pk for row in Snapshot.objects.filter(shop=shop) if not _there(shop.pk, row.digest)]
    return Rewritten(tuple(held), tuple(gone))


def files(shop_id: int) -> list[Path]:
    """The frames of a shop that are on disk."""
    return sorted((sealed.folder_of(shop_id) / KIND).glob("*.sealed"))


def catalogues(shop_id: int) -> list[Path]:
    """The catalogues of a shop that are on disk; nobody stands in them."""
    return sorted((sealed.folder_of(shop_id) / CATALOGUE).glob("*.sealed"))


def _replace(shop: Shop, digest: str, frame: pl.DataFrame, now: datetime) -> list[int]:
    content = parquet(frame)
    renamed = hashlib.sha256(content).hexdigest()
    sealed.keep(shop.pk, renamed, content, kind=KIND)
    rows = Snapshot.objects.filter(shop=shop, digest=digest)
    found = list(rows.values_list("pk", flat=True))
    customers = frame["customer_id"].drop_nulls().n_unique()
    rows.update(digest=renamed, rewritten_at=now, customers=customers, manifest=manifest(frame))
    return found


def _there(shop_id: int, digest: str) -> bool:
    return sealed.path_of(shop_id, digest, kind=KIND).exists()
