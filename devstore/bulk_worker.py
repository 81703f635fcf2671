"""The process of one bulk operation: reads the shop's file in one snapshot, writes JSON lines, says how far it is.

A process of its own, so that a long export never makes a webhook or a page late. Started by devstore.bulk as
`python -m devstore.bulk_worker` with its orders as JSON on standard input.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from devstore.api_state import ApiState, BulkStatus
from devstore.bulk_corruption import WHOLE_FILES, spoilt
from devstore.bulk_fields import plan_from_json
from devstore.order_window import orders_since
from devstore.store import utc_text

REPORT_EVERY_S = 0.25
SLICES_PER_S = 20


class Stopped(Exception):
    """The operation ends early with this status."""

    def __init__(self, status: BulkStatus, error_code: str | None = None) -> None:
        super().__init__(status)
        self.status, self.error_code = status, error_code


@dataclass(frozen=True, slots=True)
class Orders:
    """What to run. `parent` is the process that must stay alive; the switches are those of the faults."""

    operation: int
    attempt: int
    shop_file: str
    state_file: str
    folder: str
    client: str
    parent: int
    fail_at_line: int | None
    rows_per_s: float | None
    orders_since: str | None
    cut_at_line: int | None = None
    corrupt: dict[str, str] = field(default_factory=dict)
    file: str | None = None


class Output:
    """The file of lines, counted, slowed down or broken off as the switches say."""

    def __init__(self, stream: IO[bytes], orders: Orders, state: ApiState) -> None:
        self._stream, self._orders, self._state = stream, orders, state
        self.objects = self.roots = self.size = 0
        self._spoils = {int(line): word for line, word in orders.corrupt.items()}
        self._cut = False
        self._started = self._reported = time.monotonic()

    def write(self, lines: list[str], roots: int) -> None:
        """Raises Stopped when the operation was cancelled, must fail here, or lost its server."""
        self.roots += roots
        for part in self._slices(lines):
            body = self._body(part)
            self._stream.write(body)
            self.objects += len(part)
            self.size += len(body)
            if self.objects == self._orders.fail_at_line:
                raise Stopped(BulkStatus.FAILED, "INTERNAL_SERVER_ERROR")
            self._pace()
            if time.monotonic() - self._reported >= REPORT_EVERY_S:
                self.report()

    def _body(self, part: list[str]) -> bytes:
        """The lines as they go into the file, spoilt and cut off as the switches say."""
        first, cut = self.objects + 1, self._orders.cut_at_line
        if not self._spoils and cut is None:
            return "\n".join(part).encode() + b"\n"
        if self._cut:
            return b""
        body = b""
        for number, line in enumerate(part, first):
            if cut is not None and number > cut:
                self._cut = True
                return body + line.encode()[: len(line) // 2]
            word = self._spoils.get(number)
            body += spoilt(word, line) if word else line.encode() + b"\n"
        return body

    def _slices(self, lines: list[str]) -> Iterator[list[str]]:
        rate, stop = self._orders.rows_per_s, self._orders.fail_at_line
        step = max(1, int(rate / SLICES_PER_S)) if rate else max(1, len(lines))
        at = 0
        while at < len(lines):
            size = step
            if stop is not None and self.objects < stop:
                size = min(size, stop - self.objects)
            yield lines[at : at + size]
            at += size

    def _pace(self) -> None:
        if self._orders.rows_per_s:
            ahead = self.objects / self._orders.rows_per_s - (time.monotonic() - self._started)
            while ahead > 0:
                time.sleep(min(ahead, REPORT_EVERY_S))
                self.report()
                ahead = self.objects / self._orders.rows_per_s - (time.monotonic() - self._started)

    def report(self) -> None:
        self._stream.flush()
        self._reported = time.monotonic()
        status = self._state.progress(
            self._orders.operation, objects=self.objects, roots=self.roots, size=self.size
        )
        if status is BulkStatus.CANCELING:
            raise Stopped(BulkStatus.CANCELED)
        if os.getppid() != self._orders.parent:
            sys.exit(3)  # the server died; the one that follows starts this operation again


def run(orders: Orders) -> None:
    from devstore.bulk_lines import lines
    from devstore.resolvers.fields import BadArgument, Reader
    from devstore.resolvers.registry import ROOTS, TYPES

    state = ApiState(Path(orders.state_file))
    (row,) = state.rows("SELECT * FROM bulk_operations WHERE id = ?", (orders.operation,))
    partial = Path(orders.folder) / f"{row['file']}.{orders.attempt}.part"
    connection = sqlite3.connect(orders.shop_file, timeout=10, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA cache_size = -16000")
    connection.execute("BEGIN")  # one snapshot for parents and children
    facts = {entry["key"]: entry["value"] for entry in connection.execute("SELECT key, value FROM shop")}
    reader = Reader(connection, facts, row["shop"], client=orders.client)
    status = BulkStatus.COMPLETED
    error_code: str | None = None
    with partial.open("wb") as stream, orders_since(connection, orders.orders_since):
        connection.execute("PRAGMA query_only = 1")
        output = Output(stream, orders, state)
        try:
            output.report()
            plan = plan_from_json(json.loads(row["plan"]))
            for portion, roots in lines(reader, plan, ROOTS, TYPES, group_objects=bool(row["group_objects"])):
                output.write(portion, roots)
            output.report()
        except Stopped as stopped:
            status, error_code = stopped.status, stopped.error_code
        except BadArgument as error:
            print(f"bulk operation {orders.operation}: {error}", file=sys.stderr)
            status, error_code = BulkStatus.FAILED, "INTERNAL_SERVER_ERROR"
        connection.execute("PRAGMA query_only = 0")
    connection.close()
    if orders.file is not None:
        partial.write_bytes(WHOLE_FILES[orders.file](partial.read_bytes()))
    partial.replace(partial.with_name(f"{row['file']}.jsonl"))
    state.move_bulk(
        orders.operation,
        (BulkStatus.RUNNING, BulkStatus.CANCELING),
        status,
        error_code=error_code,
        completed_at=utc_text(datetime.now(UTC)),
        object_count=output.objects,
        root_object_count=output.roots,
        file_size=output.size,
    )
    state.close()


if __name__ == "__main__":
    run(Orders(**json.load(sys.stdin)))
