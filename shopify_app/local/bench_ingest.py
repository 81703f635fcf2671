"""`make bench-ingest`: a shop's whole history through bulk operations into the event log, on the running product.

Two stores are generated (100,000 and 1,000,000 orders over the same catalogue) and imported one after the other, each by a
fresh app with a fresh Postgres and Valkey under <var>/bench: rows a second, the peak memory of every part and how it grows, the
size of the database. With STORE=folder it is one store, made from Shopify's CSV exports in that folder, and counts and net
revenue are held against sums taken from the files themselves.

Exit codes: 0 every count agrees and memory stays bounded, 1 something differs, grows or did not work, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from shopify_app.local import bench_refresh
from shopify_app.local.bench_books import Books, differences, of_export
from shopify_app.local.bench_memory import Meter
from shopify_app.local.bench_report import Run, growth_too_large, markdown, replaced
from shopify_app.local.demo import end_once_by_signal, shop_name
from shopify_app.local.merchant import AnsweredBadly, Merchant
from shopify_app.local.processes import FolderInUse, Supervisor
from shopify_app.local.stack import ROOT, DidNotStart, Stack
from shopify_app.local.terminal import Terminal
from tenancy import fence
from tenancy.embedded import EmbeddedServiceError, default_folder

PAGE = ROOT / "docs" / "benchmarks.md"
SHOP = "birch-and-co.myshopify.com"
# One history, so that a store made before is found again: its end, its length, its catalogue.
ENDS, MONTHS, PRODUCTS, SEED = "2026-11-01T00:00:00Z", 18, 4_000, 7
LOOK_EVERY_S = 0.5
OVERVIEW_EVERY_S = 10.0
TIDY_WITHIN_S = 120.0
_TABLES = (
    "features_event",
    "features_order",
    "features_orderline",
    "sync_stagedrow",
    "sync_customerreference",
)


class Differs(RuntimeError):
    """What was imported is not what the store holds; the message says where."""


@dataclass(slots=True)
class Store:
    """A local shop's file to serve, and what must come of it."""

    name: str
    data: Path
    shop: str
    books: Books | None = None
    note: str = ""
    made: dict[str, Any] = field(default_factory=dict)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench-ingest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--store", type=Path, help="folder with products_export.csv and orders_export.csv (.gz too)"
    )
    parser.add_argument(
        "--orders", type=_sizes, default=(100_000, 1_000_000), help="sizes, with commas (100000,1000000)"
    )
    parser.add_argument(
        "--training", action="store_true", help="also wait for the first model and measure it"
    )
    parser.add_argument(
        "--features", action="store_true", help="also measure the feature vectors of the last store"
    )
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    parser.add_argument("--minutes", type=float, default=60.0, help="give an import up after so long (60)")
    parser.add_argument("--port", type=int, default=8040, help="the app's port (8040)")
    parser.add_argument("--devstore-port", type=int, default=9330, help="the local Shopify's port (9330)")
    return parser.parse_args(arguments)


def run(given: argparse.Namespace) -> int:
    # Its own services, always: a benchmark that fills somebody's database would be a bad guest.
    for name in ("DATABASE_URL", "REDIS_URL", "ARTEFACT_DIR"):
        os.environ.pop(name, None)
    folder = default_folder() / "bench"
    terminal = Terminal()
    runs: list[Run] = []
    wrong: list[str] = []
    for store in _stores(given, folder, terminal):
        found, faults = _import(store, folder, given, terminal)
        runs.append(found)
        wrong += [f"{store.name}: {each}" for each in faults]
    if given.store is None:
        wrong += growth_too_large(runs)
    about = f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    part = markdown(runs, f"{about} shared by everything below, Python {platform.python_version()}.")
    print(part)
    if given.write:
        mark = "bench-ingest" if given.store is None else "bench-ingest-export"
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), part, mark=mark), encoding="utf-8")
        terminal.note(f"written into {PAGE.relative_to(ROOT)}")
    if given.features:
        told = bench_refresh.table(runs[-1].features, f"{about}; {runs[-1].counts['lines']:,} order lines.")
        print(told)
        if given.write:
            PAGE.write_text(replaced(PAGE.read_text("utf-8"), told, mark="bench-features"), encoding="utf-8")
    for each in wrong:
        print(f"WRONG {each}", file=sys.stderr)
    return 1 if wrong else 0


def _stores(given: argparse.Namespace, folder: Path, terminal: Terminal) -> Iterator[Store]:
    if given.store is not None:
        store = Store("export", folder / "stores" / "export", shop_name(given.store))
        shutil.rmtree(store.data, ignore_errors=True)
        with terminal.step("a store from the export"):
            store.made = _devstore("import", store, "--folder", str(given.store.resolve()))
            store.books = of_export(Path(_orders_export(given.store)))
        store.note = (
            f"{store.made['skipped']} rows of the files could not be read" if store.made["skipped"] else ""
        )
        yield store
        return
    for orders in given.orders:
        store = Store(f"{orders:,} orders", folder / "stores" / f"{orders}", SHOP)
        if not (store.data / f"{SHOP}.sqlite3").exists():
            with terminal.step(f"a store of {orders:,} orders; it is kept for the next time"):
                size = ["--orders", str(orders), "--products", str(PRODUCTS), "--months", str(MONTHS)]
                store.made = _devstore("generate", store, *size, "--seed", str(SEED), "--now", ENDS)
        yield store


def _import(
    store: Store, folder: Path, given: argparse.Namespace, terminal: Terminal
) -> tuple[Run, list[str]]:
    place = folder / "run"
    shutil.rmtree(place, ignore_errors=True)
    for each in store.data.iterdir():  # what an earlier app left at this shop's Shopify
        if not each.name.startswith(f"{store.shop}.sqlite3"):
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    supervisor = Supervisor(place, say=terminal.note)
    stack = Stack(place, given.port, given.devstore_port).on_free_ports(terminal.note)
    with contextlib.ExitStack() as open_ones:
        open_ones.callback(supervisor.stop)
        with terminal.step(f"{store.name}: a fresh app beside its local Shopify"):
            open_ones.enter_context(stack.services(supervisor))
            stack.start_devstore(supervisor, store.data)
            stack.start_app(supervisor)
        merchant = Merchant(app_url=stack.app_url, devstore_url=stack.devstore_url, shop=store.shop)
        database = open_ones.enter_context(
            psycopg.connect(stack.embedded.database_url, autocommit=True, options=fence.EVERY_ROW)
        )
        meter = Meter(lambda: _leaders(supervisor, stack))
        merchant.grant_all_orders()
        with terminal.step(f"{store.name}: the history flows in"):
            meter.start()
            found = _watch(merchant, database, store, given.minutes, terminal)
        found.peak_mb = meter.stop()
        _measure(found, database)
        wrong = _compare(found, merchant, database, store)
        if given.training:
            with terminal.step(f"{store.name}: the first model"):
                _train(found, database, supervisor, stack, given.minutes)
        if given.features:
            with terminal.step(f"{store.name}: feature vectors"):
                found.features = bench_refresh.measure(stack, database, store.shop)
        terminal.note(
            f"{found.lines:,} lines, {found.lines_per_s:,.0f}/s; database {found.database_mb:,.0f} MiB; "
            + "  ".join(f"{name} {value:,.0f} MiB" for name, value in found.peak_mb.items())
        )
    return found, wrong


def _watch(
    merchant: Merchant, database: psycopg.Connection[Any], store: Store, minutes: float, terminal: Terminal
) -> Run:
    """Open the app as its merchant does, and look on until the import is done."""
    started = time.monotonic()
    if (status := merchant.open_app()) != 200:
        raise DidNotStart(f"the embedded page answered {status}")
    exported = asked = started
    while time.monotonic() - started < minutes * 60:
        rows = database.execute(
            "select resource, state, lines_before + lines_read, lines_before + lines_written, problem, lines_skipped"
            " from sync_importjob order by id"
        ).fetchall()
        now = time.monotonic()
        states = {row[1] for row in rows}
        if "failed" in states:
            raise Differs("; ".join(f"{row[0]}: {row[4]}" for row in rows if row[1] == "failed"))
        if states & {"waiting", "exporting"} or not rows:
            exported = now
        if states == {"done"}:
            lines = {row[0]: row[2] for row in rows}
            skipped = sum(row[5] for row in rows)
            return Run(store.name, lines, skipped, now - started, exported - started, note=store.note)
        if now - asked > OVERVIEW_EVERY_S:  # as an open admin page does
            asked = now
            merchant.ask("overview")
        terminal.progress("  ".join(f"{row[0]} {row[1]} {row[2]:,}/{row[3]:,}" for row in rows))
        time.sleep(LOOK_EVERY_S)
    raise Differs(f"the import was not done within {minutes:g} minutes")


def _leaders(supervisor: Supervisor, stack: Stack) -> dict[str, int]:
    found = {each.name: each.handle.pid for each in list(supervisor.processes) if each.handle is not None}
    for name in ("postgres", "valkey"):
        if (pid := stack.embedded.pid(name)) is not None:
            found[name] = pid
    return found


def _measure(found: Run, database: psycopg.Connection[Any]) -> None:
    until = time.monotonic() + TIDY_WITHIN_S  # the worker gives the room of the staged lines back first
    while time.monotonic() < until:
        row = database.execute("select count(*) from sync_importjob where lease_token <> ''").fetchone()
        if row and not row[0]:
            break
        time.sleep(LOOK_EVERY_S)
    row = database.execute("select pg_database_size(current_database())").fetchone()
    assert row is not None
    found.database_mb = row[0] / 2**20
    for table in _TABLES:
        row = database.execute("select pg_total_relation_size(%s::regclass)", [table]).fetchone()
        assert row is not None
        found.tables_mb[table] = row[0] / 2**20
    row = database.execute("select count(*), count(distinct key) from features_event").fetchone()
    assert row is not None
    found.events, distinct = row
    if found.events != distinct:
        raise Differs(f"{found.events - distinct} events are in the log twice")


def _compare(found: Run, merchant: Merchant, database: psycopg.Connection[Any], store: Store) -> list[str]:
    """What the app has against what the store has, and against the export's own sums."""
    theirs = merchant.store(f"shops/{store.shop}/counts")
    row = database.execute(
        "select count(*), coalesce(sum(total - refunded), 0), (select count(*) from features_orderline),"
        " (select count(*) from features_customer where deleted_at is null),"
        " (select count(*) from features_product where deleted_at is null), (select count(*) from features_variant),"
        " (select count(*) from features_refund) from features_order where deleted_at is null and not test"
    ).fetchone()
    assert row is not None
    ours = dict(
        zip(("orders", "net", "lines", "customers", "products", "variants", "refunds"), row, strict=True)
    )
    found.counts = {name: int(value) for name, value in ours.items() if name != "net"}
    tests = database.execute("select count(*) from features_order where test").fetchone()
    assert tests is not None
    found.net = Decimal(ours["net"])
    wrong = [
        f"{name}: the store has {theirs[name]:,}, the app {ours[name]:,}"
        for name in ("lines", "customers", "products", "variants", "refunds")
        if theirs[name] != ours[name]
    ]
    if theirs["orders"] != ours["orders"] + tests[0]:
        wrong.append(f"orders: the store has {theirs['orders']:,}, the app {ours['orders'] + tests[0]:,}")
    held = database.execute("select count(*) from validation_heldrow where state = 'held'").fetchone()
    if held and held[0]:
        wrong.append(f"{held[0]:,} rows were held back by validation")
    if store.books is not None:
        wrong += differences(store.books, Books(ours["orders"], ours["lines"], found.net))
        found.books = store.books
    return wrong


def _train(
    found: Run, database: psycopg.Connection[Any], supervisor: Supervisor, stack: Stack, minutes: float
) -> None:
    meter, started = Meter(lambda: _leaders(supervisor, stack)), time.monotonic()
    meter.start()
    while time.monotonic() - started < minutes * 60:
        row = database.execute(
            "select state, message from training_trainingrun order by id limit 1"
        ).fetchone()
        if row and row[0] in ("done", "failed"):
            found.training_s, found.training_mb = time.monotonic() - started, meter.stop()["worker-long"]
            if row[0] == "failed":
                raise Differs(f"training failed: {row[1]}")
            return
        time.sleep(LOOK_EVERY_S)
    meter.stop()
    raise Differs(f"no model was trained within {minutes:g} minutes")


def _devstore(command: str, store: Store, *arguments: str) -> dict[str, Any]:
    """Run `python -m devstore`; its progress goes to this terminal, its facts come back."""
    words = [
        sys.executable,
        "-m",
        "devstore",
        command,
        "--data",
        str(store.data),
        "--shop",
        store.shop,
        *arguments,
    ]
    done = subprocess.run(words, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise DidNotStart("the store could not be made; the lines above say why")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _orders_export(folder: Path) -> Path:
    """The full export rather than a sample, plain rather than packed, as the local Shopify takes it."""
    found = [
        each for each in folder.iterdir()
        if each.name.startswith("orders_export") and each.name.endswith((".csv", ".csv.gz"))
    ]  # fmt: skip
    return min(found, key=lambda each: ("_sample" in each.name, each.suffix == ".gz", each.name))


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(each.replace("_", "")) for each in text.split(","))


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
    except (DidNotStart, EmbeddedServiceError, FolderInUse, AnsweredBadly, Differs) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
