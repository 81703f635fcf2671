"""What the steps of an open run hand to each other and is too large for its row: sealed files, named by their content.

Named in the run's `work`; they go when the run is over.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops.features import sealed
from mlops.training.models import FINAL, TrainingRun
from mlops.training.recommend.examples import Examples
from tenancy.models import Shop

KIND = "work"
_ARRAYS = tuple(each.name for each in fields(Examples) if each.name != "names")


class WorkDamaged(RuntimeError):
    """A file is not the one that was written."""


def keep(shop_id: int, arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Write arrays; returns the name of the file."""
    held = io.BytesIO()
    np.savez(held, allow_pickle=False, **dict(arrays))
    content = held.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    sealed.keep(shop_id, digest, content, kind=KIND)
    return digest


def read(shop_id: int, digest: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a file.

    Raises:
        FileUnusable: it is missing or does not open.
        WorkDamaged: its content is not what the name says.
    """
    content = sealed.read(shop_id, digest, kind=KIND)
    if hashlib.sha256(content).hexdigest() != digest:
        raise WorkDamaged(f"{digest} was altered")
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def keep_examples(shop_id: int, found: Examples) -> str:
    arrays = {name: getattr(found, name) for name in _ARRAYS}
    return keep(shop_id, arrays | {"names": np.array(found.names)})


def read_examples(shop_id: int, digest: str) -> Examples:
    """Raises as `read`."""
    arrays = read(shop_id, digest)
    return Examples(**{name: arrays[name] for name in _ARRAYS}, names=tuple(map(str, arrays["names"])))


def sweep(shop: Shop) -> int:
    """Delete the files of the scope's shop that no open run names; how many."""
    runs = TrainingRun.objects.exclude(state__in=FINAL).filter(shop_id=shop.pk)
    named = "".join(json.dumps(each) for each in runs.values_list("work", flat=True))
    gone = [path for path in (sealed.folder_of(shop.pk) / KIND).glob("*") if path.name[:64] not in named]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)
