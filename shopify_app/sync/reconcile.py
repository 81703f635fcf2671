"""Compares what we keep with what Shopify has, since deliveries get lost, and repairs the difference.

start -> a sweep per resource
step  -> walks over what changed since the watermark, compares counts by day, and ids where the counts differ
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from shopify_app import installs
from shopify_app.graphql.calls import Phase
from shopify_app.graphql.client import AccessDenied, AdminClient, BudgetSpent
from shopify_app.graphql.throttle import Priority
from shopify_app.sync import differences, kept, listing
from shopify_app.sync.decide import MOST_TROUBLES, pause_after_trouble
from shopify_app.sync.differences import OVERLAP, VISIBLE_DAYS, Findings, Period, Place, onward
from shopify_app.sync.leases import LEASE, LeaseLost
from shopify_app.sync.listing import LISTED, PERIODS_PER_CALL, Listed, Page
from shopify_app.sync.models import (
    OPEN_SWEEPS,
    ImportJob,
    JobState,
    Resource,
    Sweep,
    SweepState,
)
from shopify_app.sync.repair import PIECE, Repair
from tenancy import audit
from tenancy.errors import Bug, Transient, UserFixable
from tenancy.incidents import close_incident, note_incident, open_incident
from tenancy.models import Severity, Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scope

log = logging.getLogger("shelfwise.sync")
EVERY = timedelta(hours=4)
INCIDENT = "reconciliation"
STEP_S = 4.0
SECOND = timedelta(seconds=1)
Clock = Callable[[], datetime]


def start(
    shop: Shop,
    *,
    now: datetime,
    since: datetime | None = None,
    resources: tuple[Resource, ...] = tuple(Resource),
) -> list[Sweep]:
    """Begin a sweep of each resource whose history is in; one that is under way goes on. The open ones come back.

    Args:
        since: look at everything that changed since then, also what an earlier sweep looked for.
    """
    with transaction.atomic(), scope(shop):
        jobs = {job.resource: job for job in ImportJob.objects.filter(shop=shop)}
        for resource in resources:
            job = jobs.get(resource)
            if job is None or job.state != JobState.DONE:
                continue  # an import tells more than a sweep could
            # What changed while the import read is not in it.
            first = {"watermark": job.started_at, "next_step_at": now}
            Sweep.objects.get_or_create(shop=shop, resource=resource, defaults=first)
            resting = Sweep.objects.filter(shop=shop, resource=resource, state=SweepState.RESTING)
            back = {"watermark": since} if since else {}
            resting.update(
                state=SweepState.WALKING, began_at=now, cursor="", walk_from="", walked=0, found=Findings().plain(), todo=[], troubles=0,
                problem="", problem_code="", next_step_at=now, finished_at=None, **back,
            )  # fmt: skip
        return list(Sweep.objects.filter(shop=shop, state__in=OPEN_SWEEPS).order_by("pk"))


@reading(actor="system:reconcile", purpose=Purpose.RECONCILING)
def step(shop: Shop, sweep_id: int, *, clock: Clock = timezone.now) -> bool:
    """Work on one sweep for a few seconds; True when it can go on at once.

    Failures are kept in its row, with the time of the next try: nothing is raised for what may happen.

    Raises:
        Bug: our fault; the sweep is closed first, and the next one begins at the same watermark.
    """
    sweep = _claim(sweep_id, clock())
    if sweep is None:
        return False
    if sweep.troubles > MOST_TROUBLES:
        return _give_up(
            sweep, clock(), sweep.problem_code or "kept_failing", sweep.problem or "The sweep kept failing."
        )
    try:
        client = installs.admin_client(shop, phase=Phase.RECONCILE, priority=Priority.BACKFILL)
        until = time.monotonic() + STEP_S
        while sweep.state in OPEN_SWEEPS:
            if time.monotonic() > until:
                return True
            _work(shop, sweep, client, clock())
        return False
    except LeaseLost:
        log.warning("sync.sweep_lease_lost", extra={"shop_id": shop.pk, "resource": sweep.resource})
        return False
    except BudgetSpent as error:
        return _wait(sweep, clock(), error)
    except Transient as error:
        return _put_off(sweep, clock(), pause_after_trouble(sweep.troubles + 1, error.wait_s), error)
    except AccessDenied as error:
        return _give_up(sweep, clock(), error.code, f"{error.message}. {error.next_step}")
    except UserFixable as error:
        return _put_off(sweep, clock(), 60.0, error)
    except Bug as error:
        _give_up(sweep, clock(), error.code, "The sweep stopped by a fault of the app.")
        raise
    except Exception:
        surprise = Transient("the sweep met a fault of the app", code="internal_error")
        _put_off(sweep, clock(), pause_after_trouble(sweep.troubles + 1, None), surprise)
        raise
    finally:
        _held(sweep).update(lease_token="", lease_until=None)


def due(now: datetime) -> list[int]:
    """Ids of shops whose last sweep began four hours ago or more. Call it unscoped."""
    late = now - EVERY
    imported = (
        ImportJob.objects.filter(state=JobState.DONE, finished_at__lte=late).values("shop_id").distinct()
    )
    lately = Sweep.objects.filter(began_at__gt=late).values("shop_id")
    found = Shop.objects.filter(pk__in=imported, uninstalled_at=None).exclude(pk__in=lately)
    return list(found.values_list("pk", flat=True))


def _work(shop: Shop, sweep: Sweep, client: AdminClient, now: datetime) -> None:
    assert sweep.began_at is not None
    repair = Repair(
        shop,
        sweep.resource,
        client,
        began_at=sweep.began_at,
        save=lambda findings: _save(sweep, now, found=findings.plain(), troubles=0),
        now=now,
    )
    if sweep.state == SweepState.WALKING:
        _walk(shop, sweep, client, repair, now)
    elif sweep.todo:
        _count(shop, sweep, client, repair, now)
    else:
        _finish(shop, sweep, now)


def _walk(shop: Shop, sweep: Sweep, client: AdminClient, repair: Repair, now: datetime) -> None:
    """One page of what changed since the watermark. A page cut short is asked for again: what agrees is passed over."""
    findings = Findings.read(sweep.found)
    since = sweep.watermark - OVERLAP
    following: Place[datetime] | Place[int] | None
    if sweep.resource == Resource.INVENTORY:
        following, passed_over = _walk_stock(client, repair, sweep, listing.changed_since(since), findings)
    else:
        begin = datetime.fromisoformat(sweep.walk_from) if sweep.walk_from else since
        place = Place(begin, sweep.cursor, sweep.walked)
        listed = LISTED[sweep.resource]
        found = listing.page(client, listed, listing.changed_since(begin), "UPDATED_AT", place.after)
        _mend_page(repair, listed, found, findings)
        findings.compared += len(found.states)
        findings.unsettled += found.skipped
        largest = max((each.version_at for each in found.states.values()), default=None)
        following, passed_over = onward(
            place,
            listed=found.listed,
            largest=largest,
            size=listed.size,
            after=found.after,
            step=begin + SECOND,
        )
    findings.unsettled += passed_over
    if following is not None:
        begin_text = (
            following.begin.isoformat() if isinstance(following.begin, datetime) else str(following.begin)
        )
        _save(
            sweep, now, cursor=following.after, walk_from=begin_text, walked=following.taken, found=findings.plain(),
            troubles=0,
        )  # fmt: skip
        return
    todo = [] if sweep.resource == Resource.INVENTORY else _periods(shop, sweep, findings, now)
    _save(sweep, now, state=SweepState.COUNTING, cursor="", found=findings.plain(), todo=todo, troubles=0)


def _walk_stock(
    client: AdminClient, repair: Repair, sweep: Sweep, search: str, findings: Findings
) -> tuple[Place[int] | None, bool]:
    """One page of stock. Shopify sorts items by id alone."""
    place = Place(int(sweep.walk_from or 0), sweep.cursor, sweep.walked)
    if place.begin:
        search = f"{search} AND {listing.from_id(place.begin)}"
    found = listing.stock_page(client, search, place.after)
    findings.unsettled += found.skipped
    repair.mend_stock(found.levels, findings)
    size, step = listing.STOCK_ITEMS_PER_PAGE, place.begin + 1
    return onward(place, listed=found.items, largest=found.last_item, size=size, after=found.after, step=step)


def _mend_page(repair: Repair, listed: Listed, found: Page, findings: Findings) -> None:
    wrong = list(repair.differing(found.states))
    for start_at in range(0, len(wrong), PIECE):
        repair.mend(listed, found, wrong[start_at : start_at + PIECE], findings)


def _periods(shop: Shop, sweep: Sweep, findings: Findings, now: datetime) -> list[list[str]]:
    if LISTED[sweep.resource].counts is None:
        return [[]]  # all of them at once
    today = now.astimezone(ZoneInfo(shop.timezone)).date()
    limited = sweep.resource == Resource.ORDERS and "read_all_orders" not in shop.scopes.split(",")
    oldest = today - timedelta(days=VISIBLE_DAYS) if limited else None
    return [each.words() for each in differences.periods(today, oldest=oldest, touched=findings.days)]


def _count(shop: Shop, sweep: Sweep, client: AdminClient, repair: Repair, now: datetime) -> None:
    """Compare counts of some periods; halve those that differ, and match the ids of a day that does."""
    findings = Findings.read(sweep.found)
    listed = LISTED[sweep.resource]
    if listed.counts is None:
        _match(shop, sweep, client, repair, findings, None)
        _save(sweep, now, todo=[], found=findings.plain(), troubles=0)
        return
    zone = ZoneInfo(shop.timezone)
    taken = [Period.read(each) for each in sweep.todo[:PERIODS_PER_CALL]]
    bounds = [each.bounds(zone) for each in taken]
    theirs = listing.counts(client, listed, bounds)
    by_day = kept.by_day(shop, sweep.resource, (min(bounds)[0], max(bounds)[1]))
    ours = [sum(had for day, had in by_day.items() if day in each) for each in taken]
    smaller: list[Period] = []
    for period, limits, wanted, had in zip(taken, bounds, theirs, ours, strict=True):
        day = period.first.isoformat()
        if period.single:
            findings.theirs[day] = wanted
        if wanted == had:
            continue
        if not period.single:
            smaller += period.halves()
            continue
        erased = _match(shop, sweep, client, repair, findings, limits)
        findings.theirs[day] = listing.counts(client, listed, [limits])[0] - erased
        still = sum(kept.by_day(shop, sweep.resource, limits).values()) - findings.theirs[day]
        if still:
            findings.left[day] = still
    todo = [each.words() for each in smaller] + sweep.todo[PERIODS_PER_CALL:]
    _save(sweep, now, todo=todo, found=findings.plain(), troubles=0)


def _match(
    shop: Shop,
    sweep: Sweep,
    client: AdminClient,
    repair: Repair,
    findings: Findings,
    bounds: tuple[datetime, datetime] | None,
) -> int:
    """Compare the ids of a period, repair what differs, and bury what Shopify confirms to have no more.

    Returns:
        how many of them we were told to forget: they are not to be counted.
    """
    listed = LISTED[sweep.resource]
    seen: set[int] = set()
    erased = 0
    by_day: Place[datetime] | None = None if bounds is None else Place(bounds[0])
    by_id: Place[int] | None = Place(0) if bounds is None else None
    while by_day is not None or by_id is not None:
        if by_day is not None and bounds is not None and listed.day is not None:
            search = listing.within(listed, (by_day.begin, bounds[1]))
            found = listing.page(client, listed, search, listed.day[1], by_day.after)
            latest = max((each.at for each in found.states.values()), default=None)
            by_day, passed_over = onward(
                by_day, listed=found.listed, largest=latest, size=listed.size, after=found.after,
                step=by_day.begin + SECOND,
            )  # fmt: skip
        elif by_id is not None:
            search = listing.from_id(by_id.begin) if by_id.begin else ""
            found = listing.page(client, listed, search, "ID", by_id.after)
            by_id, passed_over = onward(
                by_id, listed=found.listed, largest=max(found.states, default=None), size=listed.size,
                after=found.after, step=by_id.begin + 1,
            )  # fmt: skip
        seen |= set(found.states)
        erased += found.erased
        findings.unsettled += passed_over
        _mend_page(repair, listed, found, findings)
        repair.save(findings)
    ours = kept.living(shop, sweep.resource, bounds)
    absent = listing.absent(client, listed, set(ours) - seen)
    repair.bury({each: ours[each] for each in absent}, findings)
    return erased


def _finish(shop: Shop, sweep: Sweep, now: datetime) -> None:
    """Move the watermark; what was worth it becomes an incident with its audit entry, in the same transaction."""
    findings = Findings.read(sweep.found)
    with transaction.atomic():
        _save(
            sweep, now, state=SweepState.RESTING, watermark=sweep.began_at, cursor="", finished_at=now, problem="",
            problem_code="", troubles=0,
        )  # fmt: skip
        if not findings.left and not findings.unsettled:
            close_incident(shop, kind=INCIDENT, subject=sweep.resource, now=now)
        if findings.is_incident:
            _tell(shop, sweep, findings, now)
    log.info(
        "sync.swept",
        extra={
            "shop_id": shop.pk,
            "resource": sweep.resource,
            "compared": findings.compared,
            "repaired": findings.repaired,
            "left": len(findings.left),
        },
    )


def _tell(shop: Shop, sweep: Sweep, findings: Findings, now: datetime) -> None:
    told = findings.told(sweep.resource)
    data = {**findings.plain(), "theirs": {day: findings.theirs.get(day) for day in findings.gaps()}}
    facts: dict[str, Any] = {
        "kind": INCIDENT,
        "subject": sweep.resource,
        "severity": Severity.WARNING,
        "told": told,
        "data": {**data, "gaps": findings.gaps(), "worst_gap": findings.worst_gap},
        "now": now,
    }
    if findings.left or findings.unsettled:
        again = "Shelfwise compares again every four hours. If this stays open, tell whoever runs this app."
        incident = open_incident(shop, **facts, next_step=again)
    else:
        incident = note_incident(shop, **facts)
    audit.record(
        shop,
        actor="system:reconciliation",
        action="data.incident",
        now=now,
        reason=told,
        data={"incident": incident.pk, "resource": sweep.resource, "repaired": findings.repaired},
    )


def _give_up(sweep: Sweep, now: datetime, code: str, message: str) -> bool:
    _held(sweep).update(
        state=SweepState.RESTING, problem=message, problem_code=code, finished_at=now, cursor="", todo=[],
        lease_token="", lease_until=None,
    )  # fmt: skip
    log.error("sync.sweep_failed", extra={"shop_id": sweep.shop_id, "resource": sweep.resource, "code": code})
    return False


def _wait(sweep: Sweep, now: datetime, error: BudgetSpent) -> bool:
    """Go on when the points are there. A sweep that repairs much waits often: that is no trouble."""
    _held(sweep).update(next_step_at=now + timedelta(seconds=error.wait_s or 1.0))
    return False


def _put_off(sweep: Sweep, now: datetime, seconds: float, error: Transient | UserFixable) -> bool:
    _held(sweep).update(
        next_step_at=now + timedelta(seconds=seconds),
        troubles=F("troubles") + 1,
        problem=f"{error.message}. {error.next_step}".strip(),
        problem_code=error.code,
    )
    log.info(
        "sync.sweep_put_off",
        extra={"shop_id": sweep.shop_id, "resource": sweep.resource, "code": error.code},
    )
    return False


def _claim(sweep_id: int, now: datetime) -> Sweep | None:
    """Take the sweep if it is open, due and free; a lease that lapsed counts as one trouble."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    token = secrets.token_hex(16)
    died = Sweep.objects.filter(pk=sweep_id, lease_until__lt=now).exclude(lease_token="")
    taken = Sweep.objects.filter(free, pk=sweep_id, state__in=OPEN_SWEEPS, next_step_at__lte=now)
    trouble = 1 if died.exists() else 0
    if not taken.update(lease_token=token, lease_until=now + LEASE, troubles=F("troubles") + trouble):
        return None
    return Sweep.objects.get(pk=sweep_id)


def _held(sweep: Sweep) -> Any:
    return Sweep.objects.filter(pk=sweep.pk, lease_token=sweep.lease_token)


def _save(sweep: Sweep, now: datetime, **fields: Any) -> None:
    """Write fields of a sweep that we hold, and renew the lease.

    Raises:
        LeaseLost: we do not hold it any more; the surrounding transaction must not commit.
    """
    if not _held(sweep).update(lease_until=Greatest(F("lease_until"), Value(now + LEASE)), **fields):
        raise LeaseLost(f"the sweep of {sweep.resource} is in other hands")
    for name, value in fields.items():
        setattr(sweep, name, value)
