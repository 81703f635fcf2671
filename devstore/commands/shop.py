"""`shop`: simulated shoppers against a running storefront."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from devstore.commands.arguments import Subparsers, shop_domain
from devstore.shoppers import Plan, StorefrontError, run_shoppers


def add_parser(commands: Subparsers) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "shop", help="send simulated shoppers to a storefront"
    )
    parser.add_argument("--url", default="http://127.0.0.1:9292", help="the storefront (%(default)s)")
    parser.add_argument("--shop", type=shop_domain, help="the shop's domain, when the address is not enough")
    parser.add_argument("--seconds", type=positive, default=60.0, help="for how long (%(default)s)")
    parser.add_argument("--rate", type=positive, default=5.0, help="new shoppers per second (%(default)s)")
    parser.add_argument("--shoppers", type=int, help="stop after so many")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same tastes (%(default)s)")
    parser.set_defaults(run=run)


def positive(text: str) -> float:
    """An argparse type: a number above 0 and below a day of seconds."""
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 86400")
    return value


def run(args: argparse.Namespace) -> int:
    """Exit status 0; 1 when the storefront cannot be read. The last line on stdout is the JSON summary."""

    def say(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    plan = Plan(seconds=args.seconds, rate=args.rate, seed=args.seed, most=args.shoppers)
    try:
        tally = asyncio.run(run_shoppers(args.url, plan, host=args.shop, say=say))
    except StorefrontError as error:
        sys.stderr.write(f"devstore shop: {error}\n")
        return 1
    print(json.dumps(tally.summary()))
    return 0
