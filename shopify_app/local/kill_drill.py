"""`make kill-drill`: kills everything that runs, at random and without warning, and counts what was lost.

A store is generated, imported, trained on and shopped in while processes and servers are killed with SIGKILL. Afterwards
the books of the local Shopify, which is killed too but keeps its own, are compared with the app's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

from shopify_app.local.demo import end_once_by_signal
from shopify_app.local.drill_books import Books
from shopify_app.local.journey import Journey, StepFailed
from shopify_app.local.merchant import AnsweredBadly, Merchant
from shopify_app.local.processes import FolderInUse, Supervisor, family_of
from shopify_app.local.stack import ROOT, DidNotStart, Stack
from shopify_app.local.terminal import Terminal
from tenancy.embedded import EmbeddedServiceError, default_folder

SHOP = "kill-drill.myshopify.com"
SECONDS_BETWEEN = (2.0, 6.0)
CHILDREN_OF = ("web", "worker-long", "worker-quick")
SERVICES = ("postgres", "valkey")


class Killer:
    """Kills one victim after the other, now and then two at once, until `stop`."""

    def __init__(self, supervisor: Supervisor, stack: Stack, rng: random.Random, terminal: Terminal) -> None:
        self.kills: Counter[str] = Counter()
        self._supervisor, self._stack, self._rng, self._say = supervisor, stack, rng, terminal.note
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        names = [process.name for process in self._supervisor.processes]
        victims = [*names, *(f"{name}'s child" for name in CHILDREN_OF), *self._stack.private_services]
        while not self._stopping.wait(self._rng.uniform(*SECONDS_BETWEEN)):
            for victim in self._rng.sample(victims, 2 if self._rng.random() < 0.25 else 1):
                pid = self._pid(victim)
                with contextlib.suppress(ProcessLookupError):
                    if pid is not None:
                        os.kill(pid, signal.SIGKILL)
                        self.kills[victim] += 1
                        self._say(f"killed {victim}")

    def _pid(self, victim: str) -> int | None:
        if victim in SERVICES:
            return self._stack.embedded.pid(victim)
        name, _, child = victim.partition("'")
        handle = next(each.handle for each in self._supervisor.processes if each.name == name)
        if handle is None:
            return None
        if not child:
            return handle.pid
        children = [pid for pid in family_of(handle.pid) if pid != handle.pid]
        return self._rng.choice(children) if children else None


class Visitor:
    """Asks the storefront and the admin all the time; keeps every status, and the exposures of good answers."""

    def __init__(self, merchant: Merchant) -> None:
        self.statuses: Counter[str] = Counter()
        self.exposures: list[str] = []
        self._merchant = merchant
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        impatient = Merchant(
            app_url=self._merchant.app_url,
            devstore_url=self._merchant.devstore_url,
            shop=self._merchant.shop,
            patience_s=0.0,
        )
        recommendations = f"{impatient.devstore_url}/apps/shelfwise/recommendations?slot=home"
        while not self._stopping.wait(0.05):
            try:
                answer = httpx.get(recommendations, timeout=15.0)
                self.statuses[f"storefront {answer.status_code}"] += 1
                if answer.status_code == 200:
                    self.exposures.append(answer.json()["exposure"])
            except httpx.TransportError:
                self.statuses["storefront unreachable"] += 1
            try:
                impatient.ask("overview")
                self.statuses["admin 200"] += 1
            except AnsweredBadly as error:
                self.statuses[f"admin {error.status or 'unreachable'}"] += 1


def drill(given: argparse.Namespace, terminal: Terminal, supervisor: Supervisor, stack: Stack) -> bool:
    """Run the drill on a started stack; True when nothing was lost."""
    merchant = Merchant(app_url=stack.app_url, devstore_url=stack.devstore_url, shop=SHOP, patience_s=60.0)
    journey = Journey(merchant, terminal, marked=supervisor.marked())
    merchant.tell_store("faults", bulk={"rows_per_s": given.orders / 8})  # so that kills strike in mid-import
    journey.install()
    killer = Killer(supervisor, stack, random.Random(given.seed), terminal)  # noqa: S311 - no secret
    try:
        with terminal.step("the import, under fire"):
            journey.import_history()
        with terminal.step("the first model, under fire"):
            journey.wait_for_version(1)
        visitor = Visitor(merchant)
        with terminal.step(f"shoppers for {given.minutes:g} minutes and more models, under fire"):
            placed = _shop_and_train(given, journey, supervisor)
        visitor.stop()
    finally:
        killer.stop()
    with terminal.step("peace: what is under way comes to its end"):
        merchant.tell_store("deliveries/flush", wait_s=20)
        journey.settle_training()
        journey.check_counts()
    books = Books(stack, merchant)
    books.wait_until_quiet()
    web_kills = killer.kills["web"] + killer.kills["web's child"]
    findings = books.findings(
        placed=placed, shown=visitor.exposures, statuses=visitor.statuses, web_kills=web_kills
    )
    score = {
        "seed": given.seed,
        "kills": dict(killer.kills),
        "brought_back": supervisor.restarts(),
        "answers": dict(visitor.statuses),
        "orders_placed": len(placed),
        "exposures": {"answered": len(visitor.exposures), "not_recorded": books.lost(visitor.exposures)},
        "findings": findings,
    }
    terminal.note(json.dumps(score, indent=2).replace("\n", "\n    "))
    terminal.note("FAILED" if findings else "nothing was lost")
    return not findings


def _shop_and_train(given: argparse.Namespace, journey: Journey, supervisor: Supervisor) -> list[str]:
    """Shoppers, one run of them after the other since they give up without a shop; names of the orders placed."""
    placed: list[str] = []
    until = time.monotonic() + given.minutes * 60
    seed = given.seed
    while time.monotonic() < until:
        seed += 1
        journey.merchant.press("training", reason=f"drill {seed}")
        command = [
            sys.executable,
            "-m",
            "devstore",
            "shop",
            "--url",
            journey.merchant.devstore_url,
            "--shop",
            SHOP,
        ]
        command += ["--seconds", "10", "--rate", "5", "--seed", str(seed)]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **supervisor.marked()},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            placed += json.loads(done.stdout.strip().splitlines()[-1])["order_names"]
        else:
            time.sleep(1.0)
    return placed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make kill-drill", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="who is killed when; default: %(default)s")
    parser.add_argument("--minutes", type=float, default=2.0, help="of shopping; default: %(default)s")
    parser.add_argument("--orders", type=int, default=3000, help="of the store; default: %(default)s")
    parser.add_argument("--port", type=int, default=8100, help="the app's port; default: %(default)s")
    parser.add_argument("--devstore-port", type=int, default=9392, help="default: %(default)s")
    given = parser.parse_args(arguments)
    terminal = Terminal()
    folder = default_folder() / "kill-drill"
    ended_by = end_once_by_signal()
    try:
        supervisor = Supervisor(folder, say=terminal.note)
        stack = Stack(folder, given.port, given.devstore_port)
        with stack.services(supervisor):
            with terminal.step(f"a store of {given.orders:,} orders and everything that serves it"):
                start_fresh(stack, supervisor, folder / "devstore", given)
                stack = stack.on_free_ports(terminal.note)
                stack.start_devstore(supervisor, folder / "devstore")
                stack.start_app(supervisor)
            return 0 if drill(given, terminal, supervisor, stack) else 1
    except (DidNotStart, EmbeddedServiceError, FolderInUse, StepFailed, AnsweredBadly) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + ended_by[0]


def start_fresh(stack: Stack, supervisor: Supervisor, data: Path, given: argparse.Namespace) -> None:
    stack.manage("erase_shop", SHOP, "--yes", marked=supervisor.marked())
    shutil.rmtree(data, ignore_errors=True)
    command = [sys.executable, "-m", "devstore", "generate", "--data", str(data), "--shop", SHOP]
    command += ["--orders", str(given.orders), "--months", "12", "--seed", str(given.seed)]
    environment = {**os.environ, **supervisor.marked()}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)


if __name__ == "__main__":
    raise SystemExit(main())
