"""Work in the background as facts for the reader: the import of a shop's history, and training."""

from __future__ import annotations

from datetime import datetime

from mlops.training.models import RunState, TrainingRun
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


def training(shop: Shop) -> TrainingFacts:
    """The newest training run of the open scope's shop; one query."""
    newest = TrainingRun.objects.order_by("-id").first()
    if newest is None:
        return TrainingFacts("never", "", "", None, None, "")
    state = _STATES.get(newest.state, "running")
    return TrainingFacts(
        state=state,
        step=_STEPS.get(newest.state, ""),
        reason=newest.reason,
        started_at=newest.started_at or newest.requested_at,
        finished_at=newest.finished_at,
        problem=newest.message,
    )


_STATES = {RunState.DONE.value: "done", RunState.FAILED.value: "failed"}
_STEPS = {
    RunState.SNAPSHOT.value: "collecting orders",
    RunState.CHOOSE.value: "trying settings on your own orders",
    RunState.MEASURE.value: "measuring on later orders",
    RunState.FIT.value: "learning from all orders",
    RunState.DEPLOY.value: "putting it live",
}
