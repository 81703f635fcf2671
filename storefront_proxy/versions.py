"""Which predictor answers in a slot: the one that the router names and, for the moment in which that one is being read
for the first time, the one before it. So a new version costs no visitor the time to load it.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from mlops.deployments import router
from mlops.deployments.pointers import Pointer
from mlops.features.events import SlotName
from mlops.features.sealed import FileUnusable
from mlops.predictors.artefact import BadArtefact
from mlops.predictors.protocols import Recommender
from mlops.registry import loader

log = logging.getLogger("shelfwise.storefront")

# With the router's half second, a change is effective within the promised two seconds even when reading is slow.
PATIENCE_S = 1.0
# A version that cannot be used is served around; it is not read anew for every visitor.
RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class Serving:
    pointer: Pointer
    predictor: Recommender


_lock = threading.Lock()
_answered: dict[tuple[int, SlotName], Pointer] = {}
_reading: dict[tuple[int, str], float] = {}
_unusable: dict[tuple[int, str], float] = {}


def serving(shop_id: int, slot: SlotName) -> Serving | None:
    """The slot's predictor; None when nothing is deployed or it cannot be used, which is logged.

    Raises:
        RedisError: the fast copy does not answer.
    """
    pointer = router.pointer(shop_id, slot)
    if pointer is None:
        return None
    loaded = loader.held(shop_id, pointer.digest)
    if loaded is None:
        before = _answered.get((shop_id, slot))
        last = loader.held(shop_id, before.digest) if before is not None else None
        if before is not None and last is not None and _is_being_read(shop_id, pointer):
            return Serving(before, last.predictor)
        if not _read(shop_id, pointer):
            return None
        loaded = loader.load(shop_id, pointer.digest)
    if _answered.get((shop_id, slot)) is not pointer:
        _answered[shop_id, slot] = pointer
    return Serving(pointer, loaded.predictor)


def forget() -> None:
    """Drop this process's memory."""
    with _lock:
        _answered.clear()
        _reading.clear()
        _unusable.clear()


def _is_being_read(shop_id: int, pointer: Pointer) -> bool:
    """Whether a thread reads this version, which is started here, and has not taken longer than we wait for it."""
    now = time.monotonic()
    with _lock:
        if now - _unusable.get((shop_id, pointer.digest), -RETRY_S) < RETRY_S:
            return False
        began = _reading.get((shop_id, pointer.digest))
        if began is not None:
            return now - began < PATIENCE_S
        _reading[shop_id, pointer.digest] = now
    threading.Thread(target=_read, args=(shop_id, pointer), name="read-version", daemon=True).start()
    return True


def _read(shop_id: int, pointer: Pointer) -> bool:
    """Load the version into this process; whether it can be used."""
    name = (shop_id, pointer.digest)
    with _lock:
        if time.monotonic() - _unusable.get(name, float("-inf")) < RETRY_S:
            return False
    try:
        loader.load(*name)
    except (FileUnusable, BadArtefact):
        log.exception(
            "storefront.version_unusable", extra={"shop_id": shop_id, "version_id": pointer.version_id}
        )
        with _lock:
            _unusable[name] = time.monotonic()
        return False
    finally:
        with _lock:
            _reading.pop(name, None)
    return True
