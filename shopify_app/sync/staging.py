"""Moves lines: from the bulk result into staging (or straight into events), and from staging into events.

Each function is one transaction that also moves the job's marks, so that a death at any moment repeats nothing and
leaves nothing out.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from mlops.features.events import CustomerChanged, Event, Source
from mlops.validation import gate
from shopify_app.graphql.bulk import Piece
from shopify_app.sync import customers, leases
from shopify_app.sync.models import ImportJob
from shopify_app.sync.resources import Plan
from shopify_app.sync.translate.rows import without_strangers_words
from shopify_app.sync.translate.values import Untranslatable, number
from tenancy import pseudonyms
from tenancy.locks import LockKind, lock
from tenancy.models import Shop

# A writer of the same shop holds the lock for one batch; the lease outlasts this wait.
LOCK_WAIT_S = 15.0
_write_row = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def stage(job: ImportJob, piece: Piece, now: datetime) -> None:
    """Keep a piece of the file in staging and move the byte mark behind it."""
    skipped = 0
    names = pseudonyms.of(job.shop)
    with transaction.atomic():
        _lazily()
        with connection.cursor() as cursor:
            columns = "shop_id, job_id, node_id, parent_id, body"
            with cursor.copy(f"copy sync_stagedrow ({columns}) from stdin") as copy:
                for line in piece.lines:
                    try:
                        body, row = _read(line)
                        node = number(row.get("id"), "id")
                        above = row.get("__parentId")
                        parent = None if above is None else number(above, "__parentId")
                    except Untranslatable:
                        skipped += 1
                        continue
                    if row.get("customer"):
                        body = customers.in_line(names, body, row) or _write_row(row)
                    if row.get("customAttributes"):
                        # Only then may the line hold words of a stranger's, and is it worth writing anew.
                        body = _write_row(without_strangers_words(row))
                    copy.write_row((job.shop_id, job.pk, node, parent, body.replace("\\u0000", "")))
        leases.save(job, now, **_read_marks(job, piece, skipped))


def append_lines(shop: Shop, job: ImportJob, plan: Plan, piece: Piece, now: datetime) -> None:
    """Turn a piece of a file whose lines stand alone into events, and move the byte mark behind it."""
    assert plan.single is not None
    events: list[Event] = []
    numbers: list[int] = []
    names = pseudonyms.of(shop)
    skipped = 0
    for line in piece.lines:
        try:
            row = _read(line)[1]
            event = plan.single(customers.in_row(names, row))
        except Untranslatable:
            skipped += 1
        else:
            if event is not None:
                events.append(event)
            if isinstance(event, CustomerChanged):
                numbers.append(number(row.get("id"), "id"))
    with transaction.atomic():
        _lazily()
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        marks = _read_marks(job, piece, skipped)
        leases.save(job, now, **marks, lines_written=marks["lines_read"])
        gate.admit(shop, events, source=Source.BACKFILL, now=now)
        customers.remember(shop, customers.sealed_references(names, shop.pk, numbers), now)


def assemble_batch(shop: Shop, job: ImportJob, plan: Plan, now: datetime) -> int:
    """Turn the next staged roots with all their children into events; the number of lines that left staging."""
    assert plan.assemble is not None
    with transaction.atomic():
        _lazily()
        lock(shop, LockKind.EVENTS, wait_s=LOCK_WAIT_S)
        roots = _take_roots(job, plan.roots_per_batch)
        if not roots:
            return 0
        children = _take_children(job, [node for _, node, _ in roots])
        events: list[Event] = []
        skipped = 0
        for _, node, body in roots:
            try:
                events.extend(plan.assemble(json.loads(body), children.get(node, [])))
            except Untranslatable:
                skipped += 1
        moved = len(roots) + sum(map(len, children.values()))
        leases.save(
            job,
            now,
            written_to=roots[-1][0],
            lines_written=job.lines_written + moved,
            lines_skipped=job.lines_skipped + skipped,
            rate=job.rate,
            troubles=0,
        )
        gate.admit(shop, events, source=Source.BACKFILL, now=now)
    return moved


def clear(job: ImportJob) -> None:
    """Drop what is staged for the job."""
    with connection.cursor() as cursor:
        cursor.execute("delete from sync_stagedrow where job_id = %s", [job.pk])


def _lazily() -> None:
    """Do not wait for the disk at this commit: a crash of Postgres that loses it loses rows and marks together, and the
    step is done again. The commit that closes the job waits, and with it for all before it.
    """
    with connection.cursor() as cursor:
        cursor.execute("set local synchronous_commit = off")


def _read(line: bytes) -> tuple[str, dict[str, Any]]:
    """The line as text and as the object in it."""
    try:
        text = line.decode()
        row = json.loads(text)
    except (ValueError, RecursionError):
        raise Untranslatable("the line is not JSON") from None
    if not isinstance(row, dict):
        raise Untranslatable("the line is not an object")
    return text, row


def _read_marks(job: ImportJob, piece: Piece, skipped: int) -> dict[str, Any]:
    return {
        "byte_offset": piece.offset,
        "lines_read": job.lines_read + len(piece.lines),
        "lines_skipped": job.lines_skipped + skipped,
        "rate": job.rate,
        "troubles": 0,
    }


def _take_roots(job: ImportJob, count: int) -> list[tuple[int, int, str]]:
    """The next roots in file order, out of staging: id, node id and body."""
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from sync_stagedrow where id in (select id from sync_stagedrow"
            " where job_id = %s and parent_id is null and id > %s order by id limit %s) returning id, node_id, body",
            [job.pk, job.written_to, count],
        )
        return sorted(cursor.fetchall())


def _take_children(job: ImportJob, parents: list[int]) -> dict[int, list[dict[str, Any]]]:
    """The children of these roots by parent, in file order, out of staging."""
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from sync_stagedrow where job_id = %s and parent_id = any(%s::bigint[])"
            " returning id, parent_id, body",
            [job.pk, parents],
        )
        rows: list[tuple[int, int, str]] = sorted(cursor.fetchall())
    found: dict[int, list[dict[str, Any]]] = {}
    for _, parent, body in rows:
        found.setdefault(parent, []).append(json.loads(body))
    return found
