"""A merchant's view of the local stack over HTTP: opens the app in the local admin, asks the admin API, presses buttons."""

from __future__ import annotations

from typing import Any, cast

import httpx

Json = dict[str, Any]


class AnsweredBadly(RuntimeError):
    """An HTTP answer was not what the step needs; the message says which."""


class Merchant:
    """One staff member of one shop.

    Args:
        staff: Shopify staff id; 1001 owns the local shop's account.
    """

    def __init__(self, *, app_url: str, devstore_url: str, shop: str, staff: int = 1001) -> None:
        self.app_url = app_url
        self.devstore_url = devstore_url
        self.shop = shop
        self.staff = staff
        self._http = httpx.Client(timeout=30.0)

    def grant_all_orders(self) -> None:
        """Shopify's grant, on request, of the orders older than 60 days."""
        url = f"{self.devstore_url}/_devstore/shops/{self.shop}/install"
        self._checked(self._http.post(url, json={"optional_scopes": ["read_all_orders"]}))

    def open_app(self) -> int:
        """Load the embedded page as the admin's iframe does; returns the HTTP status. The first time, this installs."""
        url = self._get(f"{self.devstore_url}/_devstore/shops/{self.shop}/open", staff=self.staff)["url"]
        return self._http.get(url, follow_redirects=True).status_code

    def ask(self, path: str) -> Json:
        """GET from the admin API with a fresh session token."""
        return self._checked(self._http.get(f"{self.app_url}/api/{path}", headers=self._bearer()))

    def press(self, path: str, **body: Any) -> Json:
        """POST to the admin API with a fresh session token."""
        return self._checked(self._http.post(f"{self.app_url}/api/{path}", headers=self._bearer(), json=body))

    def store(self, path: str) -> Json:
        """GET from the local Shopify's own control pages."""
        return self._get(f"{self.devstore_url}/_devstore/{path}")

    def _bearer(self) -> dict[str, str]:
        token = self._get(f"{self.devstore_url}/_devstore/shops/{self.shop}/session-token", staff=self.staff)[
            "token"
        ]
        return {"Authorization": f"Bearer {token}"}

    def _get(self, url: str, **query: Any) -> Json:
        return self._checked(self._http.get(url, params=query))

    @staticmethod
    def _checked(answer: httpx.Response) -> Json:
        if not answer.is_success:
            raise AnsweredBadly(
                f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:300]}"
            )
        return cast(Json, answer.json()) if answer.content else {}
