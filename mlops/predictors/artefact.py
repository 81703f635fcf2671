"""A predictor as bytes: a JSON manifest and NumPy arrays, no pickles. Pure.

    b"SHELFWISE1\\n" + length of the manifest (8 bytes, big endian) + manifest (JSON, sorted keys) + arrays (.npz)

The bytes are a function of the predictor and its description alone: no clock, no host, no compression. Their SHA-256
is the artefact's name, and the manifest holds that of the arrays, so one changed byte anywhere is found before use.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops.predictors.demand.book import DemandBook
from mlops.predictors.item_to_item import CoPurchase
from mlops.predictors.protocols import Recommender
from mlops.predictors.recommend.shop import ShopRecommender

MAGIC = b"SHELFWISE1\n"
FORMAT = 1
_KINDS: dict[str, type[Recommender] | type[DemandBook]] = {
    CoPurchase.kind: CoPurchase,
    DemandBook.kind: DemandBook,
    ShopRecommender.kind: ShopRecommender,
}
_ENTRIES = frozenset({"format", "kind", "arrays", "arrays_sha256", "about"})


class BadArtefact(ValueError):
    """The bytes are not an artefact of ours, or not the one that was asked for."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An artefact that passed every check.

    Args:
        held: what was learnt.
        about: what the trainer wrote of it: hyperparameters, seed, snapshot, window, metrics.
        size: bytes of the artefact, and about those that it takes in memory.
    """

    held: Recommender | DemandBook
    manifest: Mapping[str, Any]
    about: Mapping[str, Any]
    digest: str
    size: int

    @property
    def predictor(self) -> Recommender:
        """What recommends.

        Raises:
            BadArtefact: this is a forecast.
        """
        if isinstance(self.held, DemandBook):
            raise BadArtefact("a demand forecast recommends nothing")
        return self.held

    @property
    def book(self) -> DemandBook:
        """The forecast.

        Raises:
            BadArtefact: this recommends.
        """
        if not isinstance(self.held, DemandBook):
            raise BadArtefact("this is no demand forecast")
        return self.held


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pack(predictor: Recommender | DemandBook, about: Mapping[str, Any]) -> bytes:
    """The artefact's bytes.

    Args:
        about: JSON-able; equal inputs give equal bytes.
    """
    arrays = predictor.to_arrays()
    body = _npz(arrays)
    manifest = {
        "format": FORMAT,
        "kind": predictor.kind,
        "arrays": {name: [str(each.dtype), list(each.shape)] for name, each in arrays.items()},
        "arrays_sha256": hashlib.sha256(body).hexdigest(),
        "about": about,
    }
    head = json.dumps(manifest, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    return MAGIC + len(head).to_bytes(8, "big") + head + body


def unpack(content: bytes, *, digest: str) -> Loaded:
    """The predictor in these bytes.

    Raises:
        BadArtefact: their SHA-256 is not `digest`, or anything in them is not as promised.
    """
    if digest_of(content) != digest:
        raise BadArtefact("the artefact's content does not match its name: it was altered or cut short")
    try:
        manifest, body = _split(content)
        if set(manifest) != _ENTRIES or manifest["format"] != FORMAT:
            raise BadArtefact(f"this build reads artefact format {FORMAT}")
        if hashlib.sha256(body).hexdigest() != manifest["arrays_sha256"]:
            raise BadArtefact("the arrays do not match the manifest")
        kind = _KINDS.get(manifest["kind"])
        if kind is None:
            raise BadArtefact(f"this build knows no predictor of kind {manifest['kind']!r}")
        with np.load(io.BytesIO(body), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        shapes = {name: [str(each.dtype), list(each.shape)] for name, each in arrays.items()}
        if shapes != manifest["arrays"]:
            raise BadArtefact("the arrays are not those that the manifest lists")
        for each in arrays.values():
            each.setflags(write=False)
        return Loaded(kind.from_arrays(arrays), manifest, manifest["about"], digest, len(content))
    except BadArtefact:
        raise
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BadArtefact(f"the artefact cannot be read: {error}") from error


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    start = len(MAGIC) + 8
    if not content.startswith(MAGIC) or len(content) < start:
        raise BadArtefact("not an artefact of this application")
    length = int.from_bytes(content[len(MAGIC) : start], "big")
    if length > len(content) - start:
        raise BadArtefact("the manifest is cut short")
    manifest: dict[str, Any] = json.loads(content[start : start + length])
    return manifest, content[start + length :]


def _npz(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    held = io.BytesIO()
    # np.savez stamps no time, but its order is the caller's: ours is the alphabet's.
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            part = io.BytesIO()
            np.lib.format.write_array(part, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0)), part.getvalue())
    return held.getvalue()
