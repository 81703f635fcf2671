"""`make bench-budget`: several processes share one shop's rate limit; is it kept to, used up, and fair?

A local Shopify is given a bucket that fills more slowly than the calls come: first their pace without a limit is measured,
then half of it is allowed. Backfill and follow-up threads call without a pause, serving threads now and then. Nothing may
be THROTTLED, 95 % of the points there were must be used, and serving must not wait although everything else does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from redis import Redis

from shopify_app.graphql.throttle import Priority
from shopify_app.local.budget_caller import Plan, Seen
from shopify_app.local.stack import ROOT, free_port, wait_for
from tenancy.embedded import Embedded, default_folder

DOMAIN = "budget.myshopify.com"
CLIENT_ID, SECRET = "shelfwise-bench", "bench-secret"
COUNTER = "bench_budget_calls"
BUCKET = 2000.0
WITHOUT_LIMIT = 1_000_000.0
ALLOWED_SHARE_OF_PACE = 0.5
LONGEST_SERVING_WAIT_S = 0.05
SMALLEST_SHARE_USED = 0.95
THREADS = {Priority.BACKFILL.value: 2, Priority.FOLLOW_UP.value: 1, Priority.SERVING.value: 1}


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the limited calls.

    Args:
        share_used: points spent of all that there were, the full bucket at the start included.
        waits: by class: calls, and the median, 99th percentile and longest time in the queue in milliseconds.
    """

    calls: int
    seconds: float
    throttled: int
    errors: int
    restore_rate: float
    share_used: float
    waits: dict[str, tuple[int, float, float, float]]

    @property
    def missed(self) -> list[str]:
        """What was promised and not kept."""
        serving = self.waits[Priority.SERVING.value]
        kept = {
            f"{self.throttled} calls were THROTTLED": self.throttled == 0,
            f"{self.errors} calls failed": self.errors == 0,
            f"{self.share_used:.1%} of the budget was used": self.share_used >= SMALLEST_SHARE_USED,
            f"serving waited {serving[2]:.0f} ms (99th percentile)": serving[2]
            < LONGEST_SERVING_WAIT_S * 1000,
        }
        return [what for what, good in kept.items() if not good]


@dataclass(frozen=True, slots=True)
class Place:
    """Where to call: a local Shopify whose first shop has the app installed, with the app's credentials, and Redis."""

    devstore: str
    redis_url: str
    client_id: str = CLIENT_ID
    secret: str = SECRET


def measure(
    place: Place,
    *,
    calls: int,
    processes: int,
    seed: int,
    trial_calls: int,
    bucket: float = BUCKET,
    rate: float | None = None,
) -> Figures:
    """Run `trial_calls` without a limit, then `calls` with one: `rate` points a second, or what the trial suggests."""
    with (
        httpx.Client(base_url=place.devstore, timeout=30, trust_env=False) as http,
        Redis.from_url(place.redis_url) as redis,
    ):
        plan = _plan(http, place, calls=trial_calls, seed=seed)
        _forget(redis)
        _limit(http, WITHOUT_LIMIT, WITHOUT_LIMIT)
        _run(plan, processes, place)
        pace = _stats(http)
        points_per_s = pace["actual_points"] / max(0.1, pace["seconds"])
        allowed = rate or round(max(20.0, ALLOWED_SHARE_OF_PACE * points_per_s))
        _forget(redis)
        _limit(http, bucket, allowed)
        began = time.monotonic()
        seen = _run(replace(plan, calls=calls), processes, place)
        seconds = time.monotonic() - began
        stats = _stats(http)
    waits = {
        each.value: _spread([wait for one in seen for wait in one.waits[each.value]]) for each in Priority
    }
    for text in [text for one in seen for text in one.errors][:5]:
        sys.stderr.write(f"{text}\n")
    return Figures(
        calls=int(stats["graphql_calls"]),
        seconds=seconds,
        throttled=int(stats["throttled"]),
        errors=sum(len(one.errors) for one in seen),
        restore_rate=allowed,
        share_used=float(stats["budget_share"]),
        waits=waits,
    )


def _plan(http: httpx.Client, place: Place, *, calls: int, seed: int) -> Plan:
    """Documents of 1 to 354 points on a few objects that are there."""
    grant = {"grant_type": "client_credentials", "client_id": place.client_id, "client_secret": place.secret}
    domain = http.get("/_devstore/shops").raise_for_status().json()["shops"][0]["domain"]
    token = http.post("/admin/oauth/access_token", json=grant).raise_for_status().json()["access_token"]
    query = (
        "{orders(first: 2) {nodes {id}} products(first: 4) {nodes {id}} collections(first: 2) {nodes {id}}}"
    )
    headers = {"X-Shopify-Access-Token": token}
    found = http.post("/admin/api/2026-10/graphql.json", json={"query": query}, headers=headers).json()[
        "data"
    ]
    ids = {
        kind: [each["id"] for each in found[kind]["nodes"]] for kind in ("orders", "products", "collections")
    }
    counts: list[tuple[str, dict[str, Any]]] = [("ShopInfo", {}), ("ObjectCounts", {})]
    quick = [
        *counts,
        *(("ProductById", {"id": each, "variants": 5, "after": None}) for each in ids["products"][:2]),
    ]
    documents = [
        *quick * 5,
        *(("ProductById", {"id": each, "variants": 100, "after": None}) for each in ids["products"]),
        *(("OrderById", {"id": each, "lines": 50, "after": None}) for each in ids["orders"]),
        *(("CollectionById", {"id": each, "products": 250, "after": None}) for each in ids["collections"]),
    ]
    counter = f"{_prefix()}:{COUNTER}"
    return Plan(domain, token, counter, calls, documents, quick, THREADS, 0.2, seed)


def _prefix() -> str:
    return os.environ.get("REDIS_PREFIX") or "shelfwise"


def _forget(redis: Redis) -> None:
    """Begin the count at 0, and with a bucket that nothing is known of."""
    for pattern in ("api_bucket:*", COUNTER):
        for key in redis.scan_iter(match=f"{_prefix()}:{pattern}"):
            redis.delete(key)


def _limit(http: httpx.Client, bucket: float, rate: float) -> None:
    faults = {"api": {"bucket": bucket, "restore_rate": rate}}
    http.post("/_devstore/faults", json=faults).raise_for_status()
    http.delete("/_devstore/stats").raise_for_status()


def _stats(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/_devstore/stats").raise_for_status().json()["shops"]
    (stats,) = found.values()
    return dict(stats)


def _run(plan: Plan, processes: int, place: Place) -> list[Seen]:
    environment = {
        **os.environ,
        "SHELFWISE_LOCAL": "1",
        "SHOPIFY_SHOP_ORIGIN": place.devstore,
        "REDIS_URL": place.redis_url,
        "API_HEADROOM_PERCENT": "0",
        "API_LEGACY_REST": "0",
        "LOG_LEVEL": "ERROR",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "shopify_app.local.budget_caller"]
    started = [
        subprocess.Popen(
            command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    try:
        for number, each in enumerate(started):
            assert each.stdin is not None
            each.stdin.write(json.dumps(asdict(replace(plan, seed=plan.seed * 1000 + number))))
            each.stdin.close()
            each.stdin = None
        return [Seen(**json.loads(each.communicate()[0])) for each in started]
    finally:
        for each in started:
            if each.poll() is None:
                each.kill()
                each.wait()


def _spread(waits: Sequence[float]) -> tuple[int, float, float, float]:
    if not waits:
        return 0, 0.0, 0.0, 0.0
    inorder = sorted(each * 1000 for each in waits)
    last = len(inorder) - 1
    return len(inorder), inorder[last // 2], inorder[int(last * 0.99)], inorder[-1]


@contextlib.contextmanager
def _local_shopify(folder: Path, port: int) -> Iterator[str]:
    devstore = [sys.executable, "-m", "devstore"]
    data = ["--data", str(folder)]
    generate = ["generate", *data, "--shop", DOMAIN, "--orders", "200", "--months", "3", "--seed", "7"]
    subprocess.run([*devstore, *generate], cwd=ROOT, check=True, capture_output=True)
    log = folder / "devstore.log"
    serve = [
        "serve", *data, "--port", str(port), "--app-toml", str(ROOT / "shopify.app.toml"),
        "--client-id", CLIENT_ID, "--client-secret", SECRET, "--app-url", "http://127.0.0.1:9",
    ]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen([*devstore, *serve], cwd=ROOT, stdout=out, stderr=out)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/_devstore/health", log=log)
            httpx.post(f"{url}/_devstore/shops/{DOMAIN}/install", json={}, trust_env=False).raise_for_status()
            yield url
        finally:
            process.terminate()
            process.wait(timeout=15)


def report(figures: Figures) -> str:
    lines = [
        f"calls                {figures.calls:>10,}  in {figures.seconds:.0f} s",
        f"THROTTLED            {figures.throttled:>10,}",
        f"failed               {figures.errors:>10,}",
        f"restored points/s    {figures.restore_rate:>10,.0f}  (bucket {BUCKET:,.0f}, headroom 0)",
        f"budget used          {figures.share_used:>10.1%}",
        "time in the queue, ms       calls    median       p99   longest",
    ]
    for name, (count, median, high, longest) in figures.waits.items():
        lines.append(f"  {name:<18} {count:>12,} {median:>9.1f} {high:>9.1f} {longest:>9.1f}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-budget", description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=9392, help="of the local Shopify, if free (9392)")
    parser.add_argument("--rate", type=float, help="restored points a second (half of what a trial spends)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    services = Embedded(default_folder() / "bench")
    with (
        services.held("valkey"),
        tempfile.TemporaryDirectory() as folder,
        _local_shopify(Path(folder), free_port(given.port)) as devstore,
    ):
        figures = measure(
            Place(devstore, services.redis_url),
            calls=given.calls,
            processes=given.processes,
            seed=given.seed,
            trial_calls=max(200, given.calls // 20),
            rate=given.rate,
        )
    sys.stdout.write((json.dumps(asdict(figures)) if given.json else report(figures)) + "\n")
    for each in figures.missed:
        sys.stderr.write(f"missed: {each}\n")
    return 1 if figures.missed else 0


if __name__ == "__main__":
    sys.exit(main())
