"""`/_devstore/`: what a merchant, a buyer or bad luck would do, at the call of a script. Local only, no sign-in."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstore import changes, truth
from devstore.changes import Change, ChangeRefusedError, RefusalCode
from devstore.deliveries import DeliveryState
from devstore.faults import FaultError
from devstore.platform import Platform
from devstore.shelf import UnknownShopError
from devstore.store import Store
from devstore.topics import COMPLIANCE_TOPICS

MAX_BODY = 4 * 1024 * 1024
MAX_WAIT_S = 60.0


class ControlError(Exception):
    """The call cannot be done as asked; answered with this status and sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Call:
    """One control call; `body` is {} when none was sent."""

    platform: Platform
    path: Mapping[str, Any]
    query: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def store(self) -> Store:
        """Raises UnknownShopError."""
        return self.platform.store(self.path["shop"])

    def value(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """A value of the body of this kind, or the default when absent or null. Raises ControlError."""
        found = self.body.get(key)
        if found is None:
            return default
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            raise ControlError(400, f"{key} has the wrong type.")
        return found

    def required(self, key: str, kind: type | tuple[type, ...]) -> Any:
        found = self.value(key, kind)
        if found is None:
            raise ControlError(400, f"{key} is missing.")
        return found

    def number(self, key: str, default: int) -> int:
        """A whole number of the query. Raises ControlError."""
        text = self.query.get(key)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise ControlError(400, f"{key} must be a whole number.")
        return int(text)

    def only(self, *keys: str) -> None:
        """Refuse a body with other keys: a misspelt one would be silently ignored. Raises ControlError."""
        unknown = sorted(set(self.body) - set(keys))
        if unknown:
            raise ControlError(400, f"unknown {', '.join(unknown)}; there are {', '.join(keys) or 'none'}.")


Handler = Callable[[Call], Any]


def health(call: Call) -> dict[str, Any]:
    shops = list(call.platform.stores)
    return {"status": "ok", "pid": os.getpid(), "shops": len(shops), "app": call.platform.app.name}


def shops(call: Call) -> dict[str, Any]:
    """Every shop, the default one first; looks through the data folder again."""
    return {"shops": [_shop(call.platform, store) for store in call.platform.stores.values()]}


def shop(call: Call) -> dict[str, Any]:
    return _shop(call.platform, call.store)


def counts(call: Call) -> dict[str, int]:
    return call.store.counts()


def install(call: Call) -> dict[str, Any]:
    """`optional_scopes`: those of the configuration's optional ones that the merchant allows too."""
    call.only("optional_scopes")
    optional = call.value("optional_scopes", list, [])
    if not all(isinstance(scope, str) for scope in optional):
        raise ControlError(400, "optional_scopes must be a list of texts.")
    try:
        call.platform.install(call.store.domain, optional=frozenset(optional))
    except ValueError as error:
        raise ControlError(422, f"{error}.") from None
    return _shop(call.platform, call.store)


def uninstall(call: Call) -> dict[str, Any]:
    """`redact_after_s`: also send shop/redact that much later (Shopify: 172800)."""
    call.only("redact_after_s")
    after = call.value("redact_after_s", (int, float))
    if after is not None and not 0 <= after <= 10**7:
        raise ControlError(400, "redact_after_s must be seconds, at least 0.")
    if not call.platform.uninstall(call.store.domain, redact_after_s=after):
        raise ControlError(409, f"The app is not installed on {call.store.domain}.")
    return _shop(call.platform, call.store)


def session_token(call: Call) -> dict[str, str]:
    staff_id = call.number("staff", 0) or None
    member = call.platform.staff_member(call.store.domain, staff_id)
    return {"token": call.platform.mint_session_token(call.store.domain, member.id)}


def open_app(call: Call) -> dict[str, str]:
    """The merchant opens the app: installs it if needed (unless `install=0`) and gives the iframe's address."""
    domain = call.store.domain
    path = call.query.get("path", "/")
    if not path.startswith("/"):
        raise ControlError(400, "path must start with /.")
    member = call.platform.staff_member(domain, call.number("staff", 0) or None)
    if call.number("install", 1):
        call.platform.install_if_needed(domain)
    opened = call.platform.embedded_request(domain, member.id, path=path)
    return {"url": opened.url, "id_token": opened.id_token}


def place_order(call: Call) -> dict[str, Any]:
    call.only("lines", "attributes", "customer_id", "test", "presentment_currency")
    lines = call.required("lines", list)
    if not lines or not all(isinstance(line, Mapping) for line in lines):
        raise ControlError(400, "lines must be a list of {variant_id, quantity, properties}.")
    caused = changes.place_order(
        call.store,
        lines=lines,
        attributes=call.value("attributes", (list, dict)),
        customer_id=call.value("customer_id", int),
        test=call.value("test", bool, default=False),
        presentment_currency=call.value("presentment_currency", str),
        now=_now(),
    )
    return {"order_id": caused[0].id, **_emit(call, caused)}


def refund(call: Call) -> dict[str, Any]:
    """`lines`: {order line id: quantity}; all that is left without it."""
    call.only("lines", "restock", "note")
    given = call.value("lines", dict)
    try:
        quantities = None if given is None else {int(key): int(value) for key, value in given.items()}
    except (TypeError, ValueError):
        raise ControlError(400, "lines must be an object of order line id to quantity.") from None
    caused = changes.refund(
        call.store,
        call.path["id"],
        quantities,
        restock=call.value("restock", bool, default=True),
        note=call.value("note", str),
        now=_now(),
    )
    return _emit(call, caused)


def cancel(call: Call) -> dict[str, Any]:
    call.only("reason")
    reason = call.value("reason", str, "CUSTOMER")
    return _emit(call, changes.cancel(call.store, call.path["id"], reason=reason, now=_now()))


def edit_order(call: Call) -> dict[str, Any]:
    """`lines`: {order line id: quantity that is left}."""
    call.only("lines")
    try:
        quantities = {int(key): int(value) for key, value in call.required("lines", dict).items()}
    except (TypeError, ValueError):
        raise ControlError(400, "lines must be an object of order line id to quantity.") from None
    return _emit(call, changes.edit_order(call.store, call.path["id"], quantities, now=_now()))


def delete_order(call: Call) -> dict[str, Any]:
    return _emit(call, changes.delete_order(call.store, call.path["id"]))


def create_customer(call: Call) -> dict[str, Any]:
    call.only("email", "first_name", "last_name")
    caused = changes.create_customer(
        call.store,
        email=call.required("email", str),
        first_name=call.value("first_name", str, ""),
        last_name=call.value("last_name", str, ""),
        now=_now(),
    )
    return {"customer_id": caused[0].id, **_emit(call, caused)}


def truth_of(call: Call) -> dict[str, Any]:
    return truth.rows(call.store, call.path["table"], after=call.number("after", 0))


def change_variant(call: Call) -> dict[str, Any]:
    call.only("available", "price", "compare_at_price")
    caused: list[Change] = []
    available, price = call.value("available", int), call.value("price", (str, int, float))
    if price is not None:
        compare_at = call.value("compare_at_price", (str, int, float))
        caused += changes.set_price(
            call.store,
            call.path["id"],
            str(price),
            compare_at_price=None if compare_at is None else str(compare_at),
            now=_now(),
        )
    if available is not None:
        caused += changes.set_stock(call.store, call.path["id"], available, now=_now())
    if available is None and price is None:
        raise ControlError(400, "Give available, price or both.")
    return _emit(call, caused)


def create_product(call: Call) -> dict[str, Any]:
    call.only("title", "price", "product_type", "vendor", "tags", "status", "available")
    tags = call.value("tags", list, [])
    if not all(isinstance(tag, str) for tag in tags):
        raise ControlError(400, "tags must be a list of texts.")
    caused = changes.create_product(
        call.store,
        title=call.required("title", str),
        price=str(call.required("price", (str, int, float))),
        product_type=call.value("product_type", str, ""),
        vendor=call.value("vendor", str, ""),
        tags=tags,
        status=call.value("status", str, "ACTIVE"),
        available=call.value("available", int, 0),
        now=_now(),
    )
    return {"product_id": caused[0].id, **_emit(call, caused)}


def change_product(call: Call) -> dict[str, Any]:
    call.only("status", "title")
    status, title = call.value("status", str), call.value("title", str)
    caused: list[Change] = []
    if title is not None:
        caused += changes.set_title(call.store, call.path["id"], title, now=_now())
    if status is not None:
        caused += changes.set_status(call.store, call.path["id"], status, now=_now())
    if status is None and title is None:
        raise ControlError(400, "Give status, title or both.")
    return _emit(call, caused)


def delete_product(call: Call) -> dict[str, Any]:
    return _emit(call, changes.delete_product(call.store, call.path["id"]))


def merge_customers(call: Call) -> dict[str, Any]:
    call.only("kept", "deleted")
    kept, deleted = call.required("kept", int), call.required("deleted", int)
    return _emit(call, changes.merge_customers(call.store, kept=kept, deleted=deleted, now=_now()))


def publish_theme(call: Call) -> dict[str, Any]:
    call.only("name")
    return _emit(call, changes.publish_theme(call.store, name=call.value("name", str), now=_now()))


def update_shop(call: Call) -> dict[str, Any]:
    if not call.body or not all(isinstance(value, str) for value in call.body.values()):
        raise ControlError(400, "Give at least one setting of the shop; all are texts.")
    return _emit(call, changes.update_shop(call.store, {str(key): value for key, value in call.body.items()}))


def compliance(call: Call) -> dict[str, Any]:
    """Send a privacy webhook: `topic`, and `customer_id` for those about a customer."""
    call.only("topic", "customer_id")
    topic = call.required("topic", str)
    if topic not in COMPLIANCE_TOPICS:
        raise ControlError(400, f"topic must be one of {', '.join(sorted(COMPLIANCE_TOPICS))}.")
    if topic == "shop/redact":
        return _emit(call, [Change(topic, "shop", call.store.facts().shop_id)])
    return _emit(call, [Change(topic, "customer", call.required("customer_id", int))])


def read_faults(call: Call) -> dict[str, Any]:
    return call.platform.faults.document()


def set_faults(call: Call) -> dict[str, Any]:
    return call.platform.set_faults(call.body).document()


def clear_faults(call: Call) -> dict[str, Any]:
    return call.platform.set_faults(None).document()


def stats(call: Call) -> dict[str, Any]:
    return {"shops": call.platform.stats.document()}


def clear_stats(call: Call) -> dict[str, Any]:
    call.platform.stats.clear()
    return {"shops": {}}


def list_deliveries(call: Call) -> dict[str, Any]:
    """Newest first; `state`, `shop`, `topic` and `limit` (100) narrow it; `counts` covers all states."""
    state = call.query.get("state")
    if state is not None and state not in {known.value for known in DeliveryState}:
        raise ControlError(400, f"state must be one of {', '.join(DeliveryState)}.")
    found = call.platform.deliveries.listing(
        shop=call.query.get("shop"),
        state=state,
        topic=call.query.get("topic"),
        limit=call.number("limit", 100),
    )
    return {"counts": call.platform.deliveries.counts(call.query.get("shop")), "deliveries": found}


def flush_deliveries(call: Call) -> dict[str, Any]:
    """Make all that waits due now; with `wait_s`, answer when nothing is pending or the time is over."""
    call.only("wait_s")
    wait_s = call.value("wait_s", (int, float), 0)
    flushed = call.platform.deliveries.flush()
    until = time.monotonic() + min(float(wait_s), MAX_WAIT_S)
    while (tally := call.platform.deliveries.counts())["pending"] and time.monotonic() < until:
        time.sleep(0.02)
    return {"flushed": flushed, "counts": tally}


def routes(platform: Platform) -> list[Route]:
    """Every control call with its method."""
    of_shop = "/shops/{shop}"
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/health", health),
        ("GET", "/shops", shops),
        ("POST", "/shops/reload", shops),
        ("GET", of_shop, shop),
        ("POST", of_shop, update_shop),
        ("GET", f"{of_shop}/counts", counts),
        ("POST", f"{of_shop}/install", install),
        ("POST", f"{of_shop}/uninstall", uninstall),
        ("GET", f"{of_shop}/session-token", session_token),
        ("GET", f"{of_shop}/open", open_app),
        ("POST", f"{of_shop}/orders", place_order),
        ("POST", f"{of_shop}/orders/{{id:int}}/refund", refund),
        ("POST", f"{of_shop}/orders/{{id:int}}/cancel", cancel),
        ("POST", f"{of_shop}/orders/{{id:int}}/edit", edit_order),
        ("DELETE", f"{of_shop}/orders/{{id:int}}", delete_order),
        ("GET", f"{of_shop}/rows/{{table}}", truth_of),
        ("POST", f"{of_shop}/customers", create_customer),
        ("POST", f"{of_shop}/variants/{{id:int}}", change_variant),
        ("POST", f"{of_shop}/products", create_product),
        ("POST", f"{of_shop}/products/{{id:int}}", change_product),
        ("DELETE", f"{of_shop}/products/{{id:int}}", delete_product),
        ("POST", f"{of_shop}/customers/merge", merge_customers),
        ("POST", f"{of_shop}/themes/publish", publish_theme),
        ("POST", f"{of_shop}/compliance", compliance),
        ("GET", "/faults", read_faults),
        ("POST", "/faults", set_faults),
        ("DELETE", "/faults", clear_faults),
        ("GET", "/stats", stats),
        ("DELETE", "/stats", clear_stats),
        ("GET", "/deliveries", list_deliveries),
        ("POST", "/deliveries/flush", flush_deliveries),
    ]
    return [
        Route(f"/_devstore{path}", _endpoint(platform, handler), methods=[method])
        for method, path, handler in table
    ]


def _endpoint(platform: Platform, handler: Handler) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            call = Call(platform, request.path_params, request.query_params, await _body(request))
            answer = await anyio.to_thread.run_sync(handler, call)
        except ControlError as error:
            return _refusal(error.status, str(error))
        except FaultError as error:
            return _refusal(400, f"{error}.")
        except OverflowError:
            return _refusal(400, "A number is too large.")
        except ChangeRefusedError as error:
            return _refusal(404 if error.code is RefusalCode.NOT_FOUND else 422, str(error))
        except UnknownShopError as error:
            return _refusal(404, f"There is no shop {error}.")
        except LookupError as error:
            return _refusal(404, f"{error}.")
        return JSONResponse(answer)

    return endpoint


async def _body(request: Request) -> Mapping[str, Any]:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise ControlError(413, f"The body is longer than {MAX_BODY} bytes.")
    if not raw:
        return {}
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise ControlError(400, "The body is not JSON.") from None
    if not isinstance(document, dict):
        raise ControlError(400, "The body must be a JSON object.")
    return document


def _refusal(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=status)


def _emit(call: Call, caused: list[Change]) -> dict[str, Any]:
    sent = call.platform.emit(call.store, caused)
    return {"changes": [{"topic": change.topic, "id": change.id} for change in caused], "deliveries": sent}


def _shop(platform: Platform, store: Store) -> dict[str, Any]:
    granted, facts = platform.installs.get(store.domain), store.facts()
    return {
        "domain": store.domain,
        "name": facts.name,
        "currency": facts.currency,
        "installed": bool(granted and granted.active),
        "scopes": sorted(granted.scopes) if granted and granted.active else [],
        "installed_at": granted.installed_at if granted else None,
        "uninstalled_at": granted.uninstalled_at if granted else None,
        "staff": [
            {
                "id": member.id,
                "name": f"{member.first_name} {member.last_name}",
                "account_owner": member.account_owner,
            }
            for member in platform.staff(store.domain)
        ],
    }


def _now() -> datetime:
    return datetime.now(UTC)
