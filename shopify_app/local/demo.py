"""`make demo`: the product's whole job on one machine.

Starts the services, makes a store (or takes a merchant's own Shopify exports), installs the app, imports the history,
trains twice, sends shoppers through the storefront, and shows what came of it. Every step goes over HTTP, as it would
with the real Shopify.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from shopify_app.local.journey import Journey, StepFailed
from shopify_app.local.merchant import AnsweredBadly, Merchant
from shopify_app.local.processes import Supervisor
from shopify_app.local.stack import ROOT, DidNotStart, Stack, free_port
from shopify_app.local.terminal import Terminal
from tenancy.embedded import EmbeddedServiceError, default_folder


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


def make_store(given: argparse.Namespace, data: Path, shop: str) -> None:
    """Generate or import the local shop; its progress goes to this terminal.

    Raises:
        DidNotStart: the generator or the importer refused.
    """
    command = [sys.executable, "-m", "devstore"]
    if given.store is None:
        command += ["generate", "--data", str(data), "--shop", shop, "--orders", str(given.orders)]
        command += ["--months", str(given.months), "--seed", str(given.seed)]
    else:
        command += ["import", "--data", str(data), "--shop", shop, "--folder", str(given.store)]
    # Its JSON line is for scripts; a person reads the progress on the terminal.
    if subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL).returncode:
        raise DidNotStart("the store could not be made; the lines above say why")


def run(given: argparse.Namespace) -> int:
    terminal = Terminal()
    folder = default_folder()
    stack = Stack(folder, free_port(given.port), free_port(given.devstore_port))
    shop = shop_name(given.store)
    data = folder / "devstore"
    with terminal.step("Postgres and Valkey"):
        stack.start_services()
    with terminal.step("a fresh start: what an earlier demo left of this shop is erased"):
        stack.manage("erase_shop", shop, "--yes")
        shutil.rmtree(data, ignore_errors=True)
    with terminal.step(f"the store {shop}"):
        make_store(given, data, shop)
    supervisor = Supervisor(folder, say=terminal.note)
    try:
        with terminal.step("the local Shopify, the app, its workers"):
            stack.start_devstore(supervisor, data)
            stack.start_app(supervisor)
        merchant = Merchant(app_url=stack.app_url, devstore_url=stack.devstore_url, shop=shop)
        journey = Journey(merchant, terminal)
        facts: dict[str, Any] = {"shop": shop, "addresses": addresses(stack, shop)}
        facts |= {"client_id": stack.client_id, "client_secret": stack.secret}
        write_facts(folder, facts)
        facts |= journey.walk(shoppers_seconds=given.shoppers_seconds)
        facts["peak_memory_mb"] = {p.name: round(p.peak_rss_mb) for p in supervisor.processes}
        write_facts(folder, facts)
        terminal.summary(facts)
        if not given.once:
            terminal.note("everything keeps running; Ctrl-C stops it")
            wait_for_ctrl_c()
        return 0
    finally:
        terminal.note("stopping")
        supervisor.stop()


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

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        return run(given)
    except KeyboardInterrupt:
        return 130
    except (DidNotStart, EmbeddedServiceError, StepFailed, AnsweredBadly) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
