"""The local Shopify as one process: the platform's APIs, the shop's pages, the app proxy."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from html import escape
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from devstore import admin_graphql, control, oauth, pages
from devstore.config import Config, ConfigError, load_app
from devstore.fetch_schema import SchemaUnavailable
from devstore.liquid_theme import ThemeExtensionError
from devstore.platform import Platform
from devstore.shelf import UnknownShopError

GRACE_S = 1
EXIT_USAGE = 2


class AppProxyRoute:
    """Any method under the app's proxy path, which a plain route would restrict to those it names."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._platform.signed_proxy(Request(scope, receive))
        await response(scope, receive, send)


def create_app(config: Config) -> Starlette:
    """The whole server; `app.state.platform` is its Platform. Sends webhooks while its lifespan runs."""
    platform = Platform(config)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await platform.start()
        try:
            yield
        finally:
            await platform.stop()

    routes: list[BaseRoute] = [*control.routes(platform), *oauth.routes(platform)]
    if config.app.proxy is not None:
        routes.append(Route(config.app.proxy.path_prefix + "{rest:path}", AppProxyRoute(platform)))
    routes += [*admin_graphql.routes(platform), *pages.routes(platform)]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={UnknownShopError: _unknown_shop})
    app.state.platform = platform
    return app


async def _unknown_shop(request: Request, error: Exception) -> Response:
    text = f"There is no shop here: {error}."
    if request.url.path.startswith("/admin/"):
        return JSONResponse({"errors": "Not Found"}, status_code=404)
    page = f"<!doctype html><html lang=en><title>Not found</title><p>{escape(text)}</p></html>"
    return HTMLResponse(page, status_code=404)


class _Server(uvicorn.Server):
    """Says where it listens once it does, and ends with 0 after a signal."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        print(f"Local Shopify at {self._address}", flush=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again after a clean stop, which a supervisor takes for a crash.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def config_from(args: argparse.Namespace) -> Config:
    """The configuration that the command line of `serve` gives. Raises ConfigError."""
    app = load_app(
        Path(args.app_toml),
        client_id=args.client_id,
        client_secret=args.client_secret,
        application_url=args.app_url,
    )
    return Config(
        data=Path(args.data),
        app=app,
        extensions=Path(args.extensions),
        host=args.host,
        port=args.port,
        schema=Path(args.schema) if args.schema else None,
    )


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM. Returns the exit code: 2 for a configuration or address that cannot be used."""
    try:
        config = config_from(args)
        listener = listen(config.host, config.port)
    except (ConfigError, OSError) as error:
        print(f"devstore: {error}", file=sys.stderr)
        return EXIT_USAGE
    for warning in config.app.warnings:
        print(f"devstore: {warning}", file=sys.stderr)
    logging.basicConfig(level=logging.WARNING, format="devstore: %(levelname)s %(name)s: %(message)s")
    with listener:
        try:
            app = create_app(config)
        except (SchemaUnavailable, ThemeExtensionError) as error:
            print(f"devstore: {error}", file=sys.stderr)
            return EXIT_USAGE
        make_server(app, listener).run(sockets=[listener])
    return 0


def make_server(app: Starlette, listener: socket.socket) -> uvicorn.Server:
    """A server to `run(sockets=[listener])`, in the main thread or another; `should_exit` stops it."""
    settings = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        proxy_headers=False,  # a buyer's own X-Forwarded-For proves nothing
    )
    host, port = listener.getsockname()[:2]
    return _Server(settings, f"http://{host}:{port}")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; bound here so that port 0 can be told. Raises OSError with the address in its text."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay (40 ms a request) off only for sockets that name their protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener
