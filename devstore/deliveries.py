"""Webhook deliveries: written down first, then sent in the background until they are taken or have failed for good."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import logging
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import anyio.to_thread
import httpx

from devstore.faults import Dice, WebhookFaults
from devstore.ledger import Ledger

MAX_RETRIES = 8
CONNECT_TIMEOUT_S = 1.0
TOTAL_TIMEOUT_S = 5.0
CONCURRENCY = 16
LONG_SLEEP_S = 3600.0
ERROR_PAUSE_S = 0.5
KEEP_FINISHED_S = 7 * 86_400

_log = logging.getLogger(__name__)


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True)
class Destination:
    """Where one subscription wants its webhooks; `subscription_id` is set for a shop-specific one."""

    uri: str
    api_version: str
    name: str | None = None
    include_fields: tuple[str, ...] = ()
    subscription_id: int | None = None


def webhook_hmac(secret: str, body: bytes) -> str:
    """base64(HMAC-SHA256(secret, raw body)): https://shopify.dev/docs/apps/build/webhooks/verify-deliveries"""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def only_fields(body: Mapping[str, Any], include: Sequence[str]) -> dict[str, Any]:
    """The body cut down to `include_fields`: top-level names, or dotted paths that also reach into lists of objects."""
    if not include:
        return dict(body)
    heads: dict[str, list[str]] = {}
    for path in include:
        head, _, rest = path.partition(".")
        heads.setdefault(head, []).append(rest)
    cut: dict[str, Any] = {}
    for head, rests in heads.items():
        if head not in body:
            continue
        value, deeper = body[head], [] if "" in rests else rests
        if deeper and isinstance(value, Mapping):
            value = only_fields(value, deeper)
        elif deeper and isinstance(value, list):
            value = [only_fields(item, deeper) if isinstance(item, Mapping) else item for item in value]
        cut[head] = value
    return cut


def delivery_headers(
    row: Mapping[str, Any] | sqlite3.Row, secret: str, *, new_headers: bool
) -> dict[str, str]:
    """The headers of one delivery: `X-Shopify-*` of webhooks or `shopify-*` of Events."""
    prefix = "shopify-" if new_headers else "X-Shopify-"
    triggered = datetime.fromtimestamp(row["triggered_at"], UTC).isoformat(timespec="microseconds")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Shopify-Captain-Hook",
        f"{prefix}Topic": row["topic"],
        f"{prefix}Hmac-Sha256": webhook_hmac(secret, row["body"]),
        f"{prefix}Shop-Domain": row["shop"],
        f"{prefix}API-Version": row["api_version"],
        f"{prefix}Webhook-Id": row["webhook_id"],
        f"{prefix}Event-Id": row["event_id"],
        f"{prefix}Triggered-At": triggered.replace("+00:00", "Z"),
    }
    if row["name"]:
        headers[f"{prefix}Name"] = row["name"]
    return {key.lower(): value for key, value in headers.items()} if new_headers else headers


class Deliveries:
    """The queue and its sender. `add`, `flush` and the listings may be called from any thread."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        secret: str,
        faults: Callable[[], WebhookFaults],
        dice: Callable[[], Dice],
        on_failed: Callable[[str, int], object],
    ) -> None:
        """`on_failed(shop, subscription_id)` hears of a shop-specific subscription whose delivery failed for good."""
        self._ledger = ledger
        self._secret = secret
        self._faults = faults
        self._dice = dice
        self._on_failed = on_failed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._in_flight: dict[int, asyncio.Task[None]] = {}
        ledger.execute(
            "DELETE FROM deliveries WHERE state != 'pending' AND finished_at < ?",
            (time.time() - KEEP_FINISHED_S,),
        )

    def add(
        self,
        shop: str,
        topic: str,
        body: Mapping[str, Any],
        destinations: Iterable[Destination],
        *,
        now: float,
        after_s: float = 0.0,
    ) -> int:
        """Write down one event for each destination, with one Event-Id and a Webhook-Id each; returns how many.

        The switches that drop, double, delay and reorder decide here, so their effect can be read in the listing.
        """
        faults, dice, event_id = self._faults(), self._dice(), str(uuid.uuid4())
        rows: list[tuple[Any, ...]] = []
        for destination in destinations:
            cut = only_fields(body, destination.include_fields)
            raw = json.dumps(cut, separators=(",", ":"), ensure_ascii=False).encode()
            dropped = dice.chance(faults.drop)
            due = now + after_s
            if dice.chance(faults.delay_rate):
                due += faults.delay_s
            if dice.chance(faults.reorder):
                due += dice.upto(faults.reorder_window_s)
            webhook_id = str(uuid.uuid4())
            for duplicate in range(2 if not dropped and dice.chance(faults.double) else 1):
                rows.append(
                    (
                        webhook_id,
                        event_id,
                        shop,
                        topic,
                        destination.uri,
                        destination.name,
                        destination.subscription_id,
                        destination.api_version,
                        raw,
                        now,
                        (DeliveryState.DROPPED if dropped else DeliveryState.PENDING).value,
                        duplicate,
                        None if dropped else due,
                        now if dropped else None,
                    )
                )
        with self._ledger.transaction() as tx:
            tx.executemany(
                "INSERT INTO deliveries (webhook_id, event_id, shop, topic, uri, name, subscription_id, api_version,"
                " body, triggered_at, state, duplicate, next_attempt_at, finished_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
        self.wake()
        return len(rows)

    def cancel(self, shop: str, topic: str, *, now: float, reason: str) -> int:
        """Take back what is still waiting, such as a shop/redact after a reinstall."""
        return self._ledger.execute(
            "UPDATE deliveries SET state = 'dropped', last_error = ?, finished_at = ?"
            " WHERE shop = ? AND topic = ? AND state = 'pending'",
            (reason, now, shop, topic),
        )

    def flush(self) -> int:
        """Make everything that waits (for a delay, a retry) due now; returns how many."""
        count = self._ledger.execute("UPDATE deliveries SET next_attempt_at = 0 WHERE state = 'pending'")
        self.wake()
        return count

    def wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    def counts(self, shop: str | None = None) -> dict[str, int]:
        found = {state.value: 0 for state in DeliveryState}
        for row in self._ledger.rows(
            "SELECT state, count(*) AS n FROM deliveries WHERE ? IS NULL OR shop = ? GROUP BY state",
            (shop, shop),
        ):
            found[row["state"]] = row["n"]
        return found

    def listing(
        self, *, shop: str | None = None, state: str | None = None, topic: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """The newest deliveries first, bodies parsed."""
        rows = self._ledger.rows(
            "SELECT * FROM deliveries WHERE (:shop IS NULL OR shop = :shop) AND (:state IS NULL OR state = :state)"
            " AND (:topic IS NULL OR topic = :topic) ORDER BY id DESC LIMIT :limit",
            {"shop": shop, "state": state, "topic": topic, "limit": limit},
        )
        return [{**dict(row), "body": json.loads(row["body"])} for row in rows]

    async def start(self) -> None:
        """Begin to send; what an earlier run left pending goes on."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="webhook deliveries")

    async def stop(self) -> None:
        """Stop at once. A delivery cut off in mid-flight stays pending and is sent again by the next run."""
        tasks = [task for task in (self._task, *self._in_flight.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loop, self._task = None, None

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY)
        timeout = httpx.Timeout(TOTAL_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        async with httpx.AsyncClient(
            timeout=timeout, limits=limits, follow_redirects=False, trust_env=False
        ) as client:
            while True:
                self._wake.clear()
                try:
                    wait = await self._send_due(client)
                except sqlite3.Error:
                    _log.exception("the deliveries cannot be read; trying again")
                    wait = ERROR_PAUSE_S
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), timeout=wait)

    async def _send_due(self, client: httpx.AsyncClient) -> float:
        """Start attempts up to the limit; how many seconds to sleep unless woken by a new or finished one."""
        now = time.time()
        due, next_at = await anyio.to_thread.run_sync(self._due, now, frozenset(self._in_flight))
        for row in due[: CONCURRENCY - len(self._in_flight)]:
            self._in_flight[row["id"]] = asyncio.create_task(self._attempt(client, row))
        if next_at is None or len(self._in_flight) >= CONCURRENCY:
            return LONG_SLEEP_S
        return min(max(0.0, next_at - now), LONG_SLEEP_S)

    def _due(self, now: float, flying: frozenset[int]) -> tuple[list[sqlite3.Row], float | None]:
        """Deliveries to send now, oldest first, and when the next one after them is due; both without those in flight."""
        due = self._ledger.rows(
            "SELECT * FROM deliveries WHERE state = 'pending' AND next_attempt_at <= ? ORDER BY next_attempt_at, id LIMIT ?",
            (now, 2 * CONCURRENCY),
        )
        later = self._ledger.row(
            "SELECT min(next_attempt_at) AS at FROM deliveries WHERE state = 'pending' AND next_attempt_at > ?",
            (now,),
        )
        return [row for row in due if row["id"] not in flying], later["at"] if later else None

    async def _attempt(self, client: httpx.AsyncClient, row: sqlite3.Row) -> None:
        try:
            status, error = await self._post(client, row)
            await anyio.to_thread.run_sync(self._settle, row, status, error)
        except sqlite3.Error:
            _log.exception("the outcome of delivery %s was lost; it is sent again", row["id"])
            await asyncio.sleep(ERROR_PAUSE_S)
        finally:
            self._in_flight.pop(row["id"], None)
            self._wake.set()

    async def _post(self, client: httpx.AsyncClient, row: sqlite3.Row) -> tuple[int | None, str | None]:
        """The HTTP status if there was an answer, and what was wrong, if anything."""
        headers = delivery_headers(row, self._secret, new_headers=self._faults().new_headers)
        try:
            async with asyncio.timeout(TOTAL_TIMEOUT_S):
                response = await client.post(row["uri"], content=row["body"], headers=headers)
        except TimeoutError:
            return None, f"no answer within {TOTAL_TIMEOUT_S:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as failure:
            return None, f"{type(failure).__name__}: {failure}"[:300]
        return response.status_code, None if response.is_success else f"answered {response.status_code}"

    def _settle(self, row: sqlite3.Row, status: int | None, error: str | None) -> None:
        attempts, now = row["attempts"] + 1, time.time()
        if error is None:
            state, next_at = DeliveryState.DELIVERED, None
        elif attempts > MAX_RETRIES:
            state, next_at = DeliveryState.FAILED, None
        else:
            state, next_at = DeliveryState.PENDING, now + self._faults().retry_base_s * 2 ** (attempts - 1)
        self._ledger.execute(
            "UPDATE deliveries SET state = ?, attempts = ?, next_attempt_at = ?, last_status = ?, last_error = ?,"
            " finished_at = ? WHERE id = ? AND state = 'pending'",
            (state.value, attempts, next_at, status, error, None if next_at else now, row["id"]),
        )
        if state is DeliveryState.FAILED and row["subscription_id"] is not None:
            self._on_failed(row["shop"], row["subscription_id"])
