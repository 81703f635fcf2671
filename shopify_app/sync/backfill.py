"""Imports a shop's history by bulk operations, in short steps that any process can take up after any other.

start / restart  -> jobs WAITING
step             -> starts the export, asks how it stands, reads the file, joins children to parents, appends
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from shopify_app import installs
from shopify_app.graphql import bulk
from shopify_app.graphql.bulk import BulkBusy, ResultGone
from shopify_app.graphql.calls import Phase
from shopify_app.graphql.client import AccessDenied, AdminClient, BudgetSpent, ShopifyTrouble
from shopify_app.graphql.throttle import Priority
from shopify_app.sync import decide, leases, staging
from shopify_app.sync.leases import LeaseLost
from shopify_app.sync.models import OPEN_STATES, ImportJob, JobState, Resource
from shopify_app.sync.resources import PLANS, Plan
from shopify_app.sync.signals import history_imported
from tenancy.errors import Bug, Transient, UserFixable
from tenancy.locks import LockKind, lock
from tenancy.models import Shop
from tenancy.scope import scope

log = logging.getLogger("shelfwise.sync")
STEP_S = 4.0
# 5,000 lines: about 0.1 s to stage and 4 MB; a killed process repeats no more than these.
LINES_PER_PIECE = 5_000
NEEDED = (Resource.PRODUCTS, Resource.ORDERS)
# Marks that are ids in Shopify's numbers, a customer's among them, do not outlive the import.
FORGOTTEN: dict[str, Any] = {"resume_from": 0, "last_root": 0, "last_parent": 0, "written_to": 0}
Clock = Callable[[], datetime]


def start(shop: Shop, *, now: datetime) -> None:
    """Import everything, from the beginning: at the first install, and after a reinstall, since events were missed."""
    restart(shop, now=now)


def restart(shop: Shop, *, now: datetime, resources: tuple[Resource, ...] = tuple(Resource)) -> None:
    """Begin the import of these resources anew. What is there stays: every event is keyed, so nothing counts twice."""
    with transaction.atomic(), scope(shop):
        lock(shop, LockKind.IMPORT)
        for resource in resources:
            job, fresh = ImportJob.objects.get_or_create(
                shop=shop, resource=resource, defaults={"next_step_at": now, "started_at": now}
            )
            if fresh:
                continue
            abandoned = job.operation_id if job.state == JobState.EXPORTING else ""
            if abandoned:
                transaction.on_commit(lambda operation=abandoned: _cancel(shop, operation))  # type: ignore[misc]
            blank = ImportJob(shop=shop, resource=resource, run=job.run + 1, next_step_at=now, started_at=now)
            blank.pk = job.pk
            blank.save(force_update=True)


def step(shop: Shop, job_id: int, *, clock: Clock = timezone.now) -> bool:
    """Work on one job for a few seconds; True when it can go on at once.

    Failures are kept in the job's row, with the time of the next try: nothing is raised for what may happen.

    Raises:
        Bug: our fault; the job is marked failed first.
    """
    job = leases.claim(job_id, clock())
    if job is None:
        return False
    try:
        if job.troubles > decide.MOST_TROUBLES:
            code = job.problem_code or "kept_failing"
            return _fail(job, clock(), code, job.problem or "The import kept failing.")
        return _work(shop, job, PLANS[job.resource], clock)
    except LeaseLost:
        log.warning("sync.lease_lost", extra={"shop_id": shop.pk, "resource": job.resource})
        return False
    except AccessDenied as error:
        return _fail(job, clock(), error.code, f"{error.message}. {error.next_step}")
    except BulkBusy as error:
        return _put_off(job, clock(), float(settings.BULK_POLL_S) * 2, error, trouble=0)
    except BudgetSpent as error:
        return _put_off(job, clock(), error.wait_s or 1.0, error, trouble=0)
    except Transient as error:
        return _put_off(
            job, clock(), decide.pause_after_trouble(job.troubles, error.wait_s), error, trouble=1
        )
    except Bug as error:
        _fail(
            job,
            clock(),
            error.code,
            "The import stopped by a fault of the app. Its operator finds it in the log.",
        )
        raise
    except UserFixable as error:
        return _put_off(job, clock(), 60.0, error, trouble=0)
    except Exception:
        surprise = Transient("the import met a fault of the app", code="internal_error")
        _put_off(job, clock(), decide.pause_after_trouble(job.troubles + 1, None), surprise, trouble=1)
        raise
    finally:
        leases.release(job)


def nudge(shop: Shop, operation_id: str, *, now: datetime) -> bool:
    """The finish webhook: ask about this operation now instead of at the next poll. True when it is one of ours."""
    waiting = ImportJob.objects.filter(shop=shop, operation_id=operation_id, state=JobState.EXPORTING)
    return waiting.update(next_step_at=now) > 0


def _work(shop: Shop, job: ImportJob, plan: Plan, clock: Clock) -> bool:
    if job.state == JobState.WAITING:
        staging.clear(job, clock())  # what a run before this one may have left
        client = installs.admin_client(shop, phase=Phase.BACKFILL, priority=Priority.BACKFILL)
        return _begin_export(client, job, plan, clock())
    if job.state == JobState.EXPORTING:
        client = installs.admin_client(shop, phase=Phase.BACKFILL, priority=Priority.BACKFILL)
        return _ask(shop, client, job, plan, clock())
    if job.state == JobState.READING:
        return _read(shop, job, plan, clock)
    return _write(shop, job, plan, clock)


def _begin_export(client: AdminClient, job: ImportJob, plan: Plan, now: datetime) -> bool:
    if not client.shop.currency:
        installs.learn(client.shop)
    expected = _expected(client, plan)
    operation_id = bulk.start(client, plan.document, from_id=job.resume_from)
    poll_s = float(settings.BULK_POLL_S)
    leases.save(
        job,
        now,
        state=JobState.EXPORTING,
        operation_id=operation_id,
        roots_expected=expected,
        roots_exported=0,
        exports=job.exports + 1,
        poll_s=poll_s,
        next_step_at=now + timedelta(seconds=poll_s / 4),
        troubles=0,
        problem="",
        problem_code="",
    )
    return False


def _expected(client: AdminClient, plan: Plan) -> int | None:
    if plan.counted_as is None:
        return None
    try:
        counted = client.run("ObjectCounts").get(plan.counted_as)
    except AccessDenied:
        return None  # only the progress bar needs it; the export itself tells whether access is missing
    return int(counted["count"]) if counted else None


def _ask(shop: Shop, client: AdminClient, job: ImportJob, plan: Plan, now: datetime) -> bool:
    operation = bulk.status(client, job.operation_id)
    if operation is not None:
        total = operation.objects if operation.status == bulk.BulkStatus.COMPLETED else None
        leases.save(job, now, roots_exported=operation.roots, lines_total=total, troubles=0)
    following = decide.after_asking(operation, exports=job.exports, poll_s=job.poll_s)
    return _apply(shop, job, following, now)


def _apply(shop: Shop, job: ImportJob, following: decide.Step, now: datetime) -> bool:
    """Carry out the decision on the job's row."""
    match following:
        case decide.Wait(seconds):
            leases.save(job, now, poll_s=seconds, next_step_at=now + timedelta(seconds=seconds))
            return False
        case decide.Read(url, partial):
            leases.save(
                job,
                now,
                state=JobState.READING,
                url=url,
                partial=partial,
                byte_offset=0,
                lines_read=0,
                line_no=0,
                last_root=0,
                last_parent=0,
                in_order=True,
                rate=0.0,
            )
            return True
        case decide.Empty():
            return _finish(shop, job, now)
        case decide.ExportAgain(reason, seconds):
            return _export_again(job, now, reason, seconds)
        case decide.GiveUp(code, message):
            return _fail(job, now, code, message)


def _export_again(job: ImportJob, now: datetime, reason: str, seconds: float) -> bool:
    leases.save(
        job, now, state=JobState.WAITING, operation_id="", url="", partial=False, byte_offset=0, lines_read=0,
        lines_written=0, written_to=0, lines_total=None, problem=reason, problem_code="export_again",
        next_step_at=now + timedelta(seconds=seconds),
    )  # fmt: skip
    return False


def _read(shop: Shop, job: ImportJob, plan: Plan, clock: Clock) -> bool:
    until = time.monotonic() + STEP_S
    try:
        with bulk.pieces(job.url, job.byte_offset, lines_per_piece=LINES_PER_PIECE) as pieces:
            for piece in pieces:
                began = time.monotonic()
                if plan.staged:
                    staging.stage(job, plan, piece, clock())
                else:
                    staging.append_lines(shop, job, plan, piece, clock())
                _note_rate(job, len(piece.lines), time.monotonic() - began)
                if time.monotonic() > until:
                    leases.save(job, clock(), rate=job.rate)
                    return True
    except ResultGone as error:
        return _look_for_it_again(shop, job, plan, clock, error)
    if not job.partial and job.lines_total is not None and job.lines_read < job.lines_total:
        if job.troubles < decide.MOST_SHORT_READS:
            # The file store closed the connection cleanly but early, or still writes: go on from the mark.
            raise ShopifyTrouble(f"the file holds {job.lines_read} of {job.lines_total} lines so far")
        return _broke_off(job, plan, clock)
    if job.partial:
        return _broke_off(job, plan, clock)
    if plan.staged:
        leases.save(job, clock(), state=JobState.WRITING, rate=0.0)
        return True
    return _finish(shop, job, clock())


def _look_for_it_again(shop: Shop, job: ImportJob, plan: Plan, clock: Clock, error: ResultGone) -> bool:
    """The address has lapsed: Shopify may give another for the same file; else what was read of it has to do."""
    client = installs.admin_client(shop, phase=Phase.BACKFILL, priority=Priority.BACKFILL)
    operation = bulk.status(client, job.operation_id)
    url = operation and (operation.partial_url if job.partial else operation.url)
    if url and url != job.url and job.troubles < decide.MOST_SHORT_READS:
        leases.save(job, clock(), url=url)
        raise ShopifyTrouble("the address of the bulk result had lapsed; Shopify gave another")
    log.info("sync.result_gone", extra={"shop_id": shop.pk, "resource": job.resource, "told": error.message})
    return _broke_off(job, plan, clock)


def _broke_off(job: ImportJob, plan: Plan, clock: Clock) -> bool:
    """The file has ended before its time: keep what is in it for certain, then ask for the rest."""
    bound = decide.complete_before(
        last_root=job.last_root, last_parent=job.last_parent, in_order=job.in_order, has_children=bool(plan.kin.child)
    )  # fmt: skip
    now = clock()
    kept = bound > job.resume_from
    if plan.staged:
        staging.keep_before(job, bound if kept else 0, now)
    marks: dict[str, Any] = {"resume_from": bound} if kept else {"lines_written": 0}
    if kept and decide.worth_going_on(job.lines_read, job.roots_expected):
        marks["exports"] = 0
    leases.save(job, now, state=JobState.WRITING, partial=True, rate=0.0, **marks)
    return True


def _write(shop: Shop, job: ImportJob, plan: Plan, clock: Clock) -> bool:
    until = time.monotonic() + STEP_S
    while plan.staged and time.monotonic() <= until:
        began = time.monotonic()
        moved = staging.assemble_batch(shop, job, plan, clock())
        if moved == 0:
            return _go_on(shop, job, clock()) if job.partial else _finish(shop, job, clock())
        _note_rate(job, moved, time.monotonic() - began)
    if not plan.staged:
        return _go_on(shop, job, clock())
    leases.save(job, clock(), rate=job.rate)
    return True


def _go_on(shop: Shop, job: ImportJob, now: datetime) -> bool:
    """What a broken-off file held is in: ask Shopify for the rest."""
    leases.save(job, now, lines_before=job.lines_before + job.lines_written)
    exports = max(1, job.exports)
    return _apply(shop, job, decide.again("Shopify's export was cut off", exports), now)


def _note_rate(job: ImportJob, units: int, seconds: float) -> None:
    rate = units / max(seconds, 0.001)
    job.rate = rate if job.rate == 0 else 0.7 * job.rate + 0.3 * rate


def _finish(shop: Shop, job: ImportJob, now: datetime) -> bool:
    """Close the job; the one that closes last tells that the history is in, in the same transaction."""
    read = job.lines_before + job.lines_read
    if decide.too_many_skipped(job.lines_skipped, read):
        told = (
            f"{job.lines_skipped} of {read} lines of Shopify's export could not be used; the others are in."
        )
        return _fail(
            job,
            now,
            "not_understood",
            f"{told} Whoever runs the app sees line and reason with manage.py backfill.",
        )
    staging.clear(job, now)
    with transaction.atomic():
        lock(shop, LockKind.IMPORT)
        leases.save(
            job,
            now,
            state=JobState.DONE,
            finished_at=now,
            url="",
            operation_id="",
            problem="",
            problem_code="",
            **FORGOTTEN,
        )
        _tell_when_complete(shop, now)
    staging.give_space_back(job.lines_before + job.lines_read)
    log.info("sync.done", extra={"shop_id": shop.pk, "resource": job.resource, "lines": job.lines_read})
    return False


def _fail(job: ImportJob, now: datetime, code: str, message: str) -> bool:
    shop = job.shop
    staging.clear(job, now)
    with transaction.atomic():
        lock(shop, LockKind.IMPORT)
        leases.save(
            job, now, state=JobState.FAILED, finished_at=now, problem=message, problem_code=code, **FORGOTTEN
        )
        _tell_when_complete(shop, now)
    log.error("sync.failed", extra={"shop_id": job.shop_id, "resource": job.resource, "code": code})
    return False


def _tell_when_complete(shop: Shop, now: datetime) -> None:
    """Nothing is open and what learning needs is there: a failed collection or stock level does not hold it up."""
    states = dict(ImportJob.objects.filter(shop=shop).values_list("resource", "state"))
    if any(state in OPEN_STATES for state in states.values()):
        return
    if all(states.get(each) == JobState.DONE for each in NEEDED):
        history_imported.send(sender=None, shop=shop, now=now)


def _put_off(
    job: ImportJob, now: datetime, seconds: float, error: Transient | UserFixable, *, trouble: int
) -> bool:
    """Note what went wrong and when to try again, unless the job is closed or in other hands by now."""
    held = ImportJob.objects.filter(pk=job.pk, lease_token=job.lease_token, state__in=OPEN_STATES)
    held.update(
        next_step_at=now + timedelta(seconds=seconds),
        troubles=F("troubles") + trouble,
        problem=f"{error.message}. {error.next_step}".strip(),
        problem_code=error.code,
    )
    log.info("sync.put_off", extra={"shop_id": job.shop_id, "resource": job.resource, "code": error.code})
    return False


def _cancel(shop: Shop, operation_id: str) -> None:
    try:
        bulk.cancel(
            installs.admin_client(shop, phase=Phase.BACKFILL, priority=Priority.BACKFILL, patience_s=1.0),
            operation_id,
        )
    except (Transient, UserFixable):
        log.info("sync.cancel_failed", extra={"shop_id": shop.pk})
