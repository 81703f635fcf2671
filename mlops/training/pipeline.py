"""What a training run walks through, whatever is trained: an ordered list of steps.

A step computes, writes what it found on the run and says what comes next. The caller (`mlops.training.run`) saves the run
in the same transaction, so a step whose process dies is begun again from what was saved before it, and must find the same:
it may depend on the run and what the run names, on nothing that moves. What is too large for the run's row goes to a file
that is named by its content (`mlops.features.sealed`), or is computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlops.registry.models import UseCase
from mlops.training.models import FINAL, RunState, TrainingRun
from tenancy.errors import Bug
from tenancy.models import Shop


@dataclass(frozen=True, slots=True)
class End:
    """The run is over.

    Args:
        code, message: why, when it failed or made no version; for people.
    """

    state: RunState
    code: str = ""
    message: str = ""


Take = Callable[[Shop, TrainingRun, datetime], End | str | None]


@dataclass(frozen=True, slots=True)
class Step:
    """Args:
    name: kept in the run while this step comes next; must not change while runs may be open.
    told: what it does, for people: "collecting orders".
    take: does it. None: the next step of the list comes; a name: that step does (its own: this one again, for its next
        part); `End`: the run is over. An exception leaves the run as it was and is tried again later.
    weight: its usual share of the whole run's time, for the estimate.
    parts: from the run's `work`, how many parts of the step are done and how many there are.
    """

    name: str
    told: str
    take: Take
    weight: float = 1.0
    parts: Callable[[Mapping[str, Any]], tuple[int, int]] | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps of one use case, in order.

    Args:
        smaller: after memory ran out: halve the work on the run and say from which step it goes on; None when it cannot
            become smaller.

    Raises:
        Bug: no steps, two of one name, or a name that means an end.
    """

    use_case: UseCase
    steps: tuple[Step, ...]
    smaller: Callable[[TrainingRun], str | None] | None = None

    def __post_init__(self) -> None:
        names = [each.name for each in self.steps]
        if not names or len(set(names)) != len(names) or set(names) & {each.value for each in FINAL}:
            raise Bug(f"the steps of {self.use_case} must have names of their own, not {names}")

    def place(self, state: str) -> int:
        """Where a step stands in the list.

        Raises:
            Bug: no step has this name.
        """
        for place, each in enumerate(self.steps):
            if each.name == state:
                return place
        raise Bug(f"{self.use_case} has no step {state}")

    def after(self, state: str, found: str | None) -> str:
        """The name of the step that follows."""
        if found is not None:
            return self.steps[self.place(found)].name
        place = self.place(state) + 1
        if place == len(self.steps):
            raise Bug(f"{self.use_case}: the last step, {state}, must end the run")
        return self.steps[place].name
