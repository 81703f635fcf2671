"""Version to predictor: checked against its digest, loaded once per process."""

from __future__ import annotations

import threading
from collections import OrderedDict

from mlops.features import sealed
from mlops.predictors import artefact
from mlops.predictors.artefact import Loaded

# A predictor of 5,000 products is 16 MB in memory, so this is at most 1 GB of versions in use.
MOST_KEPT = 64
KIND = "artefact"

_lock = threading.Lock()
_kept: OrderedDict[tuple[int, str], Loaded] = OrderedDict()


def load(shop_id: int, digest: str) -> Loaded:
    """The artefact of this digest, from this process's memory when it was asked for before.

    Raises:
        FileUnusable: the file is missing or does not open.
        BadArtefact: its content is not what the digest names.
    """
    found = held(shop_id, digest)
    if found is not None:
        return found
    # Outside the lock: a cold load of one shop must not hold up the others. Two threads may both load; either is right.
    loaded = artefact.unpack(sealed.read(shop_id, digest, kind=KIND), digest=digest)
    with _lock:
        _kept[shop_id, digest] = loaded
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return loaded


def held(shop_id: int, digest: str) -> Loaded | None:
    """The artefact if this process has it in memory."""
    with _lock:
        found = _kept.get((shop_id, digest))
        if found is not None:
            _kept.move_to_end((shop_id, digest))
        return found


def forget(shop_id: int) -> None:
    """Drop what this process holds of a shop."""
    with _lock:
        for held in [each for each in _kept if each[0] == shop_id]:
            del _kept[held]
