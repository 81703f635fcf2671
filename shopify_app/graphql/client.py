"""Sends our documents to a shop's Admin API and maps every answer to a value or to an error that says who acts.

Branches on HTTP status and `extensions.code` only, never on message text. The budget is asked before each call and
told after it; a call waits at most `patience_s` here, then raises so that its step can be put off.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings

from shopify_app.graphql import budget, shop_http
from shopify_app.graphql.library import document
from shopify_app.graphql.throttle import Bucket, Priority
from tenancy.errors import Bug, NeedsReauth, Transient, UserFixable
from tenancy.models import Shop

log = logging.getLogger("shelfwise.graphql")
FIRST_GUESS_POINTS = 100.0
TRIES = 3
_last_cost: dict[str, float] = {}


class Throttled(Transient):
    """The bucket is empty, or our share of it is."""

    code = "shopify_throttled"


class ShopifyTrouble(Transient):
    """Shopify did not answer, or answered 5xx."""

    code = "shopify_unavailable"


class ShopClosed(UserFixable):
    """The shop is frozen, locked or gone: only its owner can change that."""

    code = "shop_closed"


class AccessDenied(UserFixable):
    """A scope is missing, or the data is protected."""

    code = "access_denied"


class TokenRejected(NeedsReauth):
    """Shopify does not know our token any more."""

    code = "token_rejected"


class DocumentRejected(Bug):
    """Shopify refuses the document itself."""

    code = "document_rejected"


# Given the token that was refused (None at first), returns the one to use.
TokenSupplier = Callable[[str | None], str]


@dataclass(frozen=True, slots=True)
class AdminClient:
    """Calls for exactly one shop. Built by `installs.admin_client`, from a `Shop`, never from request values.

    Args:
        patience_s: how long one call may wait for the budget before it raises `Throttled`.
    """

    shop: Shop
    token: TokenSupplier
    priority: Priority = Priority.FOLLOW_UP
    patience_s: float = 5.0

    def run(self, name: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the document `name` and return its `data`.

        Raises:
            Throttled, ShopifyTrouble: may pass by itself.
            ShopClosed, AccessDenied, TokenRejected: a person must act.
            DocumentRejected: our fault.
        """
        token = self.token(None)
        renewed = False
        waited = 0.0
        for attempt in range(TRIES):
            waited += self._wait_for_budget(name, self.patience_s - waited)
            try:
                return self._once(name, variables or {}, token)
            except TokenRejected:
                if renewed:
                    raise
                token, renewed = self.token(token), True
            except Transient as error:
                pause = error.wait_s if error.wait_s is not None else 0.25 * 2**attempt
                if attempt == TRIES - 1 or waited + pause > self.patience_s:
                    raise
                time.sleep(pause)
                waited += pause
        raise TokenRejected(
            "Shopify refuses the token of this shop", next_step="Open the app from the Shopify admin."
        )

    def _wait_for_budget(self, name: str, patience_s: float) -> float:
        waited = 0.0
        cost = _last_cost.get(name, FIRST_GUESS_POINTS)
        while (pause := budget.reserve(self.shop, cost, self.priority, now=time.time())) > 0:
            if waited + pause > patience_s:
                raise Throttled(
                    "the share of Shopify's rate limit for this kind of call is used up", wait_s=pause
                )
            time.sleep(pause)
            waited += pause
        return waited

    def _once(self, name: str, variables: dict[str, Any], token: str) -> dict[str, Any]:
        url = shop_http.shop_url(self.shop.domain, f"/admin/api/{settings.SHOPIFY_API_VERSION}/graphql.json")
        headers = {**shop_http.shop_headers(self.shop.domain), "X-Shopify-Access-Token": token}
        body = {"query": document(name), "variables": variables, "operationName": name}
        try:
            response = shop_http.client().post(url, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise ShopifyTrouble(f"Shopify could not be reached ({type(error).__name__})") from error
        if reason := response.headers.get("x-shopify-api-deprecated-reason"):
            log.warning("graphql.deprecated", extra={"document": name, "reason": reason})
        _refuse_status(response, name)
        try:
            answer = response.json()
        except ValueError as error:
            raise ShopifyTrouble("Shopify's answer was cut off") from error
        if not isinstance(answer, dict):
            raise ShopifyTrouble("Shopify's answer was not understood")
        errors = [each for each in answer.get("errors") or [] if isinstance(each, dict)]
        codes = {str((each.get("extensions") or {}).get("code", "")) for each in errors}
        asked = self._learn(name, answer, throttled="THROTTLED" in codes)
        if errors or answer.get("data") is None:
            raise _error(name, errors, codes, asked)
        data: dict[str, Any] = answer["data"]
        return data

    def _learn(self, name: str, answer: dict[str, Any], *, throttled: bool) -> float | None:
        """Tell the budget what the answer says; seconds until the bucket holds this call, when that is known."""
        cost = (answer.get("extensions") or {}).get("cost") or {}
        status = cost.get("throttleStatus") or {}
        bucket = None
        seconds = None
        try:
            requested = float(cost["requestedQueryCost"])
            _last_cost[name] = requested
            bucket = Bucket(
                maximum=float(status["maximumAvailable"]),
                available=float(status["currentlyAvailable"]),
                restore_rate=max(1.0, float(status["restoreRate"])),
                at=time.time(),
            )
            seconds = max(1.0, (requested - bucket.available) / bucket.restore_rate)
        except (KeyError, TypeError, ValueError):
            log.info("graphql.no_cost", extra={"document": name})
        budget.report(self.shop, bucket, self.priority, throttled=throttled)
        return seconds


def _refuse_status(response: httpx.Response, name: str) -> None:
    status = response.status_code
    if status == 200:
        return
    if status == 401:
        raise TokenRejected(
            "Shopify refuses the token of this shop", next_step="Open the app from the Shopify admin."
        )
    if status in (402, 404, 423):
        raise ShopClosed(
            f"the shop is frozen, locked or gone (HTTP {status})",
            next_step="Ask the shop's owner to reopen it; the app continues by itself.",
        )
    if status == 403:
        raise AccessDenied(
            "Shopify denies this app access to the shop (HTTP 403)", next_step="Open the app again."
        )
    if status == 429:
        raise Throttled("Shopify asks us to slow down", wait_s=_seconds(response.headers.get("retry-after")))
    if status >= 500:
        raise ShopifyTrouble(
            f"Shopify answered {status}", wait_s=_seconds(response.headers.get("retry-after"))
        )
    raise DocumentRejected(f"Shopify answered {status} to the document {name}")


def _seconds(text: str | None) -> float | None:
    try:
        return min(60.0, max(0.0, float(text))) if text else None
    except ValueError:
        return None


def _error(name: str, errors: list[dict[str, Any]], codes: set[str], wait_s: float | None) -> Exception:
    if "THROTTLED" in codes:
        return Throttled("Shopify's rate limit is used up", wait_s=wait_s)
    if "ACCESS_DENIED" in codes:
        return AccessDenied(
            f"Shopify denies a field of {name}",
            next_step="Open the app in the Shopify admin and grant its scopes.",
        )
    if "SHOP_INACTIVE" in codes:
        return ShopClosed("the shop is inactive", next_step="Ask the shop's owner to reopen it.")
    if not errors or "INTERNAL_SERVER_ERROR" in codes:
        return ShopifyTrouble("Shopify failed inside")
    return DocumentRejected(f"Shopify refuses the document {name}: {str(errors[0].get('message', ''))[:200]}")
