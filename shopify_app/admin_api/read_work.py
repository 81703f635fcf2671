"""Work in the background as facts for the reader: the import of a shop's history, and training."""

from __future__ import annotations

from datetime import datetime

from mlops.registry.models import UseCase
from mlops.training.models import FINAL, RunState, TrainingRun
from mlops.training.pipelines import pipeline
from mlops.training.progress import progress
from shopify_app.admin_api.facts import ImportFacts, ResourceFacts, TrainingFacts
from shopify_app.sync.models import OPEN_STATES, JobState
from shopify_app.sync.progress import ResourceProgress, import_progress
from tenancy.models import Shop


def history_import(shop: Shop, now: datetime) -> ImportFacts:
    resources = tuple(_resource(each) for each in import_progress(shop, now=now))
    states = {each.state for each in resources}
    if not resources:
        state = "not_started"
    elif states & {"waiting", "running"}:
        state = "running"
    else:
        state = "failed" if "failed" in states else "done"
    return ImportFacts(state=state, resources=resources)


def _resource(told: ResourceProgress) -> ResourceFacts:
    running = told.state in OPEN_STATES and told.state != JobState.WAITING
    return ResourceFacts(
        resource=told.resource,
        state="running" if running else told.state,
        phase=told.state if running else None,
        done=told.rows_done,
        total=told.rows_total,
        per_second=told.rows_per_s,
        eta_s=told.eta_s,
        note=told.note,
        problem=told.problem,
        skipped=told.rows_skipped,
    )


def training(shop: Shop, use_case: UseCase = UseCase.RECOMMENDATIONS) -> TrainingFacts:
    """The newest training run of this use case in the open scope's shop; two queries at most."""
    runs = TrainingRun.objects.filter(use_case=use_case).order_by("-id")
    newest = runs.first()
    if newest is None:
        return TrainingFacts("never", "", "", None, None, "", None, None, None)
    over = newest.state in FINAL
    taught = newest.work.get("sufficiency", {})
    before = None if over else runs.filter(state=RunState.DONE, version__isnull=False).first()
    at = progress(newest, pipeline(use_case), before)
    return TrainingFacts(
        state=_STATES.get(newest.state, "running"),
        step=at.told if at else "",
        reason=newest.reason,
        started_at=newest.started_at or newest.requested_at,
        finished_at=newest.finished_at,
        problem=newest.message if over else "",
        step_number=at.step if at else None,
        steps=at.steps if at else None,
        eta_s=at.eta_s if at else None,
        level=taught.get("level", ""),
        level_told=taught.get("told", ""),
        unlocks=tuple(taught.get("unlocks", ())),
    )


_STATES = {RunState.DONE.value: "done", RunState.FAILED.value: "failed"}
