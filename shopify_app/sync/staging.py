"""Moves lines: from the bulk result into staging (or straight into events), and from staging into events.

Each function is one transaction that also moves the job's marks, so that a death at any moment repeats nothing and
leaves nothing out. A line that cannot be used is refused with its number and the reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson
from django.db import connection, transaction

from mlops.features.arrays import array
from mlops.features.events import CustomerChanged, Event, Source
from mlops.validation import gate
from shopify_app.graphql.bulk import Piece
from shopify_app.sync import customers, leases
from shopify_app.sync.models import ImportJob
from shopify_app.sync.refused import Refusal, kept, shown
from shopify_app.sync.resources import Plan
from shopify_app.sync.translate import lines
from shopify_app.sync.translate.rows import without_strangers_words
from shopify_app.sync.translate.values import Untranslatable
from tenancy import pseudonyms
from tenancy.locks import LockKind, lock
from tenancy.models import Shop

# A writer of the same shop holds the lock for one batch; the lease outlasts this wait.
LOCK_WAIT_S = 15.0
# 1,500 orders with 3,500 lines: about 0.3 s and 20 MB per transaction.
ROWS_PER_BATCH = 5_000
ROWS_PER_CLEARING = 50_000
MOST_HELD = 500
WORTH_A_VACUUM = 100_000
Staged = tuple[int, int, bool, str]  # root id, line, child, body


@dataclass(slots=True)
class _Marks:
    """Where in the file a piece ends, and what was seen on the way."""

    plan: Plan
    line_no: int
    rows: int = 0
    last_root: int = 0
    last_parent: int = 0
    in_order: bool = True
    refusals: list[Refusal] = field(default_factory=list)

    @classmethod
    def of(cls, job: ImportJob, plan: Plan) -> _Marks:
        return cls(plan, job.line_no, 0, job.last_root, job.last_parent, job.in_order)

    def saw(self, node: int, parent: int | None) -> None:
        if parent is None:
            self.in_order &= node > self.last_root
            self.last_root = node
        else:
            self.in_order &= parent >= self.last_parent
            self.last_parent = parent

    def refuse(self, line: bytes, reason: str) -> None:
        told = shown(line, document_name=self.plan.document)
        self.refusals.append(Refusal(self.line_no, reason, told))


def stage(job: ImportJob, plan: Plan, piece: Piece, now: datetime) -> None:
    """Keep a piece of the file in staging and move the byte mark behind it."""
    marks = _Marks.of(job, plan)
    names = pseudonyms.of(job.shop)
    found: list[tuple[int, int, bool, str]] = []
    for row, body, node, parent in _rows(piece, marks):
        text = body.decode()
        if row.get("customer"):
            text = customers.in_line(names, text, row) or orjson.dumps(row).decode()
        if row.get("customAttributes"):
            # Only then may the line hold words of a stranger's, and is it worth writing anew.
            text = orjson.dumps(without_strangers_words(row)).decode()
        root, child = (node, False) if parent is None else (parent, True)
        found.append((root, marks.line_no, child, text))
    with transaction.atomic():
        _lazily()
        _put(job, found)
        _hold(job, marks.refusals, now)
        leases.save(job, now, **_read_marks(job, piece, marks))


def append_lines(shop: Shop, job: ImportJob, plan: Plan, piece: Piece, now: datetime) -> None:
    """Turn a piece of a file whose lines stand alone into events, and move the byte mark behind it."""
    assert plan.single is not None
    events: list[Event] = []
    numbers: list[int] = []
    names = pseudonyms.of(shop)
    marks = _Marks.of(job, plan)
    for row, body, node, _ in _rows(piece, marks):
        try:
            event = plan.single(customers.in_row(names, row))
        except Untranslatable as error:
            marks.refuse(body, str(error))
        else:
            if event is not None:
                events.append(event)
            if isinstance(event, CustomerChanged):
                numbers.append(node)
    with transaction.atomic():
        _lazily()
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        fields = _read_marks(job, piece, marks)
        _hold(job, marks.refusals, now)
        leases.save(job, now, **fields, lines_written=fields["lines_read"])
        gate.admit(shop, events, source=Source.BACKFILL, now=now)
        customers.remember(shop, customers.sealed_references(names, shop.pk, numbers), now)


def assemble_batch(shop: Shop, job: ImportJob, plan: Plan, now: datetime) -> int:
    """Turn the next staged roots with all their children into events; the number of lines that left staging."""
    with transaction.atomic():
        _lazily()
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        refusals: list[Refusal] = []
        staged: list[Staged] = []
        with _by_the_key():
            last, too_many = _reach(job, plan)
            if last is None:
                return 0
            if too_many:
                moved = _leave_out(job, plan, last, refusals)
            else:
                staged = _take(job, last)
                moved = len(staged)
        events: list[Event] = []
        for _, group in groupby(staged, key=itemgetter(0)):
            events += _assembled(plan, list(group), refusals)
        _hold(job, refusals, now)
        leases.save(
            job, now, written_to=last, lines_written=job.lines_written + moved, rate=job.rate, troubles=0,
            **_refusal_marks(job, refusals),
        )  # fmt: skip
        gate.admit(shop, events, source=Source.BACKFILL, now=now)
    return moved


def keep_before(job: ImportJob, bound: int, now: datetime) -> None:
    """Of a file that broke off, drop what may lack children: everything from root `bound` on."""
    while _delete_some(job, from_root=bound):
        leases.save(job, now)


def clear(job: ImportJob, now: datetime) -> None:
    """Drop what is staged for the job, a part at a time so that the lease is renewed between."""
    keep_before(job, 0, now)


def give_space_back(lines: int) -> None:
    """After a large import, let the disk have the room that its staged lines took; a small one's is used again."""
    if lines < WORTH_A_VACUUM or connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        cursor.execute("vacuum (skip_locked) sync_stagedrow")


def _rows(piece: Piece, marks: _Marks) -> Iterator[tuple[dict[str, Any], bytes, int, int | None]]:
    """The usable lines: object, compact JSON, id and parent's id. The others are refused on the way."""
    kin = marks.plan.kin
    for place, line in enumerate(piece.lines):
        marks.line_no += 1
        if marks.line_no == 1:
            line = line.removeprefix(lines.BYTE_ORDER_MARK)
        line = line.rstrip()
        if not line:
            continue
        marks.rows += 1
        if place in piece.too_long:
            marks.refuse(line, f"the line is too long: {piece.too_long[place]:,} bytes")
            continue
        try:
            row, body = lines.read(line)
            node, parent = lines.kinship(row, kin)
        except Untranslatable as error:
            marks.refuse(line, str(error))
            continue
        marks.saw(node, parent)
        yield row, body, node, parent


def _assembled(plan: Plan, group: Sequence[Staged], refusals: list[Refusal]) -> list[Event]:
    """The events of one root with its children; whoever is at fault is left out."""
    assert plan.assemble is not None
    assert plan.child is not None

    def refuse(staged: Staged, reason: str, *, left_out: int = 1, subject: str = "") -> None:
        told = shown(staged[3], document_name=plan.document)
        refusals.append(Refusal(staged[1], reason, told, left_out, subject))

    roots = [each for each in group if not each[2]]
    children: dict[str, tuple[Staged, dict[str, Any]]] = {}
    for each in group:
        if each[2]:
            row = orjson.loads(each[3])
            if (earlier := children.get(row["id"])) is not None:
                refuse(earlier[0], f"told again in line {each[1]}")
            children[row["id"]] = (each, row)
    if not roots:
        for staged, _ in children.values():
            refuse(staged, "its parent is not in the file")
        return []
    for staged in roots[:-1]:
        refuse(staged, f"told again in line {roots[-1][1]}")
    root = orjson.loads(roots[-1][3])
    try:
        return plan.assemble(root, [row for _, row in children.values()])
    except Untranslatable:
        sound = []
        for staged, row in children.values():
            try:
                plan.child(row)
            except Untranslatable as error:
                refuse(staged, str(error))
            else:
                sound.append(row)
    try:
        return plan.assemble(root, sound)
    except Untranslatable as error:
        refuse(roots[-1], str(error), left_out=1 + len(sound), subject=root["id"])
        return []


def _put(job: ImportJob, rows: Sequence[Staged]) -> None:
    if not rows:
        return
    roots, line_nos, children, bodies = zip(*rows, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into sync_stagedrow (shop_id, job_id, root_id, line_no, child, body)"
            " select %s, %s, u.root_id, u.line_no, u.child, u.body"
            # Compact JSON holds no newline: one text of lines spares the escaping of every quote in an array of texts.
            " from rows from (unnest(%s::bigint[], %s::bigint[], %s::boolean[]), string_to_table(%s, E'\\n'))"
            " as u(root_id, line_no, child, body)",
            [
                job.shop_id, job.pk, array("bigint", roots), array("bigint", line_nos), array("boolean", children),
                "\n".join(bodies),
            ],
        )  # fmt: skip


def _lazily() -> None:
    """Do not wait for the disk at this commit: a crash of Postgres that loses it loses rows and marks together, and the
    step is done again. The commit that closes the job waits, and with it for all before it.
    """
    with connection.cursor() as cursor:
        cursor.execute("set local synchronous_commit = off")


@contextmanager
def _by_the_key() -> Iterator[None]:
    """Walk the key of the staging table in this block, whatever the planner believes of a table that fills and empties
    faster than it is analysed: one wrong scan for each batch makes an import quadratic.
    """
    _allow_other_ways(wanted="off")
    yield
    _allow_other_ways(wanted="on")


def _allow_other_ways(*, wanted: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select set_config('enable_seqscan', %s, true), set_config('enable_bitmapscan', %s, true),"
            " set_config('enable_sort', %s, true)",
            [wanted] * 3,
        )


def _read_marks(job: ImportJob, piece: Piece, marks: _Marks) -> dict[str, Any]:
    return {
        "byte_offset": piece.offset,
        "line_no": marks.line_no,
        "lines_read": job.lines_read + marks.rows,
        "last_root": marks.last_root,
        "last_parent": marks.last_parent,
        "in_order": marks.in_order,
        "rate": job.rate,
        "troubles": 0,
        **_refusal_marks(job, marks.refusals),
    }


def _hold(job: ImportJob, refusals: Sequence[Refusal], now: datetime) -> None:
    """Put the lines into the quarantine, where people look; of a file that is all wrong only the beginning."""
    for each in refusals[: max(0, MOST_HELD - job.lines_skipped)]:
        content = {"id": each.subject, "line": each.row} if each.subject else {"line": each.row}
        gate.hold(
            job.shop, job.resource, line=each.line, reason=each.reason, content=content, source=Source.BACKFILL, now=now
        )  # fmt: skip


def _refusal_marks(job: ImportJob, refusals: Sequence[Refusal]) -> dict[str, Any]:
    if not refusals:
        return {}
    return {
        "lines_skipped": job.lines_skipped + sum(each.left_out for each in refusals),
        "refused": kept(job.refused, refusals),
    }


def _reach(job: ImportJob, plan: Plan) -> tuple[int | None, bool]:
    """The last root of the next batch, and whether it alone has more children than a shop can have."""
    if (beyond := _root_at(job, ROWS_PER_BATCH)) is None:
        return _last_root(job), False
    first = _root_at(job, 0)
    if first is not None and beyond == first:
        over = _root_at(job, plan.most_children + 1)
        return first, over == first
    with connection.cursor() as cursor:
        cursor.execute(
            "select max(root_id) from sync_stagedrow where job_id = %s and root_id > %s and root_id < %s",
            [job.pk, job.written_to, beyond],
        )
        return cursor.fetchone()[0], False


def _root_at(job: ImportJob, place: int) -> int | None:
    """The root id of the row that stands `place` rows behind the mark."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select root_id from sync_stagedrow where job_id = %s and root_id > %s"
            " order by job_id, root_id, line_no offset %s limit 1",
            [job.pk, job.written_to, place],
        )
        found = cursor.fetchone()
        return found[0] if found else None


def _last_root(job: ImportJob) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select max(root_id) from sync_stagedrow where job_id = %s and root_id > %s",
            [job.pk, job.written_to],
        )
        found: int | None = cursor.fetchone()[0]
        return found


def _take(job: ImportJob, last: int) -> list[Staged]:
    """The rows up to root `last`, out of staging: by root, each in file order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from sync_stagedrow where job_id = %s and root_id > %s and root_id <= %s"
            " returning root_id, line_no, child, body",
            [job.pk, job.written_to, last],
        )
        return sorted(cursor.fetchall())


def _leave_out(job: ImportJob, plan: Plan, root: int, refusals: list[Refusal]) -> int:
    """Drop a root with more children than may be in memory; the number of its lines."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select line_no, body from sync_stagedrow where job_id = %s and root_id = %s"
            " order by job_id, root_id, line_no limit 1",
            [job.pk, root],
        )
        line_no, body = cursor.fetchone()
        cursor.execute("delete from sync_stagedrow where job_id = %s and root_id = %s", [job.pk, root])
        dropped: int = cursor.rowcount
    told = shown(body, document_name=plan.document)
    reason = f"one object with {dropped - 1:,} lines below it, more than {plan.most_children:,}"
    refusals.append(Refusal(line_no, reason, told, dropped))
    return dropped


def _delete_some(job: ImportJob, *, from_root: int) -> int:
    with transaction.atomic(), _by_the_key(), connection.cursor() as cursor:
        cursor.execute(
            "delete from sync_stagedrow where job_id = %s and root_id >= %s and root_id <= coalesce((select root_id"
            " from sync_stagedrow where job_id = %s and root_id >= %s order by job_id, root_id, line_no"
            " offset %s limit 1), %s)",
            [job.pk, from_root, job.pk, from_root, ROWS_PER_CLEARING, 2**63 - 1],
        )
        dropped: int = cursor.rowcount
        return dropped
