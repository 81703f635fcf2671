"""`serve`: the local Shopify over HTTP."""

from __future__ import annotations

import argparse
from pathlib import Path

from devstore.commands.arguments import Subparsers, add_data


def add_parser(commands: Subparsers) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "serve", help="serve every shop under --data over HTTP"
    )
    add_data(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=9292, help="port to listen on (%(default)s)")
    parser.add_argument(
        "--app-toml", type=Path, default=Path("shopify.app.toml"), help="the app (%(default)s)"
    )
    parser.add_argument(
        "--extensions", type=Path, default=Path("extensions"), help="its extensions (%(default)s)"
    )
    parser.add_argument("--client-id", help="in place of the client_id in --app-toml")
    parser.add_argument("--client-secret", help="the app's client secret, which the file never holds")
    parser.add_argument("--app-url", help="in place of the application_url in --app-toml")
    parser.add_argument(
        "--schema", type=Path, help="introspection JSON of the Admin API (default: the cached one)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Imported late: the other commands must not wait for the GraphQL schema's machinery."""
    from devstore.server import run as serve

    return int(serve(args) or 0)
