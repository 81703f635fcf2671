"""What the last comparison with Shopify found, resource by resource, for whoever asks. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shopify_app.sync.differences import Findings
from shopify_app.sync.models import OPEN_SWEEPS, ImportJob, JobState, Resource, Sweep
from shopify_app.sync.reconcile import EVERY
from tenancy.models import Shop


@dataclass(frozen=True, slots=True)
class Swept:
    """One resource.

    Args:
        state: `no_history` until its import is done, `never` compared, `running`, `failed` (see `problem`) or `done`.
        step: `walking` over what changed, or `counting` by day; None unless running.
        compared: objects of Shopify that were looked at.
        missing, wrong, gone: repaired, by what was the matter; `refreshed`: brought up to date without harm done.
        differing: days and objects that could not be repaired.
        next_at: when the next comparison begins by itself; None while one runs or none can.
    """

    resource: str
    state: str
    step: str | None = None
    began_at: datetime | None = None
    finished_at: datetime | None = None
    next_at: datetime | None = None
    compared: int = 0
    missing: int = 0
    wrong: int = 0
    gone: int = 0
    refreshed: int = 0
    differing: int = 0
    problem: str = ""


def report(shop: Shop) -> list[Swept]:
    """Each resource, in the order of its import; two queries."""
    sweeps = {each.resource: each for each in Sweep.objects.filter(shop=shop)}
    imported = {
        job.resource: job.finished_at
        for job in ImportJob.objects.filter(shop=shop, state=JobState.DONE)
        if job.finished_at is not None
    }
    last = max((each.began_at for each in sweeps.values() if each.began_at is not None), default=None)
    return [_swept(each.value, sweeps.get(each.value), imported, last) for each in Resource]


def _swept(
    resource: str, sweep: Sweep | None, imported: Mapping[str, datetime], last: datetime | None
) -> Swept:
    ready = resource in imported
    if sweep is None or sweep.began_at is None:
        next_at = (last or imported[resource]) + EVERY if ready else None
        return Swept(resource, "never" if ready else "no_history", next_at=next_at)
    found = Findings.read(sweep.found)
    running = sweep.state in OPEN_SWEEPS
    return Swept(
        resource=resource,
        state="running" if running else "failed" if sweep.problem else "done",
        step=sweep.state if running else None,
        began_at=sweep.began_at,
        finished_at=sweep.finished_at,
        next_at=None if running or not ready or last is None else last + EVERY,
        compared=found.compared,
        missing=sum(found.missing.values()),
        wrong=sum(found.wrong.values()),
        gone=sum(found.gone.values()),
        refreshed=found.behind + found.in_time,
        differing=len(found.left) + found.unsettled,
        problem=sweep.problem,
    )
