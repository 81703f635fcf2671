"""A small shop and a local Shopify that serves it over HTTP, for every room whose tests need one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from devstore.api_state import STATE_FILE, ApiState
from devstore.changes import create_product
from devstore.config import Config, load_app
from devstore.platform import Platform
from devstore.server import create_app, listen, make_server
from devstore.store import Store, shop_path, shop_values

EXTENSIONS = Path(__file__).parents[2] / "extensions"
DOMAIN = "birch-and-co.myshopify.com"
OTHER_DOMAIN = "stranger.myshopify.com"
CLIENT_ID = "5f2c0d1e8a7b4c3d9e6f"
SECRET = "hush"
PROXY_PREFIX = "/apps/shelfwise"
CUSTOMER_ID = 7_000_000_000_001
APP_TOML = f"""
client_id = "{CLIENT_ID}"
name = "Shelfwise"
application_url = "https://shelfwise.example.com"
embedded = true
[access_scopes]
scopes = "read_orders,read_all_orders,read_products,read_inventory,read_customers,read_themes,write_app_proxy,write_pixels,read_customer_events"
optional_scopes = ["write_discounts"]
[auth]
redirect_urls = ["https://shelfwise.example.com/auth/callback"]
[webhooks]
api_version = "2026-10"
[[webhooks.subscriptions]]
topics = ["app/uninstalled", "app/scopes_update", "orders/create", "orders/updated", "orders/cancelled", "orders/paid",
  "refunds/create", "products/update", "products/create", "products/delete", "inventory_levels/update",
  "customers/merge", "themes/publish", "shop/update", "bulk_operations/finish"]
uri = "/webhooks/shopify"
name = "all"
[[webhooks.subscriptions]]
topics = ["products/update"]
uri = "/webhooks/slim"
include_fields = ["id", "variants.id", "variants.price"]
[[webhooks.subscriptions]]
compliance_topics = ["customers/data_request", "customers/redact", "shop/redact"]
uri = "/webhooks/compliance"
[app_proxy]
url = "/proxy"
prefix = "apps"
subpath = "shelfwise"
"""


def make_shop(folder: Path, domain: str = DOMAIN, *, products: int = 4) -> Store:
    """A shop with products of one variant (10 in stock each), one customer and one location."""
    values = shop_values(
        domain=domain,
        name=domain.split(".")[0].title(),
        currency="GBP",
        iana_timezone="Europe/London",
        country="GB",
        created_at="2026-01-01T00:00:00Z",
    )
    store = Store.create(shop_path(folder, domain), domain=domain, facts=values)
    made = datetime(2026, 1, 2, tzinfo=UTC)
    for number in range(1, products + 1):
        create_product(store, title=f"Candle {number}", price=f"{number}.50", available=10, now=made)
    with store.transaction() as tx:
        tx.execute("INSERT INTO locations VALUES (82000000001, 'Shop floor')")
        tx.execute(
            "INSERT INTO customers (id, email, created_at, updated_at) VALUES (?, 'ann@example.com', ?, ?)",
            (CUSTOMER_ID, "2026-01-03T00:00:00Z", "2026-01-03T00:00:00Z"),
        )
    store.finish_load()
    return store


@dataclass(frozen=True)
class RunningDevstore:
    """A server in a thread of this process; `url` reaches it, whatever shop the Host header names."""

    url: str
    platform: Platform
    client: httpx.Client
    pixels: ApiState

    def control(self, method: str, path: str, body: object = None) -> httpx.Response:
        return self.client.request(method, f"/_devstore{path}", json=body)

    def variants(self, domain: str = DOMAIN) -> list[int]:
        return [row["id"] for row in self.platform.store(domain).read("SELECT id FROM variants ORDER BY id")]

    def session_token(self, staff_id: int = 1001, domain: str = DOMAIN) -> str:
        return self.platform.mint_session_token(domain, staff_id)


@contextmanager
def running_devstore(
    folder: Path,
    *,
    application_url: str,
    app_toml: str = APP_TOML,
    client_id: str | None = None,
    client_secret: str = SECRET,
    port: int = 0,
) -> Iterator[RunningDevstore]:
    """Serve the shops under `folder` (the default one is the first made) until the block ends."""
    toml = folder / "shopify.app.toml"
    toml.write_text(app_toml)
    app = load_app(toml, client_id=client_id, client_secret=client_secret, application_url=application_url)
    listener = listen("127.0.0.1", port)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    application = create_app(Config(data=folder, app=app, extensions=EXTENSIONS))
    server = make_server(application, listener)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="devstore")
    thread.start()
    try:
        until = time.monotonic() + 20
        while not server.started:
            if time.monotonic() > until or not thread.is_alive():
                raise RuntimeError("the local Shopify did not start")
            time.sleep(0.01)
        with httpx.Client(base_url=url, timeout=15, trust_env=False) as client:
            pixels = ApiState(folder / STATE_FILE)
            yield RunningDevstore(url, application.state.platform, client, pixels)
            pixels.close()
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
