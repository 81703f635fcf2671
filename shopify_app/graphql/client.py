"""Sends our documents to a shop's Admin API and maps every answer to a value or to an error that says who acts.

Branches on HTTP status and `extensions.code` only, never on message text. The budget is asked before each call and
told after it; a call waits at most `patience_s` here, then raises so that its step can be put off.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings

from shopify_app.graphql import budget, library, shop_http
from shopify_app.graphql.budget import Taken
from shopify_app.graphql.calls import Phase
from shopify_app.graphql.picks import Pick
from shopify_app.graphql.throttle import Bucket, Priority
from tenancy.errors import Bug, NeedsReauth, Transient, UserFixable
from tenancy.models import Shop

log = logging.getLogger("shelfwise.graphql")
# More than any document of ours asks for: what one really costs is known from its first answer on.
FIRST_GUESS_POINTS = 500.0
# What one call may ask at most.
DEAREST_POINTS = 1000.0
TRIES = 3
_last_cost: dict[str, float] = {}


class Throttled(Transient):
    """The bucket is empty."""

    code = "shopify_throttled"


class BudgetSpent(Throttled):
    """Our own share is used up: nothing was sent, nothing is wrong, and it passes by itself in `wait_s`."""

    code = "budget_spent"


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


def _nobody(_waited_s: float) -> None:
    """Nobody wants to know how long a call waited."""


# Given the token that was refused (None at first), returns the one to use.
TokenSupplier = Callable[[str | None], str]


@dataclass(frozen=True, slots=True)
class AdminClient:
    """Calls for exactly one shop. Built by `installs.admin_client`, from a `Shop`, never from request values.

    Args:
        patience_s: how long one call may wait for the budget before it raises `Throttled`.
        on_wait: told how long each call stood in the queue for points, in seconds.
        phase: what the calls are for, under which they are counted.
        picks: the metafields that the merchant chose; asked for only when a document has a place for them.
    """

    shop: Shop
    token: TokenSupplier
    priority: Priority = Priority.FOLLOW_UP
    patience_s: float = 5.0
    on_wait: Callable[[float], None] = _nobody
    picks: Callable[[], Sequence[Pick]] = tuple
    phase: Phase = Phase.WEBHOOK

    def document(self, name: str) -> str:
        """The text of one of our documents, with the shop's chosen metafields in it."""
        return library.document(name, self._picked(name))

    def _picked(self, name: str) -> Sequence[Pick]:
        return self.picks() if library.takes_picks(name) else ()

    def run(self, name: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the document `name` and return its `data`.

        Raises:
            BudgetSpent: its points would not be there within `patience_s`.
        Throttled, ShopifyTrouble: may pass by itself.
            ShopClosed, AccessDenied, TokenRejected: a person must act.
            DocumentRejected: our fault.
        """
        token = self.token(None)
        renewed = False
        waited = 0.0
        picked = self._picked(name)
        text = library.document(name, picked)
        kind = _kind(name, variables or {}, picked)
        for attempt in range(TRIES):
            taken = self._take(kind, self.patience_s - waited)
            waited += taken.waited_s
            try:
                return self._once(name, text, kind, variables or {}, token, taken)
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

    def _take(self, kind: str, patience_s: float) -> Taken:
        cost = _last_cost.get(kind) or budget.known_cost(kind) or _guess(kind)
        try:
            taken = budget.take(self.shop, cost, self.priority, patience_s=patience_s)
        except budget.OutOfPatience as error:
            raise BudgetSpent(
                "the share of Shopify's rate limit for this kind of call is used up", wait_s=error.wait_s
            ) from error
        self.on_wait(taken.waited_s)
        return taken

    def _once(
        self, name: str, text: str, kind: str, variables: dict[str, Any], token: str, taken: Taken
    ) -> dict[str, Any]:
        cost = _Cost()
        throttled = False
        try:
            answer = self._ask(name, text, variables, token)
            errors = [each for each in answer.get("errors") or [] if isinstance(each, dict)]
            codes = {str((each.get("extensions") or {}).get("code", "")) for each in errors}
            throttled = "THROTTLED" in codes
            cost = _told(answer, throttled=throttled)
        except Throttled:
            throttled = True
            raise
        finally:
            budget.report(
                self.shop, taken, cost.bucket, spent=cost.spent, throttled=throttled, phase=self.phase
            )
        if cost.requested is None:
            log.info("graphql.no_cost", extra={"document": name})
        elif _last_cost.get(kind) != cost.requested:
            _last_cost[kind] = cost.requested
            budget.learn_cost(kind, cost.requested)
        if errors or answer.get("data") is None:
            raise _error(name, errors, codes, cost.wait_s)
        data: dict[str, Any] = answer["data"]
        return data

    def _ask(self, name: str, text: str, variables: dict[str, Any], token: str) -> dict[str, Any]:
        url = shop_http.shop_url(self.shop.domain, f"/admin/api/{settings.SHOPIFY_API_VERSION}/graphql.json")
        headers = {**shop_http.shop_headers(self.shop.domain), "X-Shopify-Access-Token": token}
        body = {"query": text, "variables": variables, "operationName": name}
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
        return answer


@dataclass(frozen=True, slots=True)
class _Cost:
    """What an answer said of its cost; None where it said nothing.

    Args:
        wait_s: until the bucket holds such a call.
    """

    requested: float | None = None
    spent: float | None = None
    bucket: Bucket | None = None
    wait_s: float | None = None


def _told(answer: dict[str, Any], *, throttled: bool) -> _Cost:
    cost = (answer.get("extensions") or {}).get("cost") or {}
    status = cost.get("throttleStatus") or {}
    try:
        requested = float(cost["requestedQueryCost"])
        bucket = Bucket(
            maximum=float(status["maximumAvailable"]),
            available=float(status["currentlyAvailable"]),
            restore_rate=max(1.0, float(status["restoreRate"])),
            at=time.time(),
        )
        actual = cost.get("actualQueryCost")
        spent = 0.0 if throttled else requested if actual is None else float(actual)
    except (KeyError, TypeError, ValueError):
        return _Cost()
    return _Cost(requested, spent, bucket, max(1.0, (requested - bucket.available) / bucket.restore_rate))


def _kind(name: str, variables: dict[str, Any], picked: Sequence[Pick]) -> str:
    """Calls of one kind ask for the same points: those depend on the document, on the sizes of its pages and on how many
    metafields are chosen.
    """
    sizes = [f"{key}={value}" for key, value in sorted(variables.items()) if type(value) is int]
    owners = [each.owner for each in picked]
    chosen = [f"{owner}s={owners.count(owner)}" for owner in sorted(set(owners))]
    return ":".join([name, *sizes, *chosen])


def _guess(kind: str) -> float:
    """Chosen metafields stand in the kind's last part, and add up to 600 points."""
    return (
        DEAREST_POINTS
        if kind.rpartition(":")[2].startswith(("products=", "variants="))
        else FIRST_GUESS_POINTS
    )


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
