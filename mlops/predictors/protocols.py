"""What every recommender promises. Pure.

A predictor holds learnt arrays (names end in `_`) and never fits anything. Products and customers outside it, wherever
they are named, are data, not errors: they are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Query:
    """One question to a recommender.

    Args:
        day: when it is asked, in days since 1970 UTC.
        context: product ids: the one whose page it is, or those in the cart; none on a home page.
        recent: product ids that the visitor saw before in this session, newest first.
        customer: the pseudonym; None when nobody is known or wants to be.
        exclude_owned: whether what the customer has bought may not be answered.
    """

    day: float
    context: tuple[int, ...] = ()
    recent: tuple[int, ...] = ()
    customer: int | None = None
    exclude_owned: bool = False


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


class Spoke(StrEnum):
    """Who named products, best first."""

    RANKER = "ranker"
    GENERATOR = "generator"
    CONTENT = "content"
    TRENDING = "trending"


@dataclass(frozen=True, slots=True)
class Recommended:
    """An answer.

    Args:
        by: who named the first `named` products; the others are what sells now, whoever asks.
    """

    ranked: Ranked
    by: Spoke
    named: int


class Recommender(Protocol):
    """A predictor that ranks products."""

    kind: ClassVar[str]

    @property
    def product_ids_(self) -> Ids:
        """int64 [n_products], ascending: what it may name."""
        ...

    def sold(self, product_id: int) -> bool:
        """Whether it was bought before the version was made."""
        ...

    def recommend(self, query: Query, count: int, *, late: Callable[[], bool] = ...) -> Recommended:
        """At most so many products, none of which is in the context.

        Args:
            late: asked before each costly step; once it says True, what is known by then answers.
        """
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
