"""Version to predictor: checked against its digest, loaded once per process."""

from __future__ import annotations

import threading
from collections import OrderedDict

from mlops.features import sealed
from mlops.predictors import artefact
from mlops.predictors.artefact import Loaded

MOST_KEPT = 64
# A two-stage version of 5,000 products takes 20 to 150 MB. The newest asked for stays, however large it is.
MOST_BYTES = 2**30
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
        while len(_kept) > 1 and (
            len(_kept) > MOST_KEPT or sum(each.size for each in _kept.values()) > MOST_BYTES
        ):
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
