"""What the app's tables say after a kill drill, held against what was promised."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import psycopg
import redis

from shopify_app.local.merchant import Merchant
from shopify_app.local.stack import Stack
from tenancy import fence

# Each must be 0. Repeats are asked of what a person would count twice, not of the keys that a constraint guards anyway.
MUST_BE_NONE = {
    "import jobs not done": "select count(*) from sync_importjob where state <> 'done'",
    "rows left in staging": "select count(*) from sync_stagedrow",
    "jobs still leased": "select count(*) from sync_importjob where lease_token <> ''",
    "deliveries not worked off": "select count(*) from webhooks_inboxdelivery where state <> 'done'",
    "training runs not done": "select count(*) from training_trainingrun where state <> 'done'",
    "runs by the import beside one of each kind": "select abs(count(*) - 2) from training_trainingrun where actor = 'system:import'",
    "runs with more than one version": "select count(*) from (select run_id from registry_version group by 1 having count(*) > 1) t",
    "gaps in the version numbers": "select coalesce(sum(gaps), 0) from"
    " (select max(number) - count(*) as gaps from registry_version group by shop_id, use_case) t",
    "slots not served by the last version": "select count(*) from deployments_slot s join registry_version v"
    " on v.id = s.version_id where v.number <> (select max(number) from registry_version o"
    " where o.shop_id = v.shop_id and o.use_case = v.use_case)",
    "events logged twice": "select count(*) - count(distinct (kind, subject_id, version_at, payload)) from features_event",
    "order lines that count twice": "select count(*) from (select order_id, line_id from features_outcome"
    " where kind = 'order' group by 1, 2 having count(*) > 1) t",
    "outcomes without their exposure": "select count(*) from features_outcome o where not exists"
    " (select from features_exposure e where e.shop_id = o.shop_id and e.exposure_id = o.exposure_id)",
}
GOOD = frozenset(
    f"{who} {what}" for who in ("storefront", "admin") for what in (200, 502, 503, "unreachable")
)
# An exposure leaves the web process some milliseconds after its answer; a kill in between costs those of that moment.
LOST_PER_WEB_KILL = 3
QUIET_WITHIN_S = 60.0


class Books:
    def __init__(self, stack: Stack, merchant: Merchant) -> None:
        self._merchant = merchant
        self._database = psycopg.connect(
            os.environ.get("DATABASE_URL") or stack.embedded.database_url,
            autocommit=True,
            options=fence.EVERY_ROW,
        )
        self._redis = redis.Redis.from_url(os.environ.get("REDIS_URL") or stack.embedded.redis_url)

    def wait_until_quiet(self) -> None:
        """Return when nothing is under way any more, or after a minute: then the findings name what is."""
        deadline = time.monotonic() + QUIET_WITHIN_S
        while time.monotonic() < deadline and (self._broken_promises() or self._left_in_redis()):
            time.sleep(0.5)

    def findings(
        self, *, placed: Sequence[str], shown: Sequence[str], statuses: Counter[str], web_kills: int
    ) -> list[str]:
        """What is wrong, in words; empty when nothing is.

        Args:
            placed: names of the orders that the store confirmed.
            shown: exposure ids of good answers, asked for one at a time.
            statuses: of all answers, as `storefront 200`.
            web_kills: how often the web server or one of its processes was killed.
        """
        found = [*self._broken_promises(), *self._left_in_redis()]
        known = {row[0] for row in self._all("select name from features_order")}
        missing = [name for name in placed if name not in known]
        if missing:
            found.append(f"{len(missing)} placed orders never arrived: {', '.join(missing[:5])}")
        bad = {status: count for status, count in statuses.items() if status not in GOOD}
        if bad:
            found.append(f"answers that must not be: {bad}")
        deliveries = self._merchant.store("deliveries?limit=1")["counts"]
        if deliveries["pending"] or deliveries["failed"]:
            found.append(f"deliveries: {deliveries}")
        lost = self.lost(shown)
        if lost > LOST_PER_WEB_KILL * web_kills:
            found.append(f"{lost} of {len(shown)} exposures were not recorded")
        return found

    def missing_orders(self, order_ids: Sequence[int]) -> list[int]:
        """Those of these orders that the app does not have."""
        query = "select order_id from features_order where order_id = any(%s)"
        return sorted(set(order_ids) - {row[0] for row in self._database.execute(query, [list(order_ids)])})

    def lost(self, shown: Sequence[str]) -> int:
        """How many of these exposures are not in the table."""
        query = "select exposure_id from features_exposure where exposure_id = any(%s)"
        return len(set(shown) - {row[0] for row in self._database.execute(query, [list(shown)])})

    def _broken_promises(self) -> list[str]:
        counts = {what: self._all(query)[0][0] for what, query in MUST_BE_NONE.items()}
        return [f"{what}: {count}" for what, count in counts.items() if count]

    def _left_in_redis(self) -> list[str]:
        prefix = os.environ.get("REDIS_PREFIX", "shelfwise")
        left = {
            "exposures waiting": self._redis.xlen(f"{prefix}:bus:exposures"),
            "products owed to the copy": self._redis.zcard(f"{prefix}:owed"),
        }
        return [f"{what}: {count}" for what, count in left.items() if count]

    def _all(self, query: str) -> list[tuple[Any, ...]]:
        return self._database.execute(query).fetchall()
