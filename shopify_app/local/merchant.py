"""A merchant's view of the local stack over HTTP: opens the app in the local admin, asks the admin API, presses buttons."""

from __future__ import annotations

import time
from typing import Any, cast

import httpx

Json = dict[str, Any]

# What a proxy or the app answers while something behind it is started again.
_BUSY = frozenset({502, 503, 504})
BOUNCE = "/auth/bounce"
MOST_BOUNCES = 3


class AnsweredBadly(RuntimeError):
    """An HTTP answer was not what the step needs, or there was none; the message says which.

    Args:
        status: of the answer; 0 when there was none.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Merchant:
    """One staff member of one shop.

    Args:
        staff: Shopify staff id; 1001 owns the local shop's account.
        patience_s: how long to ask again while nobody answers, or a service is being started again (502 to 504).
    """

    def __init__(
        self, *, app_url: str, devstore_url: str, shop: str, staff: int = 1001, patience_s: float = 30.0
    ) -> None:
        self.app_url = app_url
        self.devstore_url = devstore_url
        self.shop = shop
        self.staff = staff
        self.patience_s = patience_s
        self._http = httpx.Client(timeout=30.0)

    def grant_all_orders(self) -> None:
        """Shopify's grant, on request, of the orders older than 60 days."""
        self.tell_store(f"shops/{self.shop}/install", optional_scopes=["read_all_orders"])

    def open_app(self) -> int:
        """Load the embedded page as the admin's iframe does; returns the HTTP status. The first time, this installs.

        Raises:
            AnsweredBadly: the app asks for another session token again and again.
        """
        for _ in range(MOST_BOUNCES):
            url = self.store(f"shops/{self.shop}/open?staff={self.staff}")["url"]
            answer = self._send("GET", url, follow_redirects=True)
            # A token lasts a minute: after a longer pause the app answers with a page on which App Bridge brings a fresh one.
            if answer.url.path != BOUNCE:
                return answer.status_code
        raise AnsweredBadly(f"the app took none of {MOST_BOUNCES} session tokens", status=answer.status_code)

    def ask(self, path: str) -> Json:
        """GET from the admin API with a fresh session token."""
        return self._checked(self._send("GET", f"{self.app_url}/api/{path}", signed=True))

    def press(self, path: str, **body: Any) -> Json:
        """POST to the admin API with a fresh session token."""
        return self._checked(self._send("POST", f"{self.app_url}/api/{path}", signed=True, json=body))

    def store(self, path: str) -> Json:
        """GET from the local Shopify's own control pages."""
        return self._checked(self._send("GET", f"{self.devstore_url}/_devstore/{path}"))

    def tell_store(self, path: str, **body: Any) -> Json:
        """POST to the local Shopify's own control pages."""
        return self._checked(self._send("POST", f"{self.devstore_url}/_devstore/{path}", json=body))

    def remove_from_store(self, path: str) -> Json:
        """DELETE on the local Shopify's own control pages."""
        return self._checked(self._send("DELETE", f"{self.devstore_url}/_devstore/{path}"))

    def _send(self, method: str, url: str, *, signed: bool = False, **given: Any) -> httpx.Response:
        deadline = time.monotonic() + self.patience_s
        while True:
            late = time.monotonic() > deadline
            try:
                # A new token each time: one that waited for the app may have lapsed.
                headers = {"Authorization": f"Bearer {self._token()}"} if signed else {}
                answer = self._http.request(method, url, headers=headers, **given)
            except httpx.TransportError as error:
                if late:
                    raise AnsweredBadly(f"{method} {url}: no answer ({type(error).__name__})") from error
            else:
                if late or answer.status_code not in _BUSY:
                    return answer
            time.sleep(0.2)

    def _token(self) -> str:
        token: str = self.store(f"shops/{self.shop}/session-token?staff={self.staff}")["token"]
        return token

    @staticmethod
    def _checked(answer: httpx.Response) -> Json:
        if not answer.is_success:
            raise AnsweredBadly(
                f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:300]}",
                status=answer.status_code,
            )
        return cast(Json, answer.json()) if answer.content else {}
