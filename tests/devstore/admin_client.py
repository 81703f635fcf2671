"""A small generated shop behind a real server, and the few calls by which a test talks to its Admin API."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from devstore.store import Store
from devstore.tokens import TokenKind
from devstore.topics import expand_scopes
from devstore.world import WorldSize, generate
from tests.devstore.listening_app import ListeningApp
from tests.devstore.running import DOMAIN, OTHER_DOMAIN, RunningDevstore, make_shop, running_devstore

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ALL_SCOPES = frozenset(
    {
        "read_orders", "read_all_orders", "read_products", "read_customers", "read_inventory", "read_themes", "read_locations",
        "write_pixels", "read_customer_events",
    }
)  # fmt: skip
START = """mutation($q: String!, $g: Boolean!) { bulkOperationRunQuery(query: $q, groupObjects: $g) {
  bulkOperation { id status url objectCount } userErrors { field message code } } }"""
STATUS = """query($id: ID!) { bulkOperation(id: $id) { id status errorCode objectCount rootObjectCount fileSize url
  partialDataUrl completedAt createdAt type query } }"""


@dataclass
class AdminClient:
    """One app's access to one shop."""

    devstore: RunningDevstore
    app: ListeningApp
    domain: str = DOMAIN
    token: str = ""

    @property
    def store(self) -> Store:
        return self.devstore.platform.store(self.domain)

    def with_scopes(self, *scopes: str) -> AdminClient:
        """The same shop with a token of exactly these scopes."""
        access = self.devstore.platform.tokens.issue(
            self.domain,
            TokenKind.CLIENT_CREDENTIALS,
            expand_scopes(frozenset(scopes)),
            now=time.time(),
            life_s=3600,
        )
        return AdminClient(self.devstore, self.app, self.domain, access.token)

    def post(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        *,
        version: str = "2026-10",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        sent = {"Host": self.domain, "X-Shopify-Access-Token": self.token, **(headers or {})}
        return self.devstore.client.post(
            f"/admin/api/{version}/graphql.json", json={"query": query, "variables": variables}, headers=sent
        )

    def ask(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """The whole body of a call that HTTP says went well."""
        response = self.post(query, variables)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    def data(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """`data` of a call without errors."""
        document = self.ask(query, variables)
        assert "errors" not in document, document["errors"]
        return document["data"]

    def errors(self, query: str, variables: dict[str, Any] | None = None) -> list[str]:
        return [error["message"] for error in self.ask(query, variables)["errors"]]

    def start(self, query: str, *, group_objects: bool = False) -> dict[str, Any]:
        """The payload of bulkOperationRunQuery."""
        payload: dict[str, Any] = self.data(START, {"q": query, "g": group_objects})["bulkOperationRunQuery"]
        return payload

    def status(self, identifier: str) -> dict[str, Any]:
        found: dict[str, Any] = self.data(STATUS, {"id": identifier})["bulkOperation"]
        return found

    def finished(self, identifier: str, *, seconds: float = 20) -> dict[str, Any]:
        """The operation once it is over."""
        until = time.monotonic() + seconds
        while (found := self.status(identifier))["status"] in ("CREATED", "RUNNING", "CANCELING"):
            assert time.monotonic() < until, found
            time.sleep(0.03)
        return found

    def bulk(self, query: str, *, group_objects: bool = False) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A whole bulk operation: its final state and its lines."""
        payload = self.start(query, group_objects=group_objects)
        assert payload["userErrors"] == []
        found = self.finished(payload["bulkOperation"]["id"])
        url = found["url"] or found["partialDataUrl"]
        return found, [
            json.loads(line) for line in self.devstore.client.get(url).text.splitlines()
        ] if url else []


@contextmanager
def admin_client(folder: Path, app: ListeningApp) -> Iterator[AdminClient]:
    """A shop of 400 orders with the app installed, and a stranger's empty one."""
    generate(folder, DOMAIN, WorldSize(400, 6, 11, None, None), now=NOW)
    make_shop(folder, OTHER_DOMAIN).close()
    with running_devstore(folder, application_url=app.url) as devstore:
        devstore.platform.install(DOMAIN)
        yield AdminClient(devstore, app).with_scopes(*ALL_SCOPES)
