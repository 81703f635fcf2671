"""Bulk operations: taken on, run by a process each, watched to their end, and their results served.

https://shopify.dev/docs/api/usage/bulk-operations/queries
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devstore.api_state import UNFINISHED, ApiState, BulkRow, BulkStatus
from devstore.bulk_plan import BulkAccessDenied, BulkQueryRefused, make_plan
from devstore.changes import Change
from devstore.faults import BulkFaults
from devstore.order_window import visible_since
from devstore.resolvers.fields import Reader
from devstore.schema import AdminSchema
from devstore.shelf import UnknownShopError
from devstore.store import utc_text, utc_time

if TYPE_CHECKING:
    from devstore.platform import Platform

URL_LIFE = timedelta(days=7)
MAX_ATTEMPTS = 3
_ROOT = Path(__file__).resolve().parent.parent


class BulkOperations:
    """One per server process. `stop` ends the processes; the next server starts their operations again."""

    def __init__(self, platform: Platform, admin: AdminSchema, state: ApiState) -> None:
        self._platform, self._admin, self._state = platform, admin, state
        self.folder = platform.config.data / "bulk"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stopping = False

    # What the API's mutations and queries need

    def run_query(
        self, reader: Reader, query: str, *, group_objects: bool, limit: int
    ) -> tuple[Mapping[str, Any] | None, list[dict[str, Any]]]:
        """Start an operation, or say with user errors why not."""
        refused: str | None = None
        plan = ""
        try:
            planned = make_plan(
                self._admin, query, scopes=reader.scopes, currency=reader.currency, domain=reader.domain
            )
            plan = json.dumps(asdict(planned))
        except BulkQueryRefused as error:
            return None, [{"field": ["query"], "message": str(error), "code": "INVALID"}]
        except BulkAccessDenied:
            refused = "ACCESS_DENIED"
        now = datetime.now(UTC)
        row = self._state.add_bulk(
            limit=limit,
            shop=reader.domain,
            query=query,
            plan=plan,
            group_objects=int(group_objects),
            base_url=reader.base_url,
            file=secrets.token_urlsafe(32),
            status=BulkStatus.CREATED,
            created_at=utc_text(now),
            orders_since=visible_since(reader.scopes, now),
        )
        if row is None:
            code = "LIMIT_REACHED" if limit > 1 else "OPERATION_IN_PROGRESS"
            message = (
                f"You have reached the limit of {limit} concurrent bulk query operations for this app and shop."
                if limit > 1
                else "A bulk query operation for this app and shop is already in progress."
            )
            return None, [{"field": None, "message": message, "code": code}]
        if refused is not None:
            self._finish(row, BulkStatus.FAILED, refused)
        else:
            self._launch(row)
        return self._document(row), []

    def cancel(
        self, reader: Reader, identifier: int
    ) -> tuple[Mapping[str, Any] | None, list[dict[str, Any]]]:
        row = self._state.bulk(reader.domain, identifier)
        if row is None:
            return None, [{"field": ["id"], "message": "Bulk operation does not exist"}]
        if not self._state.move_bulk(
            identifier, (BulkStatus.CREATED, BulkStatus.RUNNING), BulkStatus.CANCELING
        ):
            message = "A bulk operation cannot be canceled when it is " + self._status(row).lower()
            return self._document(row), [{"field": None, "message": message}]
        return self.row(reader, identifier), []

    def row(self, reader: Reader, identifier: int) -> Mapping[str, Any] | None:
        row = self._state.bulk(reader.domain, identifier)
        return self._document(row) if row else None

    def rows(self, reader: Reader) -> list[Mapping[str, Any]]:
        """Every operation of the shop, oldest first."""
        return [self._document(row) for row in self._state.bulks(reader.domain)]

    def _document(self, row: BulkRow) -> dict[str, Any]:
        status = self._status(row)
        url = f"{row.base_url}/_bulk/{row.file}.jsonl" if row.finished and row.object_count else None
        live = status is not BulkStatus.EXPIRED
        return {
            "id": row.id,
            "type": "QUERY",
            "status": status,
            "query": row.query,
            "error_code": row.error_code,
            "created_at": row.created_at,
            "completed_at": row.completed_at,
            "object_count": str(row.object_count),
            "root_object_count": str(row.root_object_count),
            "file_size": str(row.file_size) if row.file_size is not None and row.object_count else None,
            "url": url if live and row.status is BulkStatus.COMPLETED else None,
            "partial_data_url": url
            if live and row.status in (BulkStatus.FAILED, BulkStatus.CANCELED)
            else None,
        }

    def _status(self, row: BulkRow) -> BulkStatus:
        return BulkStatus.EXPIRED if self.expired(row) else row.status

    def expired(self, row: BulkRow) -> bool:
        """Whether the result's URL no longer works: 7 days after the end, or at once by the switch."""
        if row.completed_at is None or row.status is not BulkStatus.COMPLETED:
            return False
        return self._platform.faults.bulk.expire or datetime.now(UTC) > utc_time(row.completed_at) + URL_LIFE

    def result_file(self, name: str) -> tuple[Path, bool] | None:
        """The file behind a result URL and whether it has expired; None for a name that was never given out."""
        row = self._state.bulk_by_file(name)
        if row is None or not row.finished:
            return None
        path = self.folder / f"{row.file}.jsonl"
        return (path, self.expired(row)) if path.is_file() else None

    # Life of the processes

    def resume(self) -> None:
        """After a start of the server: run unfinished operations again from their beginning, tell of untold ends."""
        for leftover in self.folder.glob("*.part"):
            leftover.unlink()
        for row in self._state.open_bulks():
            if row.finished:
                self._tell(row)
            elif row.status is BulkStatus.CANCELING:
                self._finish(row, BulkStatus.CANCELED, None)
            else:
                self._launch(row)

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            processes = list(self._processes.values())
        for process in processes:
            process.terminate()
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2)

    def _launch(self, row: BulkRow) -> None:
        threading.Thread(target=self._watch, args=(row,), name=f"bulk-{row.id}", daemon=True).start()

    def _watch(self, row: BulkRow) -> None:
        """Run the operation's process to its end, again when it dies, and tell the app."""
        # A server that stops closes the state under this thread; the operation goes on with the next one.
        with contextlib.suppress(sqlite3.ProgrammingError):
            for attempt in range(row.attempts + 1, row.attempts + 1 + MAX_ATTEMPTS):
                known = self._run_once(row, attempt)
                if self._stopping:
                    return
                if known is None or known.finished:
                    break
                if known.status is BulkStatus.CANCELING:
                    self._finish(known, BulkStatus.CANCELED, None)
                    return
            else:
                self._finish(row, BulkStatus.FAILED, "INTERNAL_SERVER_ERROR")
                return
            if known is not None:
                self._tell(known)

    def _run_once(self, row: BulkRow, attempt: int) -> BulkRow | None:
        try:
            shop_file = self._platform.store(row.shop).path
        except UnknownShopError:
            self._finish(row, BulkStatus.FAILED, "INTERNAL_SERVER_ERROR")
            return None
        if not self._state.move_bulk(
            row.id, (BulkStatus.CREATED, BulkStatus.RUNNING), BulkStatus.RUNNING, attempts=attempt
        ):
            return self._state.bulk(row.shop, row.id)
        switches = self._platform.faults.bulk
        if switches.only and json.loads(row.plan)["name"] != switches.only:
            switches = BulkFaults(rows_per_s=switches.rows_per_s)
        orders = {
            "operation": row.id,
            "attempt": attempt,
            "shop_file": str(Path(shop_file).resolve()),
            "state_file": str(self._state.path.resolve()),
            "folder": str(self.folder.resolve()),
            "client": self._platform.app.client_id,
            "parent": os.getpid(),
            "fail_at_line": switches.fail_at_line,
            "rows_per_s": switches.rows_per_s,
            "cut_at_line": switches.cut_at_line,
            "corrupt": {int(line): word for line, word in switches.corrupt.items()},
            "file": switches.file,
            "orders_since": row.orders_since,
        }
        with self._lock:
            if self._stopping:
                return None
            process = subprocess.Popen(
                [sys.executable, "-m", "devstore.bulk_worker"], stdin=subprocess.PIPE, cwd=_ROOT
            )
            self._processes[row.id] = process
        process.communicate(json.dumps(orders).encode())
        with self._lock:
            self._processes.pop(row.id, None)
        (self.folder / f"{row.file}.{attempt}.part").unlink(missing_ok=True)
        return self._state.bulk(row.shop, row.id)

    def _finish(self, row: BulkRow, status: BulkStatus, error_code: str | None) -> None:
        now = utc_text(datetime.now(UTC))
        if self._state.move_bulk(row.id, UNFINISHED, status, error_code=error_code, completed_at=now):
            known = self._state.bulk(row.shop, row.id)
            if known is not None:
                self._tell(known)

    def _tell(self, row: BulkRow) -> None:
        """Send bulk_operations/finish, once."""
        if not self._state.tell_bulk(row.id):
            return
        extra = {
            "status": row.status,
            "error_code": row.error_code,
            "type": "query",
            "created_at": row.created_at,
            "completed_at": row.completed_at,
        }
        with contextlib.suppress(UnknownShopError):
            store = self._platform.store(row.shop)
            self._platform.emit(store, [Change("bulk_operations/finish", "bulk_operation", row.id, extra)])
