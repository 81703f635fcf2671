"""`python -m devstore <command>`: one module of devstore.commands per command."""

from __future__ import annotations

import argparse
import sys

from devstore.commands import generate, import_exports, serve, shop


def main(argv: list[str] | None = None) -> int:
    """Run one command; the answer is the exit status (2: wrong arguments, 130: stopped by Ctrl-C)."""
    parser = argparse.ArgumentParser(prog="devstore", description="A Shopify on your own machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (serve, generate, import_exports, shop):
        command.add_parser(commands)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
