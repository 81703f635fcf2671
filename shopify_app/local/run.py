"""`make run`: the app's own processes on one machine, against the Shopify named by the environment."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from shopify_app.local.processes import FolderInUse, Supervisor
from shopify_app.local.stack import DidNotStart, Stack
from tenancy.embedded import EmbeddedServiceError, default_folder


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="web server processes; default: %(default)s")
    given = parser.parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    try:
        supervisor = Supervisor(default_folder(), say=say)
        stack = Stack(supervisor.folder, given.port)
        with stack.services(supervisor):
            stack = stack.on_free_ports(say)
            stack.start_app(supervisor, web_workers=given.workers)
            print(
                f"Shelfwise answers at {stack.app_url}; logs are in {stack.folder / 'log'}. Ctrl-C stops it."
            )
            ended.wait()
    except (DidNotStart, EmbeddedServiceError, FolderInUse) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
