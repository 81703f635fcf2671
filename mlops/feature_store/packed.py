"""One vector as bytes: what made it, when each view was computed, and the numbers. Pure.

Layout, little-endian: 8 bytes of the service's fingerprint; one 64-bit integer per view, microseconds since 1970 (0: never
computed); one 64-bit float per feature, NaN for no value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from mlops.feature_store.basis import Basis
from mlops.feature_store.catalogue import Service
from mlops.feature_store.declared import Missing

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Served:
    """Vectors ready for a model.

    Args:
        values: [item, feature]; NaN: computed, and there is no value, as in a training frame.
        usable: [item]; False where a feature whose policy is `reject` is missing or late.
        found: [item]; False where nothing was stored, or by another version of the views.
        degraded_features: `view.feature` of those that had to be stood in for, or are late, in any item.
    """

    values: Floats
    usable: Flags
    found: Flags
    degraded_features: tuple[str, ...]


def microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def layout(service: Service) -> np.dtype[np.void]:
    return np.dtype(
        [("by", "S8"), ("at", "<i8", (len(service.views),)), ("values", "<f8", (len(service.features),))]
    )


def mark(service: Service) -> bytes:
    """The eight bytes with which each of its vectors begins."""
    return bytes.fromhex(service.fingerprint)


def pack(service: Service, moments: Integers, values: Floats) -> list[bytes]:
    """Args:
    moments: [item, view], microseconds.
    values: [item, feature].
    """
    rows = np.zeros(len(values), dtype=layout(service))
    rows["at"], rows["values"] = moments, values
    first = mark(service)
    size = layout(service).itemsize
    # numpy cuts trailing zero bytes off an "S": the mark is put there by hand.
    whole = rows.tobytes()
    return [first + whole[at + 8 : at + size] for at in range(0, len(whole), size)]


def unpack(service: Service, stored: Sequence[bytes | None]) -> tuple[Flags, Integers, Floats]:
    """Found [item], moments [item, view], values [item, feature]; what is not of this service is not found."""
    kind = layout(service)
    first, size = mark(service), kind.itemsize
    blank = bytes(size)
    good = [each is not None and len(each) == size and each[:8] == first for each in stored]
    rows = np.frombuffer(
        b"".join(each if fine and each else blank for each, fine in zip(stored, good, strict=True)), kind
    )
    found = np.array(good, dtype=np.bool_)
    values = np.where(found[:, None], rows["values"], np.nan)
    return found, np.where(found[:, None], rows["at"], 0), values


def serve(
    service: Service,
    stored: Sequence[bytes | None],
    *,
    now: datetime,
    basis: Basis | None = None,
) -> Served:
    """Read packed vectors by the policy of each feature.

    Args:
        basis: what the model stands on: its medians stand in for values, and a view that the running code computes
            otherwise than the model learnt it counts as missing. None: nothing is known to stand in.
    """
    found, moments, values = unpack(service, stored)
    spans = [len(view.features) for view in service.views]
    known = basis or Basis()
    changed = np.array([not known.knows(*each) for each in service.digests.items()], dtype=np.bool_)
    if changed.any():
        moments = np.where(changed, 0, moments)
    clock = microseconds(now)
    ages = np.repeat(clock - moments, spans, axis=1)
    ttl = np.array([each.ttl // timedelta(microseconds=1) for each in service.features], dtype=np.int64)
    computed = np.repeat(moments > 0, spans, axis=1)
    late = computed & (ages > ttl)
    bad = ~computed | late
    if not bad.any():
        return Served(values, np.ones(len(values), dtype=np.bool_), found, ())
    policies = [each.missing for each in service.features]
    kept = late & np.array([each is Missing.LAST_VALUE for each in policies])
    fill = known.fill(service.columns)
    usable = ~(bad & np.array([each is Missing.REJECT for each in policies])).any(axis=1)
    values = np.where(bad & ~kept, fill, values)
    hit = np.flatnonzero(bad.any(axis=0)).tolist()
    return Served(values, usable, found, tuple(service.columns[at] for at in hit))
