"""WebPixel, WebhookSubscription, BulkOperation, Flow triggers: what an app sets up in a shop."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from devstore.resolvers.fields import (
    Args,
    BadArgument,
    Field,
    Linked,
    One,
    Page,
    PageRequest,
    Reader,
    Row,
    TypeTable,
    Value,
    columns,
    gid,
    gid_number,
    id_field,
    identity,
)
from devstore.resolvers.listing import page_of_list
from devstore.resolvers.services import Typed, services_of
from devstore.store import utc_text
from devstore.subscriptions import ShopSubscription
from devstore.topics import COMPLIANCE_TOPICS, TOPIC_SCOPES, enum_from_topic, topic_from_enum

MAX_FLOW_PAYLOAD = 50_000
_NAME = re.compile(r"[A-Za-z0-9_-]{1,50}")


def _user_error(field: list[str] | None, message: str, code: str | None = None) -> dict[str, Any]:
    return {"field": field, "message": message, "code": code}


# Web pixels


def _pixel_row(reader: Reader, identifier: object = None) -> Mapping[str, Any] | None:
    services = services_of(reader)
    row = services.state.pixel(reader.domain, services.installed_at())
    if row is None or (identifier is not None and gid("WebPixel", row["id"]) != identifier):
        return None
    return row


def _pixel(reader: Reader, rows: Sequence[Row], args: Args) -> list[Row | None]:
    return [_pixel_row(reader, args.get("id"))] * len(rows)


def _pixel_settings(value: object) -> str | None:
    """The settings as text; None when they are not an object (the JSON scalar also takes its text form)."""
    return _object_text(value)


def _object_text(value: object) -> str | None:
    """JSON text of an object given as such or as its text; None for anything else (NaN and infinity too)."""
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
        text = json.dumps(parsed, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return text if isinstance(parsed, dict) else None


def _pixel_answer(row: Mapping[str, Any] | None, *errors: dict[str, Any]) -> dict[str, Any]:
    return {"webPixel": Typed("WebPixel", row) if row else None, "userErrors": list(errors)}


_BAD_SETTINGS = _user_error(
    ["webPixel", "settings"], "Settings must be a valid JSON object.", "INVALID_SETTINGS"
)
_NO_PIXEL = _user_error(["id"], "No web pixel was found for this app.", "NOT_FOUND")


def _pixel_create(reader: Reader, args: Args) -> dict[str, Any]:
    services = services_of(reader)
    settings = _pixel_settings(args["webPixel"]["settings"])
    if settings is None:
        return _pixel_answer(None, _BAD_SETTINGS)
    if _pixel_row(reader) is not None:
        return _pixel_answer(None, _user_error(None, "Web pixel is taken.", "TAKEN"))
    return _pixel_answer(services.state.add_pixel(reader.domain, services.installed_at(), settings))


def _pixel_update(reader: Reader, args: Args) -> dict[str, Any]:
    row, settings = _pixel_row(reader, args["id"]), _pixel_settings(args["webPixel"]["settings"])
    if row is None:
        return _pixel_answer(None, _NO_PIXEL)
    if settings is None:
        return _pixel_answer(None, _BAD_SETTINGS)
    services_of(reader).state.change_pixel(row["id"], settings)
    return _pixel_answer({**row, "settings": settings})


def _pixel_delete(reader: Reader, args: Args) -> dict[str, Any]:
    row = _pixel_row(reader, args["id"])
    if row is None:
        return {"deletedWebPixelId": None, "userErrors": [_NO_PIXEL]}
    services_of(reader).state.change_pixel(row["id"], None)
    return {"deletedWebPixelId": args["id"], "userErrors": []}


# Webhook subscriptions


def _subscription_row(entry: ShopSubscription) -> dict[str, Any]:
    return {
        "id": entry.id,
        "topic": enum_from_topic(entry.topic),
        "uri": entry.uri,
        "name": entry.name,
        "filter": entry.filter,
        "include_fields": list(entry.include_fields),
        "metafield_namespaces": list(entry.metafield_namespaces),
        "created_at": utc_text(datetime.fromtimestamp(entry.created_at, UTC)),
        "updated_at": utc_text(datetime.fromtimestamp(entry.updated_at, UTC)),
    }


def _subscription_by_gid(reader: Reader, identifier: str) -> ShopSubscription | None:
    number = gid_number(identifier, "WebhookSubscription")
    return services_of(reader).platform.subscriptions.get(reader.domain, number)


def _subscription(reader: Reader, rows: Sequence[Row], args: Args) -> list[Row | None]:
    found = _subscription_by_gid(reader, args["id"])
    return [_subscription_row(found) if found else None] * len(rows)


def _subscriptions(reader: Reader, rows: Sequence[Row], request: PageRequest) -> list[Page]:
    topics = request.args.get("topics")
    uri = request.args.get("uri") or request.args.get("callbackUrl")
    entries = [
        _subscription_row(entry)
        for entry in services_of(reader).platform.subscriptions.of_shop(reader.domain)
        if (not uri or entry.uri == uri) and (not topics or enum_from_topic(entry.topic) in topics)
    ]
    return [page_of_list(entries, request)] * len(rows)


def _subscription_answer(entry: ShopSubscription | None, *errors: dict[str, Any]) -> dict[str, Any]:
    found = Typed("WebhookSubscription", _subscription_row(entry)) if entry else None
    return {"webhookSubscription": found, "userErrors": list(errors)}


def _subscription_problem(
    reader: Reader, topic: str | None, values: Mapping[str, Any]
) -> dict[str, Any] | None:
    uri = values.get("uri") or values.get("callbackUrl")
    parts = urlsplit(uri) if isinstance(uri, str) else None
    if uri is not None and (parts is None or parts.scheme not in ("http", "https") or not parts.netloc):
        return _user_error(["webhookSubscription", "callbackUrl"], "Address is invalid")
    if topic is None or topic in COMPLIANCE_TOPICS:
        return _user_error(["webhookSubscription", "topic"], "Topic is not offered by this local Shopify")
    needed = TOPIC_SCOPES.get(topic, "")
    if needed and needed not in reader.scopes:
        message = f"You do not have permission to create or update webhooks with {topic} topic"
        return _user_error(["webhookSubscription", "topic"], message)
    if values.get("name") is not None and not _NAME.fullmatch(values["name"]):
        return _user_error(["webhookSubscription", "name"], "Name is invalid")
    return None


def _subscription_create(reader: Reader, args: Args) -> dict[str, Any]:
    topic, values = topic_from_enum(args["topic"]), args["webhookSubscription"]
    problem = _subscription_problem(reader, topic, values)
    uri = values.get("uri") or values.get("callbackUrl")
    if problem is None and not uri:
        problem = _user_error(["webhookSubscription", "callbackUrl"], "Address can't be blank")
    if problem is not None or topic is None:
        return _subscription_answer(None, *([problem] if problem else []))
    try:
        entry = services_of(reader).platform.subscriptions.create(
            reader.domain,
            topic,
            str(uri),
            now=datetime.now(UTC).timestamp(),
            name=values.get("name"),
            filter=values.get("filter"),
            include_fields=tuple(values.get("includeFields") or ()),
            metafield_namespaces=tuple(values.get("metafieldNamespaces") or ()),
        )
    except ValueError as error:
        return _subscription_answer(None, _user_error(["webhookSubscription", "callbackUrl"], str(error)))
    return _subscription_answer(entry)


def _subscription_update(reader: Reader, args: Args) -> dict[str, Any]:
    entry, values = _subscription_by_gid(reader, args["id"]), args["webhookSubscription"]
    if entry is None:
        return _subscription_answer(None, _user_error(["id"], "Webhook subscription does not exist"))
    problem = _subscription_problem(reader, entry.topic, values)
    if problem is not None:
        return _subscription_answer(None, problem)
    changed = replace(
        entry,
        uri=values.get("uri") or values.get("callbackUrl") or entry.uri,
        name=values.get("name", entry.name),
        filter=values.get("filter", entry.filter),
        include_fields=tuple(values.get("includeFields", entry.include_fields) or ()),
        metafield_namespaces=tuple(values.get("metafieldNamespaces", entry.metafield_namespaces) or ()),
        updated_at=datetime.now(UTC).timestamp(),
    )
    services_of(reader).platform.subscriptions.update(changed)
    return _subscription_answer(changed)


def _subscription_delete(reader: Reader, args: Args) -> dict[str, Any]:
    number = gid_number(args["id"], "WebhookSubscription")
    if not services_of(reader).platform.subscriptions.delete(reader.domain, number):
        error = _user_error(["id"], "Webhook subscription does not exist")
        return {"deletedWebhookSubscriptionId": None, "userErrors": [error]}
    return {"deletedWebhookSubscriptionId": args["id"], "userErrors": []}


# Bulk operations


def _bulk_operation(reader: Reader, rows: Sequence[Row], args: Args) -> list[Row | None]:
    number = gid_number(args["id"], "BulkOperation")
    return [services_of(reader).bulk.row(reader, number)] * len(rows)


def _bulk_operations(reader: Reader, rows: Sequence[Row], request: PageRequest) -> list[Page]:
    found = services_of(reader).bulk.rows(reader)
    wanted = dict(re.findall(r"(status|type):['\"]?(\w+)", request.query or ""))
    kept = [row for row in found if all(row[name].lower() == value.lower() for name, value in wanted.items())]
    if request.sort_key == "COMPLETED_AT":
        kept.sort(key=lambda row: (row["completed_at"] or "", row["id"]))
    return [page_of_list(kept, request)] * len(rows)


def _current_bulk(reader: Reader, rows: Sequence[Row], args: Args) -> list[Row | None]:
    found = services_of(reader).bulk.rows(reader) if args.get("type", "QUERY") == "QUERY" else []
    return [found[-1] if found else None] * len(rows)


def _bulk_run(reader: Reader, args: Args) -> dict[str, Any]:
    # Five at a time came with 2026-01; older versions run one.
    limit = 1 if reader.api_version < "2026-01" else 5
    row, errors = services_of(reader).bulk.run_query(
        reader, args["query"], group_objects=bool(args.get("groupObjects")), limit=limit
    )
    return {"bulkOperation": Typed("BulkOperation", row) if row else None, "userErrors": errors}


def _bulk_cancel(reader: Reader, args: Args) -> dict[str, Any]:
    row, errors = services_of(reader).bulk.cancel(reader, gid_number(args["id"], "BulkOperation"))
    return {"bulkOperation": Typed("BulkOperation", row) if row else None, "userErrors": errors}


# Flow


def _flow_receive(reader: Reader, args: Args) -> dict[str, Any]:
    handle, payload = args.get("handle"), args.get("payload")
    if args.get("body") and not handle:
        raise BadArgument("The argument body is deprecated and not offered here: use handle and payload.")
    if not handle:
        return {"userErrors": [_user_error(["handle"], "Handle can't be blank")]}
    text = _object_text(payload)
    if text is None:
        return {"userErrors": [_user_error(["payload"], "Payload must be a JSON object")]}
    if len(text.encode()) > MAX_FLOW_PAYLOAD:
        return {"userErrors": [_user_error(["payload"], "Payload exceeds the maximum size of 50 KB")]}
    services = services_of(reader)
    services.state.add_flow_trigger(reader.domain, handle, text, services.now())
    return {"userErrors": []}


TYPES: TypeTable = {
    "WebPixel": {"id": id_field("WebPixel"), "settings": Value(lambda reader, row, args: row["settings"])},
    "WebhookSubscription": {
        **identity("WebhookSubscription"),
        **columns(
            topic="topic",
            uri="uri",
            callbackUrl="uri",
            name="name",
            filter="filter",
            includeFields="include_fields",
            metafieldNamespaces="metafield_namespaces",
            createdAt="created_at",
            updatedAt="updated_at",
        ),
        "format": Value(lambda reader, row, args: "JSON"),
        "endpoint": Value(
            lambda reader, row, args: {"__typename": "WebhookHttpEndpoint", "callbackUrl": row["uri"]}
        ),
        "apiVersion": Value(
            lambda reader, row, args: {
                "handle": services_of(reader).platform.app.webhook_api_version,
                "displayName": services_of(reader).platform.app.webhook_api_version,
                "supported": True,
            }
        ),
    },
    "BulkOperation": {
        "id": id_field("BulkOperation"),
        **columns(
            status="status",
            type="type",
            query="query",
            errorCode="error_code",
            createdAt="created_at",
            completedAt="completed_at",
            objectCount="object_count",
            rootObjectCount="root_object_count",
            fileSize="file_size",
            url="url",
            partialDataUrl="partial_data_url",
        ),
    },
}
ROOTS: dict[str, Field] = {
    "webPixel": One("WebPixel", _pixel),
    "webhookSubscription": One("WebhookSubscription", _subscription),
    "webhookSubscriptions": Linked("WebhookSubscription", _subscriptions),
    "bulkOperation": One("BulkOperation", _bulk_operation),
    "bulkOperations": Linked("BulkOperation", _bulk_operations),
    "currentBulkOperation": One("BulkOperation", _current_bulk),
}
BY_ID = {
    "WebPixel": lambda reader, tails: [_pixel_row(reader, gid("WebPixel", tail)) for tail in tails],
    "WebhookSubscription": lambda reader, tails: [
        _subscription(reader, [{}], {"id": gid("WebhookSubscription", tail)})[0] for tail in tails
    ],
    "BulkOperation": lambda reader, tails: [
        _bulk_operation(reader, [{}], {"id": gid("BulkOperation", tail)})[0] for tail in tails
    ],
}
MUTATIONS = {
    "webPixelCreate": _pixel_create,
    "webPixelUpdate": _pixel_update,
    "webPixelDelete": _pixel_delete,
    "webhookSubscriptionCreate": _subscription_create,
    "webhookSubscriptionUpdate": _subscription_update,
    "webhookSubscriptionDelete": _subscription_delete,
    "bulkOperationRunQuery": _bulk_run,
    "bulkOperationCancel": _bulk_cancel,
    "flowTriggerReceive": _flow_receive,
}
