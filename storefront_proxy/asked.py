"""What a storefront asks, read strictly from the signed query or body. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.features.events import STOREFRONT_SLOTS, SlotName
from storefront_proxy.problems import Problem

DEFAULT_LIMIT = 8
MOST_PRODUCTS = 24
MOST_CART_PRODUCTS = 100
MOST_RECENT = 20
# What is bought again and again belongs on every page; a shop of durable goods asks for `exclude`.
REPEATS = {SlotName.PRODUCT_PAGE: "allow", SlotName.CART: "allow", SlotName.HOME: "allow"}
LARGEST_BODY = 4096
LONGEST_PASS = 64
# In place of an id: too short to be one.
NEW_VISITOR = "new"
_ID = re.compile(r"[1-9][0-9]{0,17}")
_LIMIT = re.compile(r"[1-9][0-9]?")
_VISITOR = re.compile(r"[A-Za-z0-9_-]{8,64}")
_EXPOSURE = re.compile(r"[A-Za-z0-9_-]{16,40}")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for recommendations.

    Args:
        product_id: the product whose page it is; always given for `product_page`.
        cart: products in the cart, in the order given, each once.
        recent: products that the visitor looked at before in this session, newest first, each once.
        repeats: whether what the customer has bought before may be shown.
        wants_visitor: the visitor allows to be recognised and has no id yet.
        staff: a pass that marks the browser as one of the shop's own people; not yet proven.
        automated: the browser says that a script drives it.
    """

    slot: SlotName
    product_id: int | None
    cart: tuple[int, ...]
    visitor: str | None
    limit: int
    wants_visitor: bool = False
    recent: tuple[int, ...] = ()
    repeats: bool = True
    staff: str = ""
    automated: bool = False

    @property
    def recognised(self) -> bool:
        """Whether the visitor allows analytics and preferences: only then has the page an id of theirs, or asks for one."""
        return self.visitor is not None or self.wants_visitor


@dataclass(frozen=True, slots=True)
class Clicked:
    exposure_id: str
    product_id: int
    visitor: str | None


def recommendations(params: Mapping[str, Sequence[str]]) -> Ask:
    """The request in these parameters; parameters that we do not know are passed over.

    Raises:
        Problem: 400, with the field at fault.
    """
    slot = _one(params, "slot")
    if slot not in {each.value for each in STOREFRONT_SLOTS}:
        names = ", ".join(each.value for each in STOREFRONT_SLOTS)
        raise _malformed("slot", f"slot must be one of {names}")
    product = _one(params, "product_id")
    if product and _ID.fullmatch(product) is None:
        raise _malformed("product_id", "product_id must be a product's number")
    if not product and slot == SlotName.PRODUCT_PAGE:
        raise _malformed("product_id", "product_id is required for slot product_page")
    cart = _numbers(params, "cart", MOST_CART_PRODUCTS)
    recent = _numbers(params, "recent", MOST_RECENT)
    repeats = _one(params, "repeats") or REPEATS[SlotName(slot)]
    if repeats not in ("allow", "exclude"):
        raise _malformed("repeats", "repeats must be allow or exclude")
    limit = _one(params, "limit") or str(DEFAULT_LIMIT)
    if _LIMIT.fullmatch(limit) is None or int(limit) > MOST_PRODUCTS:
        raise _malformed("limit", f"limit must be a whole number from 1 to {MOST_PRODUCTS}")
    visitor = _one(params, "visitor")
    staff = _one(params, "staff") or ""
    if len(staff) > LONGEST_PASS:
        raise _malformed("staff", "staff must be the pass from the admin's link")
    return Ask(
        slot=SlotName(slot),
        product_id=int(product) if product else None,
        cart=cart,
        recent=recent,
        repeats=repeats == "allow",
        visitor=None if visitor == NEW_VISITOR else _visitor(visitor),
        limit=int(limit),
        wants_visitor=visitor == NEW_VISITOR,
        staff=staff,
        automated=_one(params, "automated") == "1",
    )


def click(body: bytes) -> Clicked:
    """The click in this body.

    Raises:
        Problem: 400, with the field at fault.
    """
    found = _object(body)
    exposure, product, visitor = found.get("exposure"), found.get("product_id"), found.get("visitor")
    if not isinstance(exposure, str) or _EXPOSURE.fullmatch(exposure) is None:
        raise _malformed("exposure", "exposure must be the id that came with the products")
    if isinstance(product, bool) or not isinstance(product, int | str) or _ID.fullmatch(str(product)) is None:
        raise _malformed("product_id", "product_id must be a product's number")
    if visitor is not None and not isinstance(visitor, str):
        raise _malformed("visitor", "visitor must be a text")
    return Clicked(exposure_id=exposure, product_id=int(product), visitor=_visitor(visitor))


def withdrawal(body: bytes) -> str:
    """The visitor who takes the consent back.

    Raises:
        Problem: 400, with the field at fault.
    """
    visitor = _object(body).get("visitor")
    if not isinstance(visitor, str) or _VISITOR.fullmatch(visitor) is None:
        raise _malformed("visitor", "visitor must be 8 to 64 letters, digits, _ or -")
    return visitor


def _object(body: bytes) -> dict[str, Any]:
    try:
        found: Any = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _malformed(None, "the body must be JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise _malformed(None, "the body must be a JSON object")
    return found


def _numbers(params: Mapping[str, Sequence[str]], name: str, most: int) -> tuple[int, ...]:
    """Product numbers with commas between, in the order given, each once."""
    found = [each for each in (_one(params, name) or "").split(",") if each]
    if len(found) > most or any(_ID.fullmatch(each) is None for each in found):
        raise _malformed(name, f"{name} must be at most {most} product numbers with commas between")
    return tuple(dict.fromkeys(map(int, found)))


def _one(params: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = params.get(name, ())
    if len(values) > 1:
        raise _malformed(name, f"{name} must be given once")
    return values[0] if values else None


def _visitor(given: str | None) -> str | None:
    if not given:
        return None
    if _VISITOR.fullmatch(given) is None:
        raise _malformed("visitor", "visitor must be 8 to 64 letters, digits, _ or -")
    return given


def _malformed(field: str | None, message: str) -> Problem:
    return Problem(400, "invalid_parameter" if field else "invalid_body", message, field=field)
