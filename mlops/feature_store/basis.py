"""What a model knows of the features that it was trained on: their versions, and what stands in for a value. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops.feature_store import versions
from mlops.feature_store.declared import View


@dataclass(frozen=True, slots=True)
class Basis:
    """What a model stands on, of the feature store; kept in its lineage and in its manifest.

    Args:
        versions: the version of each view that it was trained on, by view: this is `Lineage.features`.
        medians: of each `view.feature` over the training frame; a feature that was never there has none.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    medians: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, views: Sequence[View], frame: pl.DataFrame) -> Basis:
        """Of a frame with a column `view.feature` for each feature; null and NaN are no values."""
        columns = [f"{view.name}.{name}" for view in views for name in view.names]
        middle = frame.select(pl.col(each).fill_nan(None).median() for each in columns).row(0)
        return cls(
            {view.name: versions.digest(view) for view in views},
            {name: float(value) for name, value in zip(columns, middle, strict=True) if value is not None},
        )

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Basis:
        """From what `told` gave; of a manifest without it, an empty one."""
        return cls(dict(told.get("versions", {})), dict(told.get("medians", {})))

    def told(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        return {"versions": dict(self.versions), "medians": dict(self.medians)}

    def fill(self, columns: Sequence[str]) -> npt.NDArray[np.float64]:
        """The medians of these `view.feature`, in this order; NaN where there is none."""
        return np.array([self.medians.get(each, np.nan) for each in columns], dtype=np.float64)

    def knows(self, view: str, digest: str) -> bool:
        """Whether this version of a view is what the model learnt; of a view that it did not learn nothing can differ."""
        return self.versions.get(view, digest) == digest
