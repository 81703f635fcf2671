"""`generate`: a shop from a seed."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime

from devstore.commands.arguments import (
    DEFAULT_SHOP,
    ProgressLine,
    Subparsers,
    add_data,
    moment,
    shop_domain,
)
from devstore.store import Store
from devstore.world import BadWorldError, WorldSize, generate


def add_parser(commands: Subparsers) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "generate", help="make a shop from a seed, in place of one of that name"
    )
    add_data(parser)
    parser.add_argument("--shop", type=shop_domain, default=DEFAULT_SHOP, help="its domain (%(default)s)")
    parser.add_argument("--orders", type=int, default=20_000, help="how many orders (%(default)s)")
    parser.add_argument("--months", type=int, default=18, help="over how many months (%(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="same seed and time, same shop (%(default)s)")
    parser.add_argument("--products", type=int, help="how many products (default: follows from the orders)")
    parser.add_argument("--customers", type=int, help="how many customers (default: a third of the orders)")
    parser.add_argument("--now", type=moment, help="when the history ends (default: now)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit status 0; 2 for a size that makes no shop. The last line on stdout is JSON with the counts."""
    size = WorldSize(args.orders, args.months, args.seed, args.products, args.customers)
    now = args.now or datetime.now(UTC)
    try:
        path = generate(args.data, args.shop, size, now=now, progress=ProgressLine("orders"))
    except BadWorldError as error:
        sys.stderr.write(f"devstore generate: {error}\n")
        return 2
    store = Store.open(path)
    print(json.dumps({"shop": args.shop, "file": str(path), "counts": store.counts()}))
    store.close()
    return 0
