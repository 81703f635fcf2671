"""`make chaos-ingest`: an hour of a shop compressed into minutes, while everything on the way to the event log fails.

3 % of the deliveries are lost, 5 % come twice, 10 % late (half of them a day late: after everything else), all in random
order; 2 % of the Admin API's answers are errors and 2 % THROTTLED; web, worker, Redis and Postgres are killed with SIGKILL
at random. Then one reconciliation. Afterwards every row of the store is held against the app's: the difference must be
nothing, no event twice, nothing under way for ever. One line of the scorecard is one seed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from shopify_app.local.chaos_books import ChaosBooks
from shopify_app.local.chaos_day import Day
from shopify_app.local.demo import end_once_by_signal
from shopify_app.local.journey import Journey, StepFailed
from shopify_app.local.kill_drill import Killer
from shopify_app.local.merchant import AnsweredBadly, Merchant
from shopify_app.local.processes import FolderInUse, Supervisor
from shopify_app.local.stack import ROOT, DidNotStart, Stack
from shopify_app.local.terminal import Terminal
from tenancy.embedded import EmbeddedServiceError, default_folder

SHOP = "chaos-ingest.myshopify.com"
POINTS_PER_S = 100.0  # of a Standard plan
API = {"error_rate": 0.02, "throttle_rate": 0.02}
LOST_AND_DOUBLED = {
    "drop": 0.03,
    "double": 0.05,
    "reorder": 1.0,
    "reorder_window_s": 5.0,
    "delay_rate": 0.10,
    "retry_base_s": 0.5,
}
SOME_SECONDS, A_DAY_LATE = 10.0, 86_400.0
QUIET_WITHIN_S = 120.0
COLUMNS = (
    "seed",
    "things",
    "deliveries",
    "lost",
    "kills",
    "wrong before",
    "wrong after",
    "wrong at the end",
    "left open",
    "seconds",
)


def run(
    seed: int, given: argparse.Namespace, terminal: Terminal, supervisor: Supervisor, stack: Stack
) -> dict[str, Any]:
    """One seed on a started stack; the facts of its line."""
    began = time.monotonic()
    merchant = Merchant(app_url=stack.app_url, devstore_url=stack.devstore_url, shop=SHOP, patience_s=90.0)
    journey = Journey(merchant, terminal, marked=supervisor.marked())
    rng = random.Random(seed)  # noqa: S311 - no secret
    # The Admin API's points come back at the pace of the day's clock too.
    api = {**API, "restore_rate": POINTS_PER_S * 60.0 / given.minutes}
    merchant.tell_store("faults", seed=seed, api=api, bulk={"rows_per_s": given.orders / 6})
    journey.install()
    killer = Killer(supervisor, stack, rng, terminal)
    try:
        with terminal.step("the history flows in, under fire"):
            journey.import_history()
        day = Day(merchant, rng)
        with terminal.step(f"an hour of the shop in {given.minutes:g} minutes, under fire"):
            for delay_s in (SOME_SECONDS, A_DAY_LATE):
                merchant.tell_store("faults", webhooks={**LOST_AND_DOUBLED, "delay_s": delay_s})
                day.live(until=time.monotonic() + given.minutes * 30, pause_s=given.pause)
    finally:
        killer.stop()
    with terminal.step("what is on its way arrives"):
        merchant.tell_store("faults", webhooks={"drop": 0, "double": 0, "reorder": 0, "delay_rate": 0})
        _arrive(merchant)
        journey.settle_training()
    books = ChaosBooks(stack, merchant)
    books.wait_until_quiet()
    before = books.difference()
    with terminal.step("one reconciliation, the API failing still"):
        told = stack.manage("reconcile", SHOP, marked=supervisor.marked())
        terminal.note(told.strip().replace("\n", "\n    "))
        books.wait_until_quiet()
    after = books.difference()
    with terminal.step("the deliveries that are a day late"):
        late = _pending(merchant)
        merchant.tell_store("deliveries/flush", wait_s=60)
        books.wait_until_quiet()
    counts = merchant.store("deliveries?limit=1")["counts"]
    return {
        "seed": seed,
        "things": dict(day.done),
        "deliveries": counts,
        "a_day_late": late,
        "kills": dict(killer.kills),
        "wrong_before": before,
        "wrong_after": after,
        "wrong_at_the_end": books.difference(),
        "left_open": books.left_open(),
        "seconds": round(time.monotonic() - began, 1),
    }


def passed(line: dict[str, Any]) -> bool:
    return not (line["wrong_after"] or line["wrong_at_the_end"] or line["left_open"])


def table(lines: list[dict[str, Any]]) -> str:
    """The scorecard, a line a seed."""

    def cells(line: dict[str, Any]) -> list[str]:
        lost = f"{line['deliveries']['dropped']} + {line['a_day_late']} late"
        sums = [
            sum(line[name].values())
            for name in ("things", "kills", "wrong_before", "wrong_after", "wrong_at_the_end")
        ]
        return [
            str(line["seed"]), str(sums[0]), str(sum(line["deliveries"].values())), lost, str(sums[1]), str(sums[2]),
            str(sums[3]), str(sums[4]), str(len(line["left_open"])), f"{line['seconds']:.0f}",
        ]  # fmt: skip

    rows = [list(COLUMNS), *map(cells, lines)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def _pending(merchant: Merchant) -> int:
    return int(merchant.store("deliveries?limit=1")["counts"]["pending"])


def _arrive(merchant: Merchant) -> None:
    """Wait until nothing but what is a day late is still to be delivered."""
    deadline = time.monotonic() + QUIET_WITHIN_S
    while time.monotonic() < deadline:
        waiting = merchant.store("deliveries?state=pending&limit=1000")["deliveries"]
        if all(each["next_attempt_at"] > time.time() + 3600 for each in waiting):
            return
        time.sleep(0.5)


def start_fresh(stack: Stack, supervisor: Supervisor, data: Path, *, orders: int, seed: int) -> None:
    stack.manage("erase_shop", SHOP, "--yes", marked=supervisor.marked())
    shutil.rmtree(data, ignore_errors=True)
    command = [sys.executable, "-m", "devstore", "generate", "--data", str(data), "--shop", SHOP]
    command += ["--orders", str(orders), "--months", "12", "--seed", str(seed)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="make chaos-ingest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="1,2,3,4,5", help="one run each; default: %(default)s")
    parser.add_argument("--minutes", type=float, default=1.5, help="for the hour; default: %(default)s")
    parser.add_argument(
        "--orders", type=int, default=3000, help="of the store before it; default: %(default)s"
    )
    parser.add_argument(
        "--pause", type=float, default=0.05, help="seconds between two things; default: %(default)s"
    )
    parser.add_argument("--port", type=int, default=8200, help="the app's port; default: %(default)s")
    parser.add_argument("--devstore-port", type=int, default=9492, help="default: %(default)s")
    given = parser.parse_args(arguments)
    try:
        seeds = [int(each) for each in given.seeds.split(",")]
    except ValueError:
        parser.error("--seeds takes whole numbers, separated by commas")
    terminal, folder, ended_by = Terminal(), default_folder() / "chaos-ingest", end_once_by_signal()
    lines: list[dict[str, Any]] = []
    try:
        for seed in seeds:
            supervisor = Supervisor(folder, say=terminal.note)
            stack = Stack(folder, given.port, given.devstore_port)
            with stack.services(supervisor):
                with terminal.step(
                    f"seed {seed}: a store of {given.orders:,} orders and everything that serves it"
                ):
                    start_fresh(stack, supervisor, folder / "devstore", orders=given.orders, seed=seed)
                    stack = stack.on_free_ports(terminal.note)
                    stack.start_devstore(supervisor, folder / "devstore")
                    stack.start_app(supervisor)
                lines.append(run(seed, given, terminal, supervisor, stack))
            (folder / "scorecard.json").write_text(json.dumps(lines, indent=2))
            terminal.note(json.dumps(lines[-1]))
    except (DidNotStart, EmbeddedServiceError, FolderInUse, StepFailed, AnsweredBadly) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + ended_by[0]
    print(f"\n{table(lines)}\n")
    print("passed" if all(map(passed, lines)) else f"FAILED; the facts are in {folder / 'scorecard.json'}")
    return 0 if all(map(passed, lines)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
