"""`make bench-calls`: how many Admin API calls do 1,000 storefront requests cost?

Counted by the local Shopify, which answers both: the product, installed and trained, asked through the app proxy; and the
least that an app without a memory of its own would do, one `nodes` query a request for the products it is about to show.
Fails when the product saves less than 65 % of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from shopify_app.local.demo import end_once_by_signal
from shopify_app.local.journey import Journey, StepFailed
from shopify_app.local.merchant import Merchant
from shopify_app.local.processes import Supervisor
from shopify_app.local.stack import ROOT, DidNotStart, Stack
from shopify_app.local.terminal import Terminal
from tenancy.embedded import EmbeddedServiceError

SHOP = "birch-and-co.myshopify.com"
LEAST_SAVED = 0.65
TILES = (
    "query Tiles($ids: [ID!]!) { nodes(ids: $ids) { ... on Product { id title handle status totalInventory \
featuredMedia { preview { image { url } } } variants(first: 1) { nodes { id price availableForSale } } } } }"
)
PROXY = "/apps/shelfwise/recommendations"


@dataclass(frozen=True, slots=True)
class Figures:
    """Args:
    requests: storefront requests, all answered with products.
    ours: Admin API calls while the product answered them, whatever they were for.
    serving: those of them that the product itself counts as made for an answer.
    naive: Admin API calls of the app that asks for each.
    """

    requests: int
    ours: int
    serving: int
    naive: int
    ours_s: float
    naive_s: float

    @property
    def saved(self) -> float:
        return 1 - self.ours / self.naive if self.naive else 0.0


def measure(stack: Stack, merchant: Merchant, *, requests: int) -> Figures:
    """Ask both for the same pages; the product is installed, trained and at rest.

    Raises:
        StepFailed: an answer was not good, so that counting its calls would say nothing.
    """
    with httpx.Client(base_url=stack.devstore_url, timeout=30, trust_env=False) as store:
        pages = [each["id"] for each in store.get("/products.json?limit=250").json()["products"]]
        asked = [pages[at % len(pages)] for at in range(requests)]
        _begin(store)
        began = time.monotonic()
        shown = [_recommended(store, product_id) for product_id in asked]
        ours_s, ours = time.monotonic() - began, _calls(store)
        serving = _counted(merchant)
        token = _token(store, stack)
        _begin(store)
        began = time.monotonic()
        for products in shown:
            _fetched(store, token, products)
        return Figures(requests, ours, serving, _calls(store), ours_s, time.monotonic() - began)


def _recommended(store: httpx.Client, product_id: int) -> list[int]:
    answer = store.get(PROXY, params={"slot": "product_page", "product_id": product_id, "limit": 8})
    products = [each["product_id"] for each in answer.json().get("products", ())]
    if answer.status_code != 200 or not products:
        raise StepFailed(
            f"the storefront answered {answer.status_code} without products: {answer.text[:200]}"
        )
    return products


def _fetched(store: httpx.Client, token: str, products: list[int]) -> None:
    ids = [f"gid://shopify/Product/{each}" for each in products]
    answer = _graphql(store, token, {"query": TILES, "variables": {"ids": ids}})
    while any(each.get("extensions", {}).get("code") == "THROTTLED" for each in answer.get("errors", ())):
        time.sleep(0.5)  # its bucket is empty: such an app makes its visitor wait
        answer = _graphql(store, token, {"query": TILES, "variables": {"ids": ids}})
    if len([each for each in (answer.get("data") or {}).get("nodes", ()) if each]) != len(ids):
        raise StepFailed(f"the local Shopify did not know the products: {json.dumps(answer)[:300]}")


def _graphql(store: httpx.Client, token: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"X-Shopify-Access-Token": token}
    found: dict[str, Any] = (
        store.post("/admin/api/2026-10/graphql.json", json=body, headers=headers).raise_for_status().json()
    )
    return found


def _token(store: httpx.Client, stack: Stack) -> str:
    grant = {
        "grant_type": "client_credentials",
        "client_id": stack.client_id,
        "client_secret": stack.secret,
    }
    found: str = store.post("/admin/oauth/access_token", json=grant).raise_for_status().json()["access_token"]
    return found


def _begin(store: httpx.Client) -> None:
    store.delete("/_devstore/stats").raise_for_status()


def _calls(store: httpx.Client) -> int:
    shops = store.get("/_devstore/stats").raise_for_status().json()["shops"]
    return sum(int(each["graphql_calls"]) - int(each["throttled"]) for each in shops.values())


def _counted(merchant: Merchant) -> int:
    """Calls for answers to shoppers, by the product's own count, as its admin shows it."""
    return next(int(each["calls"]) for each in merchant.ask("flow")["calls"] if each["phase"] == "serving")


def report(figures: Figures) -> str:
    return "\n".join(
        (
            f"storefront requests            {figures.requests:>8,}",
            f"calls, asking for each         {figures.naive:>8,}  in {figures.naive_s:.1f} s",
            f"calls, Shelfwise               {figures.ours:>8,}  in {figures.ours_s:.1f} s"
            f"  ({figures.serving} of them for an answer)",
            f"saved                          {figures.saved:>8.1%}",
        )
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-calls", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000, help="default: %(default)s")
    parser.add_argument("--orders", type=int, default=600, help="of the store; default: %(default)s")
    parser.add_argument("--port", type=int, default=8120, help="the app's port; default: %(default)s")
    parser.add_argument("--devstore-port", type=int, default=9400, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    terminal = Terminal()
    ended_by = end_once_by_signal()
    with tempfile.TemporaryDirectory(prefix="calls") as folder:
        try:
            figures = _whole(Path(folder), terminal, given)
        except (DidNotStart, EmbeddedServiceError, StepFailed) as error:
            sys.stderr.write(f"\n{error}\n")
            return 1
        except KeyboardInterrupt:
            return 128 + ended_by[0]
    sys.stdout.write(
        (json.dumps(asdict(figures) | {"saved": figures.saved}) if given.json else report(figures)) + "\n"
    )
    return 0 if figures.saved >= LEAST_SAVED and figures.serving == 0 else 1


def _whole(folder: Path, terminal: Terminal, given: argparse.Namespace) -> Figures:
    supervisor = Supervisor(folder, say=terminal.note)
    stack = Stack(folder, given.port, given.devstore_port)
    data = folder / "devstore"
    command = [sys.executable, "-m", "devstore", "generate", "--data", str(data), "--shop", SHOP]
    command += ["--orders", str(given.orders), "--months", "12", "--seed", "7"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with stack.services(supervisor):
        stack = stack.on_free_ports(terminal.note)
        stack.start_devstore(supervisor, data)
        stack.start_app(supervisor)
        merchant = Merchant(app_url=stack.app_url, devstore_url=stack.devstore_url, shop=SHOP)
        journey = Journey(merchant, terminal)
        with terminal.step("the app is installed, the history imported, a model trained"):
            journey.install()
            journey.import_history()
            journey.wait_for_version(1)
            journey.settle_training()
        with terminal.step(f"{given.requests:,} requests, twice"):
            return measure(stack, merchant, requests=given.requests)


if __name__ == "__main__":
    raise SystemExit(main())
