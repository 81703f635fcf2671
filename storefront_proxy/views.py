"""The storefront addresses behind Shopify's app proxy: verify, answer, log. No ORM query when warm, no Admin API."""

from __future__ import annotations

import functools
import json
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError

from mlops.features.events import Click, Exposure
from mlops.features.online import OnlineShop
from mlops.features.storefront import Exclusion
from shopify_app.verify.signatures import QueryCode, verify_proxy
from storefront_proxy import arrivals, asked, callers, customers, exposures, outbox, problems, shops, visitors
from storefront_proxy.asked import Ask
from storefront_proxy.problems import Problem
from storefront_proxy.recommend import Answer, recommend
from tenancy import limits
from tenancy.addresses import hidden, shopper_address
from tenancy.bodies import BodyTooLarge, BodyUnfinished, read_body
from tenancy.errors import Transient

log = logging.getLogger("shelfwise.storefront")

# 4 kB over the slowest mobile network.
LONGEST_READ_S = 2.0

_UNAUTHENTIC = frozenset(
    {QueryCode.NO_SIGNATURE, QueryCode.BAD_SIGNATURE, QueryCode.BAD_TIMESTAMP, QueryCode.STALE}
)
Params = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: an installed shop's page, and the customer who is signed in there, as Shopify signed it."""

    shop: OnlineShop
    customer: int | None


View = Callable[[HttpRequest, Asker, Params], HttpResponse]


class AnsweredFirst(HttpResponse):
    """A response that does something once it has been sent."""

    def __init__(self, content: bytes, after: Callable[[], None], **kwargs: Any) -> None:
        super().__init__(content, content_type="application/json", **kwargs)
        self._after: Callable[[], None] | None = after

    def close(self) -> None:
        super().close()
        after, self._after = self._after, None
        if after is not None:
            after()


def signed(method: str) -> Callable[[View], Callable[[HttpRequest], HttpResponse]]:
    """Turn a view of a verified, installed shop into one of a request; every refusal has the one error shape."""

    def wrap(view: View) -> Callable[[HttpRequest], HttpResponse]:
        @functools.wraps(view)
        def answer(request: HttpRequest) -> HttpResponse:
            try:
                if request.method != method:
                    raise Problem(405, "method_not_allowed", f"use {method} here")
                return view(request, *_verified(request))
            except Problem as problem:
                response = problems.answer(request, problem)
                if problem.status == 405:
                    response.headers["Allow"] = method
                return response
            except (RedisError, Transient):
                log.exception("storefront.away")
                response = problems.answer(
                    request, Problem(503, "try_again", "recommendations are not available at the moment")
                )
                response.headers["Retry-After"] = "1"
                return response

        return answer

    return wrap


def _verified(request: HttpRequest) -> tuple[Asker, Params]:
    query: str = request.META.get("QUERY_STRING", "")
    verdict = verify_proxy(query, settings.SHOPIFY_SECRETS, datetime.now(UTC))
    if not verdict.ok:
        status = 401 if verdict.code in _UNAUTHENTIC else 400
        raise Problem(
            status,
            verdict.code.value,
            "this address answers requests that come through the shop's app proxy",
            next_step="Call it by its storefront address, such as /apps/shelfwise/recommendations.",
        )
    shop = shops.installed_shop(verdict.shop)
    if shop is None:
        raise Problem(404, "shop_not_found", "the app is not installed in this shop")
    _within_limits(request, shop)
    return Asker(shop, verdict.customer_id), verdict.params


def _within_limits(request: HttpRequest, shop: OnlineShop) -> None:
    now = datetime.now(UTC)
    asked_from = shopper_address(request)
    shopper = hidden(f"{shop.id}:{asked_from}", now) if asked_from else ""
    # The shopper first: one who is turned away is not on the shop's account.
    for name, subject, limit in (
        ("shopper", shopper, settings.PROXY_SHOPPER_PER_MINUTE),
        ("storefront", str(shop.id), settings.PROXY_SHOP_PER_MINUTE),
    ):
        if wait_s := limits.spend(name, subject, limit=limit, now=now):
            told = f"this {name} has asked too often in this minute"
            raise Problem(429, "too_many_requests", told, wait_s=wait_s)


@signed("GET")
def recommendations(request: HttpRequest, asker: Asker, params: Params) -> HttpResponse:
    """GET /proxy/recommendations"""
    began = time.perf_counter()
    ask, shop = asked.recommendations(params), asker.shop
    exposure_id = secrets.token_urlsafe(18)
    answer = recommend(shop, ask, customer=customers.known(shop, asker.customer, ask), seed=exposure_id)
    made = visitors.issue(shop.domain) if ask.wants_visitor else None
    now = datetime.now(UTC)
    exposure = Exposure(
        exposure_id=exposure_id,
        shop_id=shop.id,
        at=now,
        slot=ask.slot,
        served_by=answer.served_by,
        product_ids=tuple(product_id for product_id, _, _ in answer.products),
        reasons=tuple(reason for _, _, reason in answer.products),
        version_id=answer.version.version_id if answer.version else None,
        visitor=made or ask.visitor,
        context_product_id=ask.product_id,
        latency_us=int((time.perf_counter() - began) * 1_000_000),
        excluded=_exclusion(request, shop, ask, now),
    )
    response = AnsweredFirst(_body_of(ask, answer, exposure_id, made), lambda: outbox.put(exposure))
    response.headers["Cache-Control"] = "no-store"  # an exposure id belongs to one answer
    return response


@signed("POST")
def clicks(request: HttpRequest, asker: Asker, params: Params) -> HttpResponse:
    """POST /proxy/clicks"""
    click = asked.click(_body(request))
    exposures.send_click(
        Click(
            exposure_id=click.exposure_id,
            shop_id=asker.shop.id,
            at=datetime.now(UTC),
            product_id=click.product_id,
            visitor=click.visitor,
        )
    )
    response = HttpResponse(_json({"accepted": True}), status=202, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


@signed("POST")
def withdraw(request: HttpRequest, asker: Asker, params: Params) -> HttpResponse:
    """POST /proxy/withdraw: a visitor took their consent back. Only who holds the id can name it."""
    visitor = asked.withdrawal(_body(request))
    try:
        arrivals.send_withdrawal(asker.shop.id, visitor)
    except Transient as error:
        raise Problem(503, "try_again", "the withdrawal could not be taken at the moment") from error
    response = HttpResponse(_json({"accepted": True}), status=202, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def missing(request: HttpRequest) -> HttpResponse:
    """Any other address below the proxy."""
    return problems.answer(request, Problem(404, "not_found", "there is nothing at this address"))


def _body(request: HttpRequest) -> bytes:
    try:
        return read_body(request, most=asked.LARGEST_BODY, within_s=LONGEST_READ_S)
    except BodyTooLarge:
        message = f"the body must not exceed {asked.LARGEST_BODY} bytes"
        raise Problem(413, "body_too_large", message) from None
    except BodyUnfinished:
        raise Problem(408, "body_unfinished", "the body did not arrive in time") from None


def _exclusion(request: HttpRequest, shop: OnlineShop, ask: Ask, now: datetime) -> Exclusion | None:
    if ask.staff and visitors.is_staff(shop.domain, ask.staff, now=now):
        return Exclusion.STAFF
    if ask.automated and not settings.COUNT_HEADLESS:
        return Exclusion.HEADLESS
    return callers.exclusion(request)


def _body_of(ask: Ask, answer: Answer, exposure_id: str, visitor: str | None) -> bytes:
    """The answer's JSON; tiles come finished but for their reason, and nothing else in it needs escaping."""
    version = f'"{answer.version.number}"' if answer.version else "null"
    given = f'"visitor":"{visitor}",' if visitor else ""
    head = (
        f'{{"slot":"{ask.slot.value}","served_by":"{answer.served_by.value}","version":{version},'
        f'"exposure":"{exposure_id}",{given}"products":['
    )
    products = b",".join(
        [b'%b,"reason":"%b"}' % (tile, reason.encode()) for _, tile, reason in answer.products]
    )
    return b"%b%b]}" % (head.encode(), products)


def _json(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
