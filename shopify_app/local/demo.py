"""`make demo`: the product's whole job on one machine.

Starts the services, makes a store (or takes a merchant's own Shopify exports), installs the app, imports the history,
trains twice, sends shoppers through the storefront, and shows what came of it. Every step goes over HTTP, as it would
with the real Shopify.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from shopify_app.local.journey import Journey, StepFailed
from shopify_app.local.merchant import AnsweredBadly, Merchant
from shopify_app.local.processes import FolderInUse, Supervisor
from shopify_app.local.stack import ROOT, DidNotStart, Stack
from shopify_app.local.terminal import Terminal
from tenancy.embedded import EmbeddedServiceError, default_folder

# A made-up store shows the way, not what is the best that can be learnt.
QUICK_TRAINING_S = 180


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--store", type=Path, help="folder with Shopify's products_export.csv and orders_export.csv (.gz too)"
    )
    parser.add_argument(
        "--orders", type=int, default=20_000, help="orders of the generated store; default: %(default)s"
    )
    parser.add_argument("--months", type=int, default=18, help="months of history; default: %(default)s")
    parser.add_argument("--seed", type=int, default=7, help="default: %(default)s")
    parser.add_argument(
        "--shoppers-seconds", type=int, default=60, help="how long shoppers visit; default: %(default)s"
    )
    parser.add_argument(
        "--training-seconds", type=int,
        help=f"what one training may take; default: {QUICK_TRAINING_S} for the made-up store, the product's own for yours",
    )  # fmt: skip
    parser.add_argument(
        "--once", action="store_true", help="end after the checks; exit code 0 only if every step worked"
    )
    parser.add_argument("--port", type=int, default=8000, help="the app's port; default: %(default)s")
    parser.add_argument(
        "--devstore-port", type=int, default=9292, help="the local Shopify's port; default: %(default)s"
    )
    return parser.parse_args(arguments)


def shop_name(store: Path | None) -> str:
    """The local shop's domain: named after the export folder, or the generated Birch and Co."""
    if store is None:
        return "birch-and-co.myshopify.com"
    name = re.sub(r"[^a-z0-9]+", "-", store.resolve().name.lower()).strip("-") or "my-shop"
    return f"{name[:50]}.myshopify.com"


def make_store(given: argparse.Namespace, data: Path, shop: str, marked: Mapping[str, str]) -> None:
    """Generate or import the local shop; its progress goes to this terminal.

    Args:
        data: the folder to fill; what is in it is overwritten.

    Raises:
        DidNotStart: the generator or the importer refused.
    """
    shutil.rmtree(data, ignore_errors=True)
    command = [sys.executable, "-m", "devstore"]
    if given.store is None:
        command += ["generate", "--data", str(data), "--shop", shop, "--orders", str(given.orders)]
        command += ["--months", str(given.months), "--seed", str(given.seed)]
    else:
        command += ["import", "--data", str(data), "--shop", shop, "--folder", str(given.store.resolve())]
    # Its JSON line is for scripts; a person reads the progress on the terminal.
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **marked},
        check=False,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us to handle
    )
    if done.returncode:
        raise DidNotStart("the store could not be made; the lines above say why. Nothing was erased.")


def run(given: argparse.Namespace) -> int:
    terminal = Terminal()
    folder = default_folder()
    shop = shop_name(given.store)
    if given.training_seconds or given.store is None:
        os.environ.setdefault("TRAINING_MAX_SECONDS", str(given.training_seconds or QUICK_TRAINING_S))
    if given.training_seconds is None and given.store is None:
        os.environ.setdefault("TRAINING_MAX_MODELS", "4")  # one for each slot that has a ranker: no search
    data, fresh = folder / "devstore", folder / "devstore.new"
    supervisor = Supervisor(folder, say=terminal.note)
    stack = Stack(folder, given.port, given.devstore_port)
    with contextlib.ExitStack() as open_ones:
        open_ones.callback(supervisor.stop)
        with terminal.step(f"the store {shop}"):
            make_store(given, fresh, shop, supervisor.marked())
        with terminal.step("Postgres and Valkey"):
            open_ones.enter_context(stack.services(supervisor))
        open_ones.callback(terminal.note, "stopping")
        with terminal.step("a fresh start: what an earlier demo left of this shop is erased"):
            stack.manage("erase_shop", shop, "--yes", marked=supervisor.marked())
            shutil.rmtree(data, ignore_errors=True)
            fresh.rename(data)
        with terminal.step("the local Shopify, the app, its workers"):
            stack = stack.on_free_ports(terminal.note)
            stack.start_devstore(supervisor, data)
            stack.start_app(supervisor)
        merchant = Merchant(app_url=stack.app_url, devstore_url=stack.devstore_url, shop=shop)
        journey = Journey(merchant, terminal, marked=supervisor.marked())
        facts: dict[str, Any] = {"shop": shop, "addresses": addresses(stack, shop)}
        facts |= {"client_id": stack.client_id, "client_secret": stack.secret}
        write_facts(folder, facts)
        facts |= journey.walk(shoppers_seconds=given.shoppers_seconds)
        facts["peak_memory_mb"] = {p.name: round(p.peak_mb) for p in supervisor.processes}
        facts["restarts"] = supervisor.restarts()
        write_facts(folder, facts)
        terminal.summary(facts)
        if not given.once:
            terminal.note("everything keeps running; Ctrl-C stops it")
            wait_for_ctrl_c()
    return 0


def wait_for_ctrl_c() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def addresses(stack: Stack, shop: str) -> dict[str, str]:
    return {
        "admin": f"{stack.devstore_url}/admin/apps/shelfwise",
        "storefront": f"{stack.devstore_url}/",
        "admin_api": f"{stack.devstore_url}/admin/api/2026-10/graphql.json",
        "app": stack.app_url,
        "shop_host": shop,
    }


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Replace var/demo.json in one step, so that a reader never sees half of it."""
    half = folder / "demo.json.half"
    half.write_text(json.dumps(facts, indent=2) + "\n")
    half.replace(folder / "demo.json")


def main(arguments: list[str] | None = None) -> int:
    given = parse(arguments)
    if given.store is not None and not given.store.is_dir():
        print(f"{given.store} is not a folder", file=sys.stderr)
        return 2

    ended_by = end_once_by_signal()
    try:
        return run(given)
    except KeyboardInterrupt:
        return 128 + ended_by[0]
    except (DidNotStart, EmbeddedServiceError, FolderInUse, StepFailed, AnsweredBadly) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def end_once_by_signal() -> list[int]:
    """The first signal to end raises KeyboardInterrupt in the main thread; later ones do not disturb the clearing up.

    The list receives the signal's number.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asks to outlive the terminal
        numbers.append(signal.SIGHUP)
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        received.append(number)
        raise KeyboardInterrupt

    for each in numbers:
        signal.signal(each, interrupt)
    return received


if __name__ == "__main__":
    raise SystemExit(main())
