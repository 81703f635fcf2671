"""How far a run is, and how long it may still take. Pure but for the run's fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops.training.models import FINAL, TrainingRun
from mlops.training.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Progress:
    """Args:
    step: 1 for the first.
    told: what is done now, for people.
    eta_s: seconds of computing that are left, as a guess; None while nothing is known to guess from.
    """

    step: int
    steps: int
    told: str
    eta_s: float | None


def progress(run: TrainingRun, pipeline: Pipeline, before: TrainingRun | None) -> Progress | None:
    """Where an open run stands; None when it is over.

    Args:
        before: an earlier finished run of this shop and use case, whose times are the best guess.
    """
    if run.state in FINAL:
        return None
    place = pipeline.place(run.state)
    step = pipeline.steps[place]
    parts = step.parts(run.work) if step.parts is not None else None
    told = step.told if parts is None or parts[1] < 2 else f"{step.told} ({parts[0] + 1} of {parts[1]})"
    return Progress(place + 1, len(pipeline.steps), told, _left(run, pipeline, place, parts, before))


def seconds_of(work: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of computing by step, of the finished parts."""
    return {str(name): float(seconds) for name, seconds in work.get("steps", {}).items()}


def _left(
    run: TrainingRun,
    pipeline: Pipeline,
    place: int,
    parts: tuple[int, int] | None,
    before: TrainingRun | None,
) -> float | None:
    """What is left of the usual shares, times the pace so far; the pace is the earlier run's while this one has none.

    The shares of an earlier run are its own times, so a shop's second training is told better than its first.
    """
    shares = seconds_of(before.work) if before is not None else {}
    weights = [shares.get(each.name, 0.0) if shares else each.weight for each in pipeline.steps]
    within = parts[0] / parts[1] if parts is not None and parts[1] else 0.0
    done = sum(weights[:place]) + weights[place] * within
    left = sum(weights) - done
    spent = sum(seconds_of(run.work).values())
    if done > 0 and spent > 0:
        return round(left * spent / done, 1)
    return round(left, 1) if shares else None
