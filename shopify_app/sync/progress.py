"""How far the import is, for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shopify_app.sync.models import ImportJob, JobState, Resource
from shopify_app.sync.resources import PLANS
from tenancy.models import Shop
from tenancy.scope import scope

ORDERS_NOTE = (
    "Shopify shares only the orders of the last 60 days with this app. Whoever runs the app can ask Shopify for older"
    " ones in the Dev Dashboard (API access requests, read_all_orders); they come in with the next import."
)


@dataclass(frozen=True, slots=True)
class ResourceProgress:
    """One resource's import.

    Args:
        state: `waiting`, `exporting` (Shopify writes its file), `reading`, `writing`, `done` or `failed`.
        rows_done, rows_total: in the present state's own rows: objects while exporting, lines afterwards. Once done,
            all lines. `rows_total` is None when it is not known yet.
        rows_per_s, eta_s: of the present state; None when not known yet.
        note: what the merchant should know though nothing is wrong.
        problem: what went wrong, in words; the import goes on by itself unless the state is `failed`.
    """

    resource: str
    state: str
    rows_done: int
    rows_total: int | None
    rows_per_s: float | None
    eta_s: float | None
    note: str
    problem: str
    problem_code: str
    rows_skipped: int
    started_at: datetime
    finished_at: datetime | None


def import_progress(shop: Shop, *, now: datetime | None = None) -> list[ResourceProgress]:
    """The progress of each resource in fixed order; empty before the first import. One query."""
    with scope(shop):
        jobs = {job.resource: job for job in ImportJob.objects.filter(shop=shop)}
    return [_told(shop, jobs[each.value], now) for each in Resource if each.value in jobs]


def _told(shop: Shop, job: ImportJob, now: datetime | None) -> ResourceProgress:
    done, total, rate = _measure(job, now)
    left = None if total is None else max(0, total - done)
    return ResourceProgress(
        resource=job.resource,
        state=job.state,
        rows_done=done,
        rows_total=total,
        rows_per_s=round(rate, 1) if rate else None,
        eta_s=round(left / rate, 1) if rate and left is not None else None,
        note=_note(shop, job),
        problem=job.problem,
        problem_code=job.problem_code,
        rows_skipped=job.lines_skipped,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


def _measure(job: ImportJob, now: datetime | None) -> tuple[int, int | None, float | None]:
    """Rows done, rows in all, rows per second."""
    if job.state == JobState.EXPORTING:
        seconds = (now - job.started_at).total_seconds() if now else 0.0
        rate = job.roots_exported / seconds if seconds > 1 else None
        expected = None if job.roots_expected is None else max(job.roots_expected, job.roots_exported)
        return job.roots_exported, expected, rate
    before = job.lines_before
    if job.state == JobState.READING:
        return before + job.lines_read, job.lines_total and before + job.lines_total, job.rate or None
    if job.state == JobState.WRITING:
        return before + job.lines_written, before + job.lines_read, job.rate or None
    if job.state == JobState.DONE:
        seconds = (job.finished_at - job.started_at).total_seconds() if job.finished_at else 0.0
        read = before + job.lines_read
        return read, read, read / seconds if seconds > 0 else None
    here = job.lines_written if PLANS[job.resource].staged else job.lines_read
    return before + here, job.lines_total and before + job.lines_total, None


def _note(shop: Shop, job: ImportJob) -> str:
    if job.resource == Resource.ORDERS and "read_all_orders" not in shop.scopes.split(","):
        return ORDERS_NOTE
    return ""
