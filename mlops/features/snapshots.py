"""Training frames frozen as sealed Parquet files, named by the hash of their content."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime
from typing import Any

import polars as pl

from mlops.features import sealed
from mlops.features.catalogue_words import catalogue_frame
from mlops.features.models import Snapshot
from mlops.features.read import FRAME_SQL, order_frame
from tenancy.models import Shop
from tenancy.reading import Purpose, handled, reading
from tenancy.scope import scoped

KIND, CATALOGUE = "snapshot", "catalogue"


class SnapshotDamaged(RuntimeError):
    """The stored frame is not the one that was frozen."""


@scoped
@reading(actor="system:training", purpose=Purpose.TRAINING)
def take(shop: Shop, *, until: datetime, now: datetime) -> Snapshot:
    """Freeze the shop's order lines from before `until`, and its catalogue as it is; the same orders are the same snapshot.

    Asked again for the same moment, it is the first snapshot, with the catalogue as it was then.
    """
    frame, catalogue = order_frame(shop, until=until), parquet(catalogue_frame(shop))
    content = parquet(frame)
    # `min` of a time column is typed as of any column.
    since: Any = frame["ordered_at"].min()
    digest = hashlib.sha256(content).hexdigest()
    catalogue_digest = hashlib.sha256(catalogue).hexdigest()
    sealed.keep(shop.pk, digest, content, kind=KIND)
    sealed.keep(shop.pk, catalogue_digest, catalogue, kind=CATALOGUE)
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
            "catalogue_digest": catalogue_digest,
            "manifest": manifest(frame),
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
    frame = _opened(snapshot.shop_id, snapshot.digest, KIND)
    handled("frame", frame.height)
    return frame


def read_catalogue(snapshot: Snapshot) -> pl.DataFrame:
    """The catalogue that was frozen beside it; columns as `mlops.features.catalogue_words.SCHEMA`.

    Raises:
        FileUnusable: the file is missing or does not open.
        SnapshotDamaged: its content is not what the digest names.
    """
    return _opened(snapshot.shop_id, snapshot.catalogue_digest, CATALOGUE)


def manifest(frame: pl.DataFrame) -> dict[str, Any]:
    """What a frozen frame is: the query it came from, its rows, its newest order, and a hash of each column.

    The hashes are of the values alone, so that two snapshots tell which column of theirs differs.
    """
    newest: Any = frame["ordered_at"].max()
    return {
        "query": hashlib.sha256(FRAME_SQL.encode()).hexdigest(),
        "rows": frame.height,
        "watermark": newest.isoformat() if newest is not None else None,
        "columns": {each.name: _hash(each) for each in frame.iter_columns()},
    }


def _hash(column: pl.Series) -> str:
    held = hashlib.sha256(str(column.dtype).encode())
    held.update(column.is_null().to_numpy().tobytes())
    numbers = column.to_physical() if column.dtype != pl.Float64 else column
    held.update(numbers.fill_null(0).to_numpy().tobytes())
    return held.hexdigest()


def _opened(shop_id: int, digest: str, kind: str) -> pl.DataFrame:
    content = sealed.read(shop_id, digest, kind=kind)
    if hashlib.sha256(content).hexdigest() != digest:
        raise SnapshotDamaged(f"{kind} {digest} was altered")
    return pl.read_parquet(io.BytesIO(content))


def parquet(frame: pl.DataFrame) -> bytes:
    """The bytes of a frame as they are frozen: the same frame gives the same bytes."""
    held = io.BytesIO()
    frame.write_parquet(
        held, compression="zstd", compression_level=3, statistics=False, row_group_size=250_000
    )
    return held.getvalue()
