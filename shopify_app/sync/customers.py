"""The door at which Shopify's customer numbers stay outside: behind it a customer is a pseudonym.

Whatever comes in (a line of a bulk result, a webhook's payload, an object read again, a listing) passes here before it
is stored or translated. What goes out to Shopify finds the number again in `CustomerReference`, sealed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from mlops.features import tombstones
from shopify_app.sync.translate.values import Untranslatable, number
from tenancy.crypto import CannotOpen
from tenancy.models import Shop
from tenancy.pseudonyms import Pseudonyms
from tenancy.reading import Purpose, reading
from tenancy.scope import scoped

GID = "gid://shopify/Customer/"
# Where a customer webhook carries its sealed number from the request to the drain.
REFERENCE = "reference"
_MERGE = ("admin_graphql_api_customer_kept_id", "admin_graphql_api_customer_deleted_id")
_CUSTOMER_TOPICS = ("customers/create", "customers/update", "customers/delete")


def in_line(names: Pseudonyms, line: str, row: dict[str, Any]) -> str:
    """The line of an order, and in place the row read from it, with a pseudonym for its customer's number.

    An empty line back says that the number is written in another way there (escaped slashes, say): write the row anew.
    """
    customer = row.get("customer")
    if not isinstance(customer, dict):
        return line
    given = customer.get("id")
    customer["id"] = _gid(names, given)
    if isinstance(given, str) and line.count(f'"{given}"') == 1:
        return line.replace(f'"{given}"', f'"{customer["id"]}"')
    return ""


def in_row(names: Pseudonyms, row: Mapping[str, Any]) -> dict[str, Any]:
    """A GraphQL object with a pseudonym for the customer that it has, or is."""
    told = dict(row)
    customer = told.get("customer")
    if isinstance(customer, dict):
        told["customer"] = {**customer, "id": _gid(names, customer.get("id"))}
    if isinstance(told.get("id"), str) and told["id"].startswith(GID):
        told["id"] = _gid(names, told["id"])
    return told


def in_payload(names: Pseudonyms, shop_id: int, topic: str, payload: dict[str, Any]) -> dict[str, Any]:
    """A webhook's payload as it may be stored. Privacy requests keep the number: they are about it.

    What is no number stays and is refused by the translation, with its reason.
    """
    told = dict(payload)
    customer = told.get("customer")
    if topic in _CUSTOMER_TOPICS:
        found = _number(told.get("id"))
        if found is not None:
            told["id"] = names.of_customer(found)
            if topic != "customers/delete":
                told[REFERENCE] = base64.b64encode(_sealed(shop_id, told["id"], found)).decode()
    elif topic == "customers/merge":
        for name in _MERGE:
            found = _number(told.get(name))
            told[name] = told.get(name) if found is None else names.of_customer(found)
    elif topic not in ("customers/data_request", "customers/redact") and isinstance(customer, dict):
        found = _number(customer.get("id"))
        told["customer"] = {
            **customer,
            "id": customer.get("id") if found is None else names.of_customer(found),
        }
    return told


def reference_in(payload: Mapping[str, Any]) -> bytes | None:
    """The sealed number that the payload of a customer webhook carries (see `in_payload`)."""
    encoded = payload.get(REFERENCE)
    if not isinstance(encoded, str):
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return None


def sealed_references(names: Pseudonyms, shop_id: int, numbers: Iterable[int]) -> dict[int, bytes]:
    """Sealed numbers by pseudonym, to `remember`."""
    return {
        pseudonym: _sealed(shop_id, pseudonym, each)
        for each, pseudonym in ((each, names.of_customer(each)) for each in numbers)
    }


@scoped
@reading(actor="system:sync", purpose=Purpose.KEEPING)
def remember(shop: Shop, references: Mapping[int, bytes], now: datetime) -> None:
    """Keep which number stands behind each pseudonym; what is known stays as it is, and nobody erased comes back.

    Call it in the transaction that appends the customers, after them: then it holds the shop's EVENTS lock.
    """
    if not references:
        return
    erased = tombstones.among(shop, customers=references).customers
    references = {each: sealed for each, sealed in references.items() if each not in erased}
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into sync_customerreference (shop_id, customer_id, number_sealed, noted_at)"
            " select %s, u.customer_id, u.number_sealed, %s from unnest(%s::bigint[], %s::bytea[])"
            " as u(customer_id, number_sealed) on conflict (shop_id, customer_id) do nothing",
            [shop.pk, now, list(references), list(references.values())],
        )


@scoped
def numbers_of(shop: Shop, pseudonyms: Iterable[int]) -> dict[int, int]:
    """Shopify's numbers by pseudonym, of those that we still know.

    Raises:
        CannotOpen: a reference was altered, or its key is not configured.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select customer_id, number_sealed from sync_customerreference"
            " where shop_id = %s and customer_id = any(%s::bigint[])",
            [shop.pk, list(pseudonyms)],
        )
        return {row[0]: int(_opened(shop.pk, row[0], row[1])) for row in cursor.fetchall()}


@scoped
@reading(actor="system:sync", purpose=Purpose.KEEPING)
def forget(shop: Shop, pseudonyms: Iterable[int]) -> int:
    """Forget the numbers behind these pseudonyms; how many were known."""
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from sync_customerreference where shop_id = %s and customer_id = any(%s::bigint[])",
            [shop.pk, list(pseudonyms)],
        )
        return int(cursor.rowcount)


def context(shop_id: int, pseudonym: int) -> str:
    """What a sealed number is bound to."""
    return f"customer:{shop_id}:{pseudonym}"


def _sealed(shop_id: int, pseudonym: int, number_: int) -> bytes:
    return settings.KEYRING.seal(b"%d" % number_, context=context(shop_id, pseudonym))


def _opened(shop_id: int, pseudonym: int, sealed: bytes) -> bytes:
    try:
        return settings.KEYRING.open(bytes(sealed), context=context(shop_id, pseudonym))
    except CannotOpen as error:
        raise CannotOpen(f"the reference of a customer of shop {shop_id}: {error}") from None


def _gid(names: Pseudonyms, given: Any) -> Any:
    found = _number(given)
    return given if found is None else f"{GID}{names.of_customer(found)}"


def _number(given: Any) -> int | None:
    try:
        return number(given, "customer.id")
    except Untranslatable:
        return None
