"""What every recommender promises. Pure.

A predictor holds learnt arrays (names end in `_`) and never fits anything. Products outside it, as context or as
exclusion, are data, not errors: they are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Products, best first.

    Args:
        product_ids: int64 [n], distinct.
        scores: float64 [n], not rising; equal scores are ordered by product id.
    """

    product_ids: Ids
    scores: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.product_ids)


class Recommender(Protocol):
    """A predictor that ranks products."""

    kind: str

    def similar(self, product_id: int, count: int) -> Ranked:
        """Products that go with one product; empty when it is not known."""
        ...

    def for_cart(self, product_ids: Sequence[int], count: int) -> Ranked:
        """Products that go with a set of products, none of which is in the answer."""
        ...

    def trending(self, count: int) -> Ranked:
        """Products that sell now, whoever asks."""
        ...

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The learnt arrays by name, as an artefact keeps them."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The inverse of `to_arrays`.

        Raises:
            ValueError: an array is missing or has another shape or type than promised.
        """
        ...
