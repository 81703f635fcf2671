"""`make bench-webhooks`: how soon a webhook is answered at 200 deliveries a second while a history is imported.

A local Shopify with a large store is installed on the product as it runs (web server, workers, clock, Postgres, Valkey);
while its history comes in, signed deliveries of orders (one in twenty twice) and a view that returns a constant are asked in
turn at the same rate. Then one delivery is brought 10,000 times at once. Every distinct delivery must be kept exactly once, and worked off in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from shopify_app.local.delivery_load import Plan, Seen
from shopify_app.local.demo import end_once_by_signal
from shopify_app.local.journey import Journey, StepFailed
from shopify_app.local.merchant import AnsweredBadly, Merchant
from shopify_app.local.processes import FolderInUse, Supervisor
from shopify_app.local.stack import ROOT, DidNotStart, Stack
from shopify_app.local.terminal import Terminal
from tenancy import fence
from tenancy.embedded import EmbeddedServiceError, default_folder

SHOP = "bench-webhooks.myshopify.com"
FLOOR, DELIVERIES = "constant view", "webhook"
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- bench-webhooks: begin -->", "<!-- bench-webhooks: end -->"
LONGEST_P99_MS = 50.0
CONNECTIONS = 16
COPIES = 10_000
PATIENCE_S = 300.0
# Any ids will do: an order may name a product that is not there yet.
PRODUCTS = range(7_000_000_000_000, 7_000_000_000_200)


@dataclass(frozen=True, slots=True)
class Row:
    """The answers of one address, milliseconds."""

    name: str
    answers: int
    p50: float
    p95: float
    p99: float
    longest: float
    failed: int


def row(name: str, seen: Sequence[Seen]) -> Row:
    inorder = sorted(each / 1000 for one in seen for each in one.latencies_us)
    last = len(inorder) - 1

    def at(share: float) -> float:
        return inorder[int(last * share)] if inorder else float("inf")

    failed = sum((Counter(one.failed) for one in seen), Counter())
    return Row(name, len(inorder), at(0.5), at(0.95), at(0.99), at(1.0), failed.total())


def bench(given: argparse.Namespace, terminal: Terminal, supervisor: Supervisor, stack: Stack) -> list[Row]:
    """Measure on a started stack.

    Raises:
        StepFailed: the import was over too soon, or a delivery was lost or kept twice.
    """
    merchant = Merchant(app_url=stack.app_url, devstore_url=stack.devstore_url, shop=SHOP, patience_s=60.0)
    Journey(merchant, terminal, marked=supervisor.marked()).install()
    _wait_for_reading(merchant)
    seen: dict[str, list[Seen]] = {FLOOR: [], DELIVERIES: []}
    number = 1
    for turn in range(given.rounds + 1):
        for name, path in ((FLOOR, "/bench/constant"), (DELIVERIES, "")):
            plan = Plan(
                stack.app_port, path, given.rate, given.seconds if turn else 1.0, CONNECTIONS, SHOP, stack.secret, number,
                list(PRODUCTS),
            )  # fmt: skip
            found = _send(plan, supervisor)
            number += found.distinct
            if turn:  # the first one warms connections and pages up
                seen[name].append(found)
        terminal.progress(f"round {turn} of {given.rounds}")
    if merchant.ask("overview")["history_import"]["state"] == "done":
        raise StepFailed("the import ended before the measurement did: take more orders or less time")
    flood = Plan(
        stack.app_port, "", 1e6, 0.0, CONNECTIONS, SHOP, stack.secret, number, list(PRODUCTS), copies=COPIES
    )
    began = time.monotonic()
    flooded = _send(flood, supervisor)
    if len(flooded.latencies_us) != COPIES:
        raise StepFailed(f"of {COPIES:,} copies at once {flooded.failed} were not answered 200")
    terminal.note(f"{COPIES:,} copies of one delivery at once: answered in {time.monotonic() - began:.1f} s")
    terminal.note("the import is still running; waiting until every delivery is worked off")
    _check(stack, number)
    return [row(name, found) for name, found in seen.items()]


def _send(plan: Plan, supervisor: Supervisor) -> Seen:
    done = subprocess.run(
        [sys.executable, "-m", "shopify_app.local.delivery_load"],
        input=json.dumps(asdict(plan)), capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, **supervisor.marked()},
    )  # fmt: skip
    if done.returncode:
        raise StepFailed(f"the load generator failed:\n{done.stderr[-1500:]}")
    return Seen(**json.loads(done.stdout))


def _wait_for_reading(merchant: Merchant) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if "reading" in {each["phase"] for each in merchant.ask("overview")["history_import"]["resources"]}:
            return
        time.sleep(0.2)
    raise StepFailed("the import did not begin to read")


def _check(stack: Stack, sent: int) -> None:
    """Each distinct delivery is one row, and is worked off."""
    until = time.monotonic() + PATIENCE_S
    with psycopg.connect(
        os.environ.get("DATABASE_URL") or stack.embedded.database_url,
        autocommit=True,
        options=fence.EVERY_ROW,
    ) as database:
        while True:
            found: dict[str, int] = dict(
                database.execute(
                    "select state, count(*) from webhooks_inboxdelivery where webhook_id like 'bench-%' group by state"
                ).fetchall()
            )
            if found == {"done": sent}:
                return
            if sum(found.values()) != sent or time.monotonic() > until:
                raise StepFailed(
                    f"{sent:,} distinct deliveries were answered, of which the inbox tells {found}"
                )
            time.sleep(0.5)


def table(rows: Sequence[Row]) -> list[str]:
    head = "| address | answers | p50 ms | p95 ms | p99 ms | longest ms | failed |"
    lines = [head, "| --- |" + " ---: |" * 6]
    for each in rows:
        figures = " | ".join(f"{value:.1f}" for value in (each.p50, each.p95, each.p99, each.longest))
        lines.append(f"| {each.name} | {each.answers:,} | {figures} | {each.failed} |")
    return lines


def write(rows: Sequence[Row], given: argparse.Namespace) -> None:
    """Replace the part of the benchmarks page between the marks."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    about = (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores shared by everything; "
        f"{given.rate:g} requests a second, {given.rounds} rounds of {given.seconds:g} s for each address, while a history of "
        f"{given.orders:,} orders was imported."
    )
    PAGE.write_text("\n".join([f"{before}{BEGIN}", about, "", *table(rows), f"{END}{after}"]))


def start_fresh(stack: Stack, supervisor: Supervisor, data: Path, orders: int) -> None:
    stack.manage("erase_shop", SHOP, "--yes", marked=supervisor.marked())
    shutil.rmtree(data, ignore_errors=True)
    command = [sys.executable, "-m", "devstore", "generate", "--data", str(data), "--shop", SHOP]
    command += ["--orders", str(orders), "--months", "18", "--seed", "1"]
    subprocess.run(
        command, cwd=ROOT, env={**os.environ, **supervisor.marked()}, check=True, capture_output=True
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make bench-webhooks", description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second (200)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each window (5)")
    parser.add_argument("--rounds", type=int, default=3, help="windows of each address (3)")
    parser.add_argument("--orders", type=int, default=100_000, help="of the store that is imported (100,000)")
    parser.add_argument("--port", type=int, default=8200, help="the app's port, if free (8200)")
    parser.add_argument("--devstore-port", type=int, default=9492, help="if free (9492)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md too")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--targets", action="store_true", help="fail when the 99th percentile is 50 ms or more"
    )
    given = parser.parse_args(arguments)
    terminal = Terminal()
    folder = default_folder() / "bench-webhooks"
    ended_by = end_once_by_signal()
    try:
        supervisor = Supervisor(folder, say=terminal.note)
        stack = Stack(folder, given.port, given.devstore_port)
        with stack.services(supervisor):
            with terminal.step(f"a store of {given.orders:,} orders and everything that serves it"):
                start_fresh(stack, supervisor, folder / "devstore", given.orders)
                stack = stack.on_free_ports(terminal.note)
                stack.start_devstore(supervisor, folder / "devstore")
                stack.start_app(supervisor, door="storefront_proxy.bench.wsgi:application")
            rows = bench(given, terminal, supervisor, stack)
    except (DidNotStart, EmbeddedServiceError, FolderInUse, StepFailed, AnsweredBadly) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + ended_by[0]
    print(json.dumps([asdict(each) for each in rows]) if given.json else "\n".join(table(rows)))
    if given.write:
        write(rows, given)
    failed = sum(each.failed for each in rows)
    slow = rows[-1].p99 >= LONGEST_P99_MS
    if slow:
        print(f"missed: p99 {rows[-1].p99:.1f} ms, wanted below {LONGEST_P99_MS:g}", file=sys.stderr)
    return 1 if failed else 3 if slow and given.targets else 0


if __name__ == "__main__":
    raise SystemExit(main())
