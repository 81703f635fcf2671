"""Training frames frozen as sealed Parquet files, named by the hash of their content."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime
from typing import Any

import polars as pl

from mlops.features import sealed
from mlops.features.models import Snapshot
from mlops.features.read import order_frame
from tenancy.models import Shop
from tenancy.reading import Purpose, handled, reading
from tenancy.scope import scoped


class SnapshotDamaged(RuntimeError):
    """The stored frame is not the one that was frozen."""


@scoped
@reading(actor="system:training", purpose=Purpose.TRAINING)
def take(shop: Shop, *, until: datetime, now: datetime) -> Snapshot:
    """Freeze the shop's order lines from before `until`; the same content again is the same snapshot."""
    frame = order_frame(shop, until=until)
    content = parquet(frame)
    # `min` of a time column is typed as of any column.
    since: Any = frame["ordered_at"].min()
    digest = hashlib.sha256(content).hexdigest()
    sealed.keep(shop.pk, digest, content, kind="snapshot")
    snapshot, _ = Snapshot.objects.get_or_create(
        shop=shop,
        digest=digest,
        until=until,
        defaults={
            "taken_at": now,
            "since": since,
            "orders": frame["order_id"].n_unique(),
            "lines": frame.height,
            "customers": frame["customer_id"].drop_nulls().n_unique(),
            "products": frame["product_id"].n_unique(),
        },
    )
    return snapshot


def read(snapshot: Snapshot) -> pl.DataFrame:
    """The frozen frame; columns as `mlops.features.read.ORDER_FRAME_SCHEMA`.

    Raises:
        FileUnusable: the file is missing or does not open.
        SnapshotDamaged: its content is not what the digest names.
        UnattributedRead: outside a `reading`: customers stand in it.
    """
    content = sealed.read(snapshot.shop_id, snapshot.digest, kind="snapshot")
    if hashlib.sha256(content).hexdigest() != snapshot.digest:
        raise SnapshotDamaged(f"snapshot {snapshot.digest} was altered")
    frame = pl.read_parquet(io.BytesIO(content))
    handled("frame", frame.height)
    return frame


def parquet(frame: pl.DataFrame) -> bytes:
    """The bytes of a frame as they are frozen: the same frame gives the same bytes."""
    held = io.BytesIO()
    frame.write_parquet(
        held, compression="zstd", compression_level=3, statistics=False, row_group_size=250_000
    )
    return held.getvalue()
