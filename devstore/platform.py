"""The platform behind every page and API of the local Shopify: shops, installs, tokens, webhooks, switches.

Methods are synchronous and safe in any thread unless they say otherwise. Those that write (`install`, `uninstall`,
`emit`, `send`) take some milliseconds: call them from a worker thread, not from the event loop.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response

from devstore import payloads, proxy
from devstore.changes import Change
from devstore.config import AppConfig, Config
from devstore.deliveries import Deliveries, Destination
from devstore.faults import Dice, FaultError, Faults
from devstore.installs import Install, Installs
from devstore.ledger import Ledger
from devstore.shelf import Shelf, Staff, UnknownShopError, domain_of_host, staff_of
from devstore.stats import ApiStats
from devstore.store import PLATFORM_FILE, Store
from devstore.subscriptions import ShopSubscriptions
from devstore.tokens import Access, TokenBook, hmac_hex, mint_session_token, query_message, staff_session_id
from devstore.topics import COMPLIANCE_TOPICS, TOPIC_SCOPES, expand_scopes

ALWAYS_SENT = COMPLIANCE_TOPICS | {"app/uninstalled"}


@dataclass(frozen=True)
class EmbeddedRequest:
    """How the admin opens the app: the iframe's address, and the token it carries."""

    url: str
    id_token: str


class Platform:
    """One per server process. `start` and `stop` belong to the server's lifespan."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.shelf = Shelf(config.data)
        self.ledger = Ledger(config.data / PLATFORM_FILE)
        self.installs = Installs(self.ledger)
        self.tokens = TokenBook(self.ledger)
        self.subscriptions = ShopSubscriptions(self.ledger)
        self.stats = ApiStats()
        self._faults = self._saved_faults()
        self._dice = Dice(self._faults.seed)
        self.deliveries = Deliveries(
            self.ledger,
            secret=config.app.client_secret,
            faults=lambda: self._faults.webhooks,
            dice=lambda: self._dice,
            on_failed=self.subscriptions.delete,
        )
        self.proxy_client: httpx.AsyncClient | None = None
        self._background: set[asyncio.Task[Any]] = set()
        self.on_stop: list[Callable[[], None]] = []

    @property
    def app(self) -> AppConfig:
        return self.config.app

    @property
    def stores(self) -> dict[str, Store]:
        """Every shop by domain, the first made first."""
        return self.shelf.all()

    def store(self, domain: str) -> Store:
        """Raises UnknownShopError (answered as 404)."""
        store = self.shelf.find(domain)
        if store is None:
            raise UnknownShopError(domain)
        return store

    def store_for(self, request: Request) -> Store:
        """The shop a request is for, by its Host header; the first shop made for hosts that name none.

        Raises UnknownShopError (answered as 404).
        """
        domain = domain_of_host(request.headers.get("host", ""))
        if domain is not None:
            return self.store(domain)
        store = self.shelf.default()
        if store is None:
            raise UnknownShopError("there is no shop yet: make one with `python -m devstore generate`")
        return store

    # Faults

    @property
    def faults(self) -> Faults:
        return self._faults

    @property
    def dice(self) -> Dice:
        """The seeded chances of the fault switches; starts anew whenever the switches are set."""
        return self._dice

    def set_faults(self, document: Mapping[str, Any] | None) -> Faults:
        """Change the named switches, or put all back to normal with None. Raises FaultError, changing nothing."""
        faults = Faults() if document is None else self._faults.merged(document)
        self.ledger.execute(
            "INSERT OR REPLACE INTO settings VALUES ('faults', ?)", (json.dumps(faults.document()),)
        )
        self._faults, self._dice = faults, Dice(faults.seed)
        return faults

    def _saved_faults(self) -> Faults:
        row = self.ledger.row("SELECT value FROM settings WHERE key = 'faults'")
        try:
            return Faults().merged(json.loads(row["value"])) if row else Faults()
        except FaultError:  # written by a version that had other switches
            return Faults()

    # Staff and session tokens

    def staff(self, domain: str) -> list[Staff]:
        """Owner first. Raises UnknownShopError."""
        return staff_of(self.store(domain))

    def staff_member(self, domain: str, staff_id: int | None = None) -> Staff:
        """The staff member, or the owner for None. Raises LookupError."""
        for member in self.staff(domain):
            if staff_id is None or member.id == staff_id:
                return member
        raise LookupError(f"{domain} has no staff member {staff_id}")

    def mint_session_token(self, domain: str, staff_id: int) -> str:
        """A fresh id token, valid for a minute. Raises LookupError for an unknown shop or staff member."""
        return mint_session_token(
            client_id=self.app.client_id,
            client_secret=self.app.client_secret,
            shop=domain,
            staff_id=self.staff_member(domain, staff_id).id,
            now=time.time(),
            life_s=self._faults.tokens.session_token_expires_in,
        )

    def embedded_request(
        self, domain: str, staff_id: int, *, path: str = "/", query: str = ""
    ) -> EmbeddedRequest:
        """The address of one page of the app as the admin's iframe loads it, with Shopify's query parameters.

        `path` starts with a slash and is under application_url; `query` is passed through before Shopify's own.
        """
        member = self.staff_member(domain, staff_id)
        token = self.mint_session_token(domain, member.id)
        parameters = {
            "embedded": "1",
            "host": self.host_parameter(domain),
            "id_token": token,
            "locale": member.locale,
            "session": staff_session_id(self.app.client_id, domain, member.id),
            "shop": domain,
            "timestamp": str(int(time.time())),
        }
        message = query_message(parameters)
        signed = f"hmac={hmac_hex(self.app.client_secret, message.encode())}&{message}"
        url = f"{self.app.application_url}{path}?{query + '&' if query else ''}{signed}"
        return EmbeddedRequest(url, token)

    @staticmethod
    def host_parameter(domain: str) -> str:
        """The `host` query parameter: base64 without padding of the shop's place in the admin."""
        name = domain.removesuffix(".myshopify.com")
        return base64.b64encode(f"admin.shopify.com/store/{name}".encode()).decode().rstrip("=")

    # Installs and access

    def install_if_needed(self, domain: str) -> Install:
        """Managed installation: opening the app grants the scopes of the configuration. The app is not told.

        An installed app whose configuration asks for more by now is granted that, and is sent app/scopes_update.
        Optional scopes granted before stay.
        """
        known = self.installs.active(domain)
        if known is None:
            return self.install(domain)
        wanted = self.app.scopes | (known.scopes & self.app.optional_scopes)
        return known if known.scopes == wanted else self.grant(domain, wanted)

    def install(self, domain: str, *, optional: frozenset[str] = frozenset()) -> Install:
        """Grant the configuration's scopes, and those of its optional ones that the merchant also allows.

        Raises UnknownShopError, or ValueError for a scope that the configuration does not name as optional.
        """
        if not optional <= self.app.optional_scopes:
            names = ", ".join(sorted(optional - self.app.optional_scopes))
            raise ValueError(f"{names}: not among the optional_scopes of the app's configuration")
        return self.grant(domain, self.app.scopes | optional)

    def grant(self, domain: str, scopes: frozenset[str]) -> Install:
        """Install with these scopes, or change those of an installed app; calls off a waiting shop/redact."""
        store = self.store(domain)
        now = time.time()
        previous = self.installs.active(domain)
        install = self.installs.grant(domain, scopes, now)
        self.deliveries.cancel(domain, "shop/redact", now=now, reason="the app was installed again")
        if previous is not None and previous.scopes != install.scopes:
            extra = {
                "previous": sorted(previous.scopes),
                "current": sorted(install.scopes),
                "updated_at": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
            }
            self.emit(store, [Change("app/scopes_update", "app", 1, extra)])
        return install

    def uninstall(self, domain: str, *, redact_after_s: float | None = None) -> bool:
        """Revoke every token at once, drop the shop's subscriptions, send app/uninstalled; False if not installed.

        `redact_after_s`: also send shop/redact after that time (Shopify: 48 hours), unless installed again before.
        """
        store = self.store(domain)
        now = time.time()
        shop_subscriptions = self._shop_destinations(domain, "app/uninstalled")
        if not self.installs.end(domain, now):
            return False
        self.tokens.revoke_all(domain, now)
        self.subscriptions.delete_all(domain)
        facts = store.facts()
        body = payloads.body_for(store, Change("app/uninstalled", "shop", facts.shop_id))
        destinations = [*self._app_destinations("app/uninstalled"), *shop_subscriptions]
        self.deliveries.add(domain, "app/uninstalled", body, destinations, now=now)
        if redact_after_s is not None:
            self.send(
                domain,
                "shop/redact",
                {"shop_id": facts.shop_id, "shop_domain": domain},
                after_s=redact_after_s,
            )
        return True

    def authenticate(self, request: Request) -> Access | None:
        """The access of the request's X-Shopify-Access-Token at the request's shop.

        None (to be answered with INVALID_TOKEN, 401) when it is absent, unknown, expired, revoked, of another shop,
        or the app is not installed. Quick enough for the event loop. Raises UnknownShopError.
        """
        shop = self.store_for(request).domain
        access = self.tokens.find(request.headers.get("x-shopify-access-token", ""), time.time())
        if access is None or access.shop != shop or self.installs.active(shop) is None:
            return None
        return access

    # Webhooks

    def emit(self, store: Store, changes: Iterable[Change]) -> int:
        """Send the webhooks that these changes cause; returns how many deliveries were written down."""
        count = 0
        for change in changes:
            if self._destinations(store.domain, change.topic):
                count += self.send(store.domain, change.topic, payloads.body_for(store, change))
        return count

    def send(self, domain: str, topic: str, body: Mapping[str, Any], *, after_s: float = 0.0) -> int:
        """Send one webhook with this body to every subscription of the topic; returns how many were written down.

        Only shops with the app installed and the scope granted are told, compliance topics and app/uninstalled apart.
        """
        destinations = self._destinations(domain, topic)
        if not destinations:
            return 0
        return self.deliveries.add(domain, topic, body, destinations, now=time.time(), after_s=after_s)

    def _destinations(self, domain: str, topic: str) -> list[Destination]:
        if topic not in ALWAYS_SENT:
            install = self.installs.active(domain)
            needed = TOPIC_SCOPES.get(topic, "")
            if install is None or (needed and needed not in expand_scopes(install.scopes)):
                return []
        return [*self._app_destinations(topic), *self._shop_destinations(domain, topic)]

    def _app_destinations(self, topic: str) -> list[Destination]:
        version = self.app.webhook_api_version
        return [
            Destination(entry.uri, version, entry.name, entry.include_fields)
            for entry in self.app.subscriptions
            if topic in entry.topics
        ]

    def _shop_destinations(self, domain: str, topic: str) -> list[Destination]:
        version = self.app.webhook_api_version
        return [
            Destination(entry.uri, version, entry.name, entry.include_fields, entry.id)
            for entry in self.subscriptions.of_shop(domain)
            if entry.topic == topic
        ]

    # The storefront's way to the app

    async def signed_proxy(self, request: Request) -> Response:
        """Forward a storefront request to the app through the signed app proxy."""
        return await proxy.forward(self, request)

    # Life

    async def start(self) -> None:
        self.proxy_client = proxy.client()
        await self.deliveries.start()

    async def stop(self) -> None:
        """Ends within a second; what was being sent is sent again by the next run."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.deliveries.stop()
        for release in self.on_stop:
            release()
        if self.proxy_client is not None:
            await self.proxy_client.aclose()
        self.ledger.close()
        self.shelf.close()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something in the background on the event loop (call it there); cancelled when the server stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
