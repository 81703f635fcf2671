"""The whole product as its users meet it: a local Shopify, web server, workers and clock, on services of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shopify_app.local.merchant import Merchant
from shopify_app.local.processes import Supervisor
from shopify_app.local.stack import ROOT, Stack

SHOP = "birch-and-co.myshopify.com"
OWNER, OPERATOR, VIEWER = 1001, 1002, 1003


@dataclass(frozen=True, slots=True)
class LiveProduct:
    """A running product and the shop in it."""

    stack: Stack
    supervisor: Supervisor
    shop: str = SHOP

    def merchant(self, staff: int = OWNER) -> Merchant:
        return Merchant(
            app_url=self.stack.app_url, devstore_url=self.stack.devstore_url, shop=self.shop, staff=staff
        )


@contextmanager
def live_product(folder: Path, *, orders: int, seed: int = 7) -> Iterator[LiveProduct]:
    """Generate a store of `orders` orders and start everything; nothing is installed yet."""
    supervisor = Supervisor(folder)
    # Two sessions that start at the same moment would both find the same port free.
    apart = os.getpid() % 900
    stack = Stack(folder, 18000 + apart, 19000 + apart)
    data = folder / "devstore"
    command = [sys.executable, "-m", "devstore", "generate", "--data", str(data), "--shop", SHOP]
    command += ["--orders", str(orders), "--months", "12", "--seed", str(seed)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with stack.services(supervisor):
        stack = stack.on_free_ports(lambda line: None)
        stack.start_devstore(supervisor, data)
        stack.start_app(supervisor)
        yield LiveProduct(stack, supervisor)
