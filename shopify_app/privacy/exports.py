"""What is kept of a customer, for the shop's owner: sealed files that lapse, and the rows that say so."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from mlops.features import erase, sealed
from mlops.features.erase import Person
from shopify_app.privacy.asked import customer_number, numbers, request_number
from shopify_app.privacy.models import DataRequest
from shopify_app.privacy.places import PLACES, Holds
from tenancy import audit, pseudonyms
from tenancy.crypto import CannotOpen
from tenancy.errors import NotFound
from tenancy.models import Shop
from tenancy.reading import Purpose, handled, reading
from tenancy.scope import scope, scoped

# Shopify: the owner answers the customer within 30 days.
DUE = timedelta(days=30)


class ExportGone(NotFound):
    code = "export_gone"


@scoped
@reading(actor="system:privacy", purpose=Purpose.DATA_REQUEST)
def data_request(shop: Shop, payload: Mapping[str, Any], *, now: datetime) -> DataRequest:
    """customers/data_request: keep a sealed export of everything about the customer, for the shop's owner. Safe twice."""
    number = customer_number(payload)
    request_id = request_number(payload) or int(now.timestamp())
    with transaction.atomic(), scope(shop):
        names = pseudonyms.of(shop)
        person = erase.find(
            shop, names.of_customer(number), order_ids=numbers(payload.get("orders_requested"))
        )
        export = {
            "shop": shop.domain,
            "customer_id": number,
            "made_at": now.isoformat(),
            "kept": "Orders, what the storefront showed to the same browser and what came of it. No name, e-mail, phone"
            " or address is kept. Customers are stored under a pseudonym.",
            **_everything(shop, person),
        }
        _write(_path(shop, request_id), _sealed(shop, request_id, export))
        asked, _ = DataRequest.objects.update_or_create(
            shop=shop,
            request_id=request_id,
            defaults={
                "mark": names.mark("data request", number), "asked_at": now, "due_at": now + DUE, "deleted_at": None,
                "expires_at": now + timedelta(days=settings.RETENTION_EXPORTS_DAYS), "orders": len(export["orders"]),
            },
        )  # fmt: skip
        audit.record(
            shop,
            actor="system:privacy",
            action="privacy.data_request",
            now=now,
            reason="a customer asked the shop for their data",
            data={"request": request_id, "orders": len(export["orders"])},
        )
    return asked


@scoped
def download(shop: Shop, request_id: int, *, actor: str, now: datetime) -> dict[str, Any]:
    """The export, for the shop's owner; written to the audit log.

    Raises:
        NotFound: there was no such request.
        ExportGone: it lapsed, or the customer was erased.
    """
    with transaction.atomic(), scope(shop):
        asked = DataRequest.objects.filter(request_id=request_id).first()
        if asked is None:
            raise NotFound(
                "there is no such request", code="data_request_not_found", next_step="Reload the page."
            )
        if asked.deleted_at is not None or asked.expires_at <= now:
            raise ExportGone(
                "this export is deleted: its time is over, or the customer was erased",
                next_step="If the customer asks again, Shopify sends a new request.",
            )
        try:
            found = read_export(shop, request_id)
        except (OSError, CannotOpen):
            raise ExportGone(
                "this export is not there any more, or its key is not configured",
                next_step="Tell the operator of this app; Shopify can send the request again.",
            ) from None
        handled("export", 1)
        DataRequest.objects.filter(pk=asked.pk).update(downloaded_at=now)
        audit.record(
            shop, actor=actor, action="privacy.export_downloaded", now=now, data={"request": request_id}
        )
        return found


@scoped
def read_export(shop: Shop, request_id: int) -> dict[str, Any]:
    """The export of one data request.

    Raises:
        FileNotFoundError: there is none, or it was deleted.
    """
    content = _path(shop, request_id).read_bytes()
    found: dict[str, Any] = json.loads(settings.KEYRING.open(content, context=_context(shop, request_id)))
    return found


@scoped
def delete_of(shop: Shop, number: int, *, now: datetime) -> int:
    """Delete the exports of this customer. Call it in a transaction and the shop's scope."""
    mark = pseudonyms.of(shop).mark("data request", number)
    return _delete(shop, list(DataRequest.objects.filter(mark=mark, deleted_at__isnull=True)), now)


@scoped
def delete_lapsed(shop: Shop, *, now: datetime, most: int) -> int:
    """Delete exports whose time is over. Call it in a transaction and the shop's scope."""
    lapsed = DataRequest.objects.filter(expires_at__lte=now, deleted_at__isnull=True)
    return _delete(shop, list(lapsed.order_by("pk")[:most]), now)


def _delete(shop: Shop, requests: list[DataRequest], now: datetime) -> int:
    for each in requests:
        # Before the commit: a row that says deleted while the file is there would be a lie, the other way is repeated.
        _path(shop, each.request_id).unlink(missing_ok=True)
    DataRequest.objects.filter(pk__in=[each.pk for each in requests]).update(deleted_at=now)
    return len(requests)


def _everything(shop: Shop, person: Person) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select json_build_object('order_id', o.order_id, 'name', o.name, 'ordered_at', o.ordered_at, 'total',"
            " o.total::text, 'refunded', o.refunded::text, 'currency', o.currency, 'lines', coalesce(json_agg("
            " json_build_object('product_id', l.product_id, 'variant_id', l.variant_id, 'quantity', l.quantity,"
            " 'unit_price', l.unit_price::text) order by l.line_id) filter (where l.line_id is not null), '[]'))"
            " from features_order o left join features_orderline l using (shop_id, order_id)"
            " where o.shop_id = %s and (o.customer_id = any(%s) or o.order_id = any(%s::bigint[]))"
            " group by o.shop_id, o.order_id order by o.ordered_at",
            [shop.pk, list(person.customers), list(person.orders)],
        )
        orders = [_json(row[0]) for row in cursor.fetchall()]
        cursor.execute(
            "select json_build_object('exposure', exposure_id, 'at', at, 'slot', slot, 'product_ids', product_ids)"
            " from features_exposure where shop_id = %s and visitor = any(%s) order by at",
            [shop.pk, list(person.visitors)],
        )
        shown = [_json(row[0]) for row in cursor.fetchall()]
        stored: dict[str, list[Any]] = {}
        for place in PLACES:
            rows = _rows_of(cursor, shop, place.table, place.column, place.holds, person)
            stored.setdefault(place.table, []).extend(
                each for each in rows if each not in stored.get(place.table, ())
            )
    return {
        "orders": orders,
        "shown": shown,
        "stored": {table: rows for table, rows in stored.items() if rows},
    }


def _rows_of(cursor: Any, shop: Shop, table: str, column: str, holds: Holds, person: Person) -> list[Any]:
    """Whole rows that name the person, as they are stored."""
    if holds is Holds.CUSTOMER:
        where, values = f'"{column}" = any(%s::bigint[])', list(person.customers)
    elif holds is Holds.VISITOR:
        where, values = f'"{column}" = any(%s::text[])', list(person.visitors)  # type: ignore[arg-type]
    else:
        where = f'exists (select from unnest(%s::text[]) as n where strpos("{column}"::text, n) > 0)'
        values = [*map(str, person.customers), *person.visitors]  # type: ignore[list-item]
    cursor.execute(
        f"select to_jsonb(t) - 'shop_id' - 'number_sealed' from \"{table}\" t where shop_id = %s and {where}",  # noqa: S608
        [shop.pk, values],
    )
    return [_json(row[0]) for row in cursor.fetchall()]


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _sealed(shop: Shop, request_id: int, export: Mapping[str, Any]) -> bytes:
    return settings.KEYRING.seal(json.dumps(export).encode(), context=_context(shop, request_id))


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    near = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with near.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    near.replace(path)


def _path(shop: Shop, request_id: int) -> Path:
    return sealed.folder_of(shop.pk) / "privacy" / f"{request_id}.sealed"


def _context(shop: Shop, request_id: int) -> str:
    return f"privacy:{shop.pk}:{request_id}"
