"""Shopify's three privacy requests: give the owner what is kept of a customer, forget a customer, forget a shop.

Of a customer we keep a pseudonym: on their orders, in the log of events, and (as a pseudonymous visitor id) on what the
storefront showed them. No name, e-mail, phone or address is ever stored, so none has to be found here.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.models import ForeignKey, Model

from mlops.features import erase
from mlops.features.erase import Erased
from mlops.validation import erase as quarantine
from shopify_app import installs
from shopify_app.sync import customers
from tenancy import audit, pseudonyms
from tenancy import redis as shared_redis
from tenancy.bus import in_flight
from tenancy.locks import LockKind, lock
from tenancy.models import Shop

log = logging.getLogger("shelfwise.privacy")
LOCK_WAIT_S = 30.0


def data_request(shop: Shop, payload: Mapping[str, Any], *, now: datetime) -> Path:
    """customers/data_request: keep a sealed export of everything about the customer, for the shop's owner.

    Returns:
        the sealed file; `read_export` opens it.
    """
    customer_id = customer_number(payload)
    request_id = _number((payload.get("data_request") or {}).get("id")) or int(now.timestamp())
    export = {
        "shop": shop.domain,
        "customer_id": customer_id,
        "made_at": now.isoformat(),
        "kept": "orders by customer number, and what the storefront showed to the same visitor",
        **_everything(
            shop, pseudonyms.of(shop).of_customer(customer_id), _ids(payload.get("orders_requested"))
        ),
    }
    path = _exports(shop) / f"{request_id}.sealed"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(settings.KEYRING.seal(json.dumps(export).encode(), context=_context(shop, request_id)))
    audit.record(
        shop,
        actor="system:privacy",
        action="privacy.data_request",
        now=now,
        reason="a customer asked the shop for their data",
        data={"request": request_id, "orders": len(export["orders"])},
    )
    return path


def read_export(shop: Shop, request_id: int) -> dict[str, Any]:
    """The export of one data request, for the shop's owner.

    Raises:
        FileNotFoundError: there is none, or it was redacted.
    """
    sealed = (_exports(shop) / f"{request_id}.sealed").read_bytes()
    found: dict[str, Any] = json.loads(settings.KEYRING.open(sealed, context=_context(shop, request_id)))
    return found


def redact_customer(shop: Shop, payload: Mapping[str, Any], *, now: datetime) -> Erased:
    """customers/redact: the orders stay as sales of nobody; the customer's number and visitor ids go. Safe twice."""
    customer_id = customer_number(payload)
    pseudonym = pseudonyms.of(shop).of_customer(customer_id)
    order_ids = _ids(payload.get("orders_to_redact"))
    # First, and without a lock: what a consumer has in hand must be in its table before that is erased.
    visitors = erase.visitors_of(shop, pseudonym, order_ids)
    in_flight.forget(shop.pk, visitors=visitors)
    with transaction.atomic():
        erased = erase.erase_customer(shop, pseudonym, order_ids)
        quarantine.erase_customer(shop, pseudonym, order_ids, visitors)
        customers.forget(shop, [pseudonym])
        audit.record(
            shop,
            actor="system:privacy",
            action="privacy.customer_redacted",
            now=now,
            reason="Shopify asked for it",
            data={"orders": erased.orders, "events": erased.events, "exposures": erased.exposures},
        )
    _drop_exports(shop, customer_id)
    return erased


def redact_shop(shop: Shop, *, now: datetime, triggered_at: datetime | None = None) -> bool:
    """shop/redact: erase the shop, unless it was installed again in the meantime. True when erased."""
    shop = Shop.objects.get(pk=shop.pk)
    if shop.uninstalled_at is None and triggered_at is not None and triggered_at >= shop.installed_at:
        # Shopify sends this 48 hours after an uninstall whose webhook we may have missed: then it is the uninstall.
        installs.uninstall(shop, now, triggered_at=triggered_at)
    elif shop.uninstalled_at is None:
        log.info("privacy.shop_kept", extra={"shop_id": shop.pk})
        return False
    erase_shop(shop, now=now)
    return True


def erase_shop(shop: Shop, *, now: datetime) -> None:
    """Delete every row, key and file of the shop. Nothing that could name it is left but a line in the log."""
    shop_id = shop.pk
    with transaction.atomic(), connection.cursor() as cursor:
        # A step under way ends first, or it would write its file into the emptied folder.
        kinds = (LockKind.TOKEN, LockKind.IMPORT, LockKind.TRAINING, LockKind.SLOTS, LockKind.EVENTS)
        lock(shop, *kinds, wait_s=LOCK_WAIT_S)
        erase.erase_shop(shop)
        # The other rooms keep rows alone. Foreign keys are checked at the commit, so the order of the tables is free.
        for table in _shop_tables():
            cursor.execute(f'delete from "{table}" where shop_id = %s', [shop_id])  # noqa: S608 - names of our models
        cursor.execute("delete from tenancy_shop where id = %s", [shop_id])
    pseudonyms.forget(shop)
    in_flight.forget(shop_id)
    client = shared_redis.client()
    for name in client.scan_iter(match=shared_redis.key("*", shop_id), count=1000):
        client.delete(name)
    shutil.rmtree(Path(settings.ARTEFACT_DIR) / str(shop_id), ignore_errors=True)
    log.info("privacy.shop_erased", extra={"shop_id": shop_id, "at": now.isoformat()})


def customer_number(payload: Mapping[str, Any]) -> int:
    """The customer whom a privacy request is about; 0 when it names none."""
    return _number((payload.get("customer") or {}).get("id")) or 0


def _shop_tables() -> list[str]:
    def owned(model: type[Model]) -> bool:
        return any(
            isinstance(field, ForeignKey) and field.name == "shop" and field.related_model is Shop
            for field in model._meta.get_fields()
        )

    return sorted(model._meta.db_table for model in apps.get_models() if owned(model))


def _everything(shop: Shop, customer_id: int, order_ids: list[int]) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select o.order_id, o.name, o.ordered_at, o.total::text, o.refunded::text, o.currency, o.visitor,"
            " coalesce(json_agg(json_build_object('product_id', l.product_id, 'variant_id', l.variant_id,"
            " 'quantity', l.quantity, 'unit_price', l.unit_price::text) order by l.line_id)"
            " filter (where l.line_id is not null), '[]')"
            " from features_order o left join features_orderline l using (shop_id, order_id)"
            " where o.shop_id = %s and (o.customer_id = %s or o.order_id = any(%s))"
            " group by o.shop_id, o.order_id order by o.ordered_at",
            [shop.pk, customer_id, order_ids],
        )
        found = cursor.fetchall()
        orders = [
            {
                "order_id": row[0], "name": row[1], "ordered_at": row[2].isoformat(), "total": row[3],
                "refunded": row[4], "currency": row[5], "lines": json.loads(row[7]) if isinstance(row[7], str) else row[7],
            }
            for row in found
        ]  # fmt: skip
        cursor.execute(
            "select exposure_id, at, slot, product_ids from features_exposure"
            " where shop_id = %s and visitor = any(%s) order by at",
            [shop.pk, sorted({row[6] for row in found if row[6]})],
        )
        shown = [
            {"exposure": row[0], "at": row[1].isoformat(), "slot": row[2], "product_ids": row[3]}
            for row in cursor.fetchall()
        ]
    return {"orders": orders, "shown": shown}


def _exports(shop: Shop) -> Path:
    return Path(settings.ARTEFACT_DIR) / str(shop.pk) / "privacy"


def _context(shop: Shop, request_id: int) -> str:
    return f"privacy:{shop.pk}:{request_id}"


def _drop_exports(shop: Shop, customer_id: int) -> None:
    for path in _exports(shop).glob("*.sealed"):
        if read_export(shop, int(path.stem)).get("customer_id") == customer_id:
            path.unlink(missing_ok=True)


def _ids(values: Any) -> list[int]:
    return [found for found in (_number(each) for each in values or ()) if found]


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isdigit() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else None
