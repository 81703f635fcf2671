"""The pipelines there are, by what they train. A new use case adds its line here."""

from __future__ import annotations

from collections.abc import Mapping

from mlops.registry.models import UseCase
from mlops.training.demand.pipeline import DEMAND
from mlops.training.pipeline import Pipeline
from mlops.training.recommendations import RECOMMENDATIONS
from tenancy.errors import Bug

PIPELINES: Mapping[UseCase, Pipeline] = {each.use_case: each for each in (RECOMMENDATIONS, DEMAND)}


def pipeline(use_case: str) -> Pipeline:
    """The pipeline of a use case.

    Raises:
        Bug: none is offered.
    """
    found = PIPELINES.get(UseCase(use_case))
    if found is None:
        raise Bug(f"nothing trains {use_case}")
    return found
