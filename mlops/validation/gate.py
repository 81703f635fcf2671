"""The one gate between translated events and the event log: what cannot be true is held, with the reason.

`admit` judges, holds and appends in one transaction; `hold` keeps a line that became no event at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from mlops.features import store, tombstones
from mlops.features.append import LOCK_WAIT_S, Appended
from mlops.features.events import Event, OrderPlaced, ProductChanged, ProductDeleted, Source
from mlops.validation import content, halts, prices, quarantine, suites, tallies
from mlops.validation.batches import Day, Verdict, judge_batch
from mlops.validation.content import Cut
from mlops.validation.defaults import BATCH_OF, RESOURCES
from mlops.validation.expectations import Severity, Suite
from mlops.validation.models import Halt, HeldState
from mlops.validation.quarantine import Holding
from mlops.validation.rows import Compared, Finding, Known, compare, judge, suite_of
from mlops.validation.tallies import Tally
from tenancy.locks import LockKind, lock
from tenancy.models import Shop
from tenancy.scope import scope

LARGEST_CONTENT = 16_000


@dataclass(frozen=True, slots=True)
class Admitted:
    """What became of a batch.

    Args:
        appended: what the log says of the rows that arrived.
        warned: arrived, though something about them is unusual.
        held: rows in quarantine because of this batch, those met again included.
        halted: the whole batch is held; `reasons` say why.
    """

    appended: Appended
    warned: int = 0
    held: int = 0
    halted: bool = False
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class _Batch:
    """A batch while it is judged: events by index."""

    events: dict[int, Event]
    by_resource: dict[str, list[tuple[int, Event]]]
    refused: dict[int, list[Finding]] = field(default_factory=dict)
    warned: dict[int, list[Finding]] = field(default_factory=dict)
    met_again: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)


def admit(
    shop: Shop,
    events: Sequence[Event],
    *,
    source: Source,
    now: datetime,
    origins: Mapping[int, str] | None = None,
    accepted: bool = False,
) -> Admitted:
    """Take events in, if they can be true. Any number of times, in any order, as `store.append`.

    Rows that fail an expectation of severity `quarantine` are held and the others arrive. When the batch as a whole
    fails, nothing of it is written as features: all of it is held, an incident opens, and training stops.

    Args:
        source: by which way they reached us.
        now: when we learnt of them.
        origins: by index in `events`, the id of the webhook that brought the event.
        accepted: a person decided that the batch is right: only impossible rows are held.

    Raises:
        Transient: another writer of this shop held on for `LOCK_WAIT_S` seconds.
    """
    if not events:
        return Admitted(Appended(new=0, older=0, repeated=0))
    with scope(shop), transaction.atomic():
        # The log's own lock, taken first: whoever writes counts waits for nobody who waits for the log.
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        # Before anything is held: nobody erased comes back by way of the quarantine.
        batch = _Batch(tombstones.strip_numbered(shop, dict(enumerate(events))), {})
        for index, event in batch.events.items():
            resource = suite_of(event)
            if resource is not None:
                batch.by_resource.setdefault(resource, []).append((index, event))
        shop_suites = suites.current(shop, now=now)
        open_halts = halts.open_ones(shop)
        known = Known(prices.known(shop, _variants(batch)), exact=source is not Source.WEBHOOK)
        compared: dict[str, list[Compared]] = {}
        for resource, rows in batch.by_resource.items():
            compared[resource] = compare(rows, known)
            _sort_out(batch, judge(shop_suites[resource], rows, known, compared[resource], now=now))
        before = quarantine.prior(shop, _subjects(batch)) if quarantine.any_row(shop) else {}
        _meet_again(batch, before)
        if not accepted:
            today = tallies.so_far(shop, now) if batch.refused else {}
            for resource, rows in batch.by_resource.items():
                left_out = batch.met_again | batch.dropped
                fresh = [each for each in rows if each[0] not in left_out] if left_out else rows
                refused = [index for index, _ in fresh if index in batch.refused] if batch.refused else []
                prices_told = [each for each in compared[resource] if each.event not in left_out]
                batch.verdicts[resource] = judge_batch(
                    shop_suites[resource],
                    fresh,
                    refused,
                    prices_told,
                    today=today.get(resource, Day()),
                    now=now,
                )
        return _carry_out(
            shop, batch, shop_suites, open_halts, before, source=source, now=now, origins=origins or {},
            accepted=accepted,
        )  # fmt: skip


def hold(
    shop: Shop,
    resource: str,
    *,
    line: int | None,
    reason: str,
    content: Mapping[str, Any] | bytes | None,
    source: Source,
    now: datetime,
    delivery: str = "",
) -> None:
    """Keep a line that could not become an event, with its place and the reason. The same line again is one row.

    Args:
        line: number of the line in its file, from 1; None when there is none.
        content: the line as JSON, already cut to what we read; of bytes that are no JSON only their number is kept.

    Raises:
        Transient: another writer of this shop held on for `LOCK_WAIT_S` seconds.
    """
    cut = _line(resource, source, line, content)
    with scope(shop), transaction.atomic():
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        number = suites.current(shop, now=now)[resource].number
        again = quarantine.holds(shop, resource, cut.key)
        holding = Holding(
            resource, cut, source.value, "line", "", "", reason, number, line_number=line, delivery=delivery
        )
        quarantine.keep(shop, [holding], now)
        if not again:
            tally = Tally(checked=1, quarantined=1, failures={"line": 1})
            tallies.add(shop, {(resource, number): tally}, now)
            quarantine.tell(shop, resource, now)


def batch_of(event: Event) -> str:
    """The resource with whose rows the event is judged as one batch; empty for events of which nothing is expected."""
    resource = suite_of(event) or ""
    return BATCH_OF.get(resource, resource)


def _sort_out(batch: _Batch, findings: Iterable[Finding]) -> None:
    for each in findings:
        into = batch.warned if each.expectation.severity is Severity.WARN else batch.refused
        into.setdefault(each.index, []).append(each)


def _meet_again(batch: _Batch, before: Mapping[tuple[str, int], Mapping[str, quarantine.Prior]]) -> None:
    """Find what is held already, and what a person decided to leave out."""
    if not before:
        return
    for resource, rows in batch.by_resource.items():
        for index, event in rows:
            held = before.get((resource, content.subject(event) or 0))
            if not held:
                continue
            found = held.get(content.cut(event).key)
            if found is None:
                continue
            if found.state == HeldState.DISMISSED and found.by_a_person:
                batch.dropped.add(index)
            elif index in batch.refused:
                batch.met_again.add(index)


def _carry_out(
    shop: Shop,
    batch: _Batch,
    shop_suites: Mapping[str, Suite],
    open_halts: Mapping[str, Halt],
    before: Mapping[tuple[str, int], Mapping[str, quarantine.Prior]],
    *,
    source: Source,
    now: datetime,
    origins: Mapping[int, str],
    accepted: bool,
) -> Admitted:
    stopped = {resource: why for resource in batch.by_resource if (why := _stops(batch, resource))}
    halt_ids: dict[str, int] = {}
    reasons = tuple(each for why in stopped.values() for each in why)
    if stopped:
        held = [
            index for rows in batch.by_resource.values() for index, _ in rows if index not in batch.dropped
        ]
        for resource, why in stopped.items():
            rows = len(batch.by_resource[resource])
            halt_ids[resource] = halts.open_halt(
                shop, BATCH_OF.get(resource, resource), why, rows=rows, source=source, now=now
            )
    else:
        held = sorted(batch.refused.keys() - batch.dropped)
    resource_of = {index: resource for resource, rows in batch.by_resource.items() for index, _ in rows}
    with_halt = next(iter(halt_ids.values()), None)
    quarantine.keep(
        shop,
        [
            _holding(batch, index, resource_of[index], shop_suites, source, origins, reasons, with_halt)
            for index in held
        ],
        now,
    )
    out = batch.dropped.union(held)
    good = {index: event for index, event in batch.events.items() if index not in out}
    appended = store.append(shop, list(good.values()), source=source, now=now) if good else Appended(0, 0, 0)
    if any(isinstance(each, ProductChanged | ProductDeleted) for each in good.values()):
        prices.forget(shop)
    tallies.add(shop, _tally(batch, shop_suites, set(held), stopped=bool(stopped)), now)
    if before:
        quarantine.settle(shop, _arrived(batch, good, before), now)
    if not accepted:
        for resource, halt in open_halts.items():
            _note_clean(shop, batch, resource, halt, stopped, now)
    if held and not stopped:
        for resource in sorted({resource_of[index] for index in held if index not in batch.met_again}):
            quarantine.tell(shop, resource, now)
    warned = sum(index in good for index in batch.warned)
    return Admitted(appended, warned=warned, held=len(held), halted=bool(stopped), reasons=reasons)


def _stops(batch: _Batch, resource: str) -> list[str]:
    """Why the whole batch is held, because of this resource's rows; empty when it is not."""
    verdicts = batch.verdicts.get(resource, ())
    why = [each.reason for each in verdicts if each.expectation.severity is not Severity.WARN]
    for index, _ in batch.by_resource[resource]:
        if index not in batch.met_again and index not in batch.dropped:
            findings = batch.refused.get(index, ())
            why += [each.reason for each in findings if each.expectation.severity is Severity.HALT]
    return why[:5]


def _holding(
    batch: _Batch,
    index: int,
    resource: str,
    shop_suites: Mapping[str, Suite],
    source: Source,
    origins: Mapping[int, str],
    reasons: Sequence[str],
    halt_id: int | None,
) -> Holding:
    findings = batch.refused.get(index, [])
    first = findings[0] if findings else None
    return Holding(
        resource,
        content.cut(batch.events[index]),
        source.value,
        expectation=first.expectation.name if first else "batch",
        observed=first.observed if first else "",
        allowed=first.expectation.allowed() if first else "",
        reason="; ".join(each.reason for each in findings[:10])
        or "held with its batch: " + "; ".join(reasons),
        suite_number=shop_suites[resource].number,
        delivery=origins.get(index, ""),
        halt_id=halt_id,
    )


def _tally(
    batch: _Batch, shop_suites: Mapping[str, Suite], held: set[int], *, stopped: bool
) -> dict[tuple[str, int], Tally]:
    """Counts of the batch; a row that was held before is not counted again."""
    found: dict[tuple[str, int], Tally] = {}
    left_out = batch.met_again | batch.dropped
    for resource, rows in batch.by_resource.items():
        tally = found[resource, shop_suites[resource].number] = Tally()
        for index, _ in rows if left_out or held or batch.warned else ():
            if index in left_out:
                continue
            tally.checked += 1
            tally.quarantined += index in held
            tally.halted += index in held and stopped
            tally.warned += index in batch.warned and index not in held
            names = {each.expectation.name for each in batch.refused.get(index, ())}
            names |= {each.expectation.name for each in batch.warned.get(index, ())}
            for name in names:
                tally.fail(name)
        if not (left_out or held or batch.warned):
            tally.checked = len(rows)
        for verdict in batch.verdicts.get(resource, ()):
            tally.fail(verdict.expectation.name)
    return found


def _arrived(
    batch: _Batch,
    good: Mapping[int, Event],
    before: Mapping[tuple[str, int], Mapping[str, quarantine.Prior]],
) -> dict[str, list[tuple[int, Event]]]:
    found: dict[str, list[tuple[int, Event]]] = {}
    for resource, rows in batch.by_resource.items():
        for index, event in rows:
            number = content.subject(event)
            if index in good and number is not None and (resource, number) in before:
                found.setdefault(resource, []).append((number, event))
    return found


def _note_clean(
    shop: Shop, batch: _Batch, resource: str, halt: Halt, stopped: Mapping[str, Any], now: datetime
) -> None:
    mine = [each for each in batch.by_resource if BATCH_OF.get(each, each) == resource]
    left_out = batch.met_again | batch.dropped
    rows = sum(index not in left_out for each in mine for index, _ in batch.by_resource[each])
    if not rows or any(each in stopped for each in mine):
        return
    failed = any(
        index in batch.refused and index not in batch.met_again
        for each in mine
        for index, _ in batch.by_resource[each]
    ) or any(batch.verdicts.get(each) for each in mine)
    halts.note_batch(shop, halt, rows=rows, clean=not failed, now=now)


def _variants(batch: _Batch) -> set[int]:
    found: set[int] = set()
    for _, event in batch.by_resource.get("orders", ()):
        if isinstance(event, OrderPlaced):
            found.update([line.variant_id for line in event.lines if line.variant_id is not None])
    for _, event in batch.by_resource.get("products", ()):
        if isinstance(event, ProductChanged):
            found.update([each.variant_id for each in event.variants])
    return found


def _subjects(batch: _Batch) -> dict[str, list[int]]:
    return {
        resource: [number for _, event in rows if (number := content.subject(event)) is not None]
        for resource, rows in batch.by_resource.items()
    }


def _line(resource: str, source: Source, line: int | None, given: Mapping[str, Any] | bytes | None) -> Cut:
    if resource not in RESOURCES:
        raise ValueError(f"there is no suite for {resource}")
    if isinstance(given, Mapping):
        return content.cut_line(resource, source.value, line, given, largest=LARGEST_CONTENT)
    size = None if given is None else {"bytes": len(given)}
    return content.cut_line(
        resource, source.value, line, size or {}, raw=given or b"", largest=LARGEST_CONTENT
    )
