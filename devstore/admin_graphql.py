"""The Admin GraphQL API over HTTP: one endpoint per version, its rules before, around and after the execution.

https://shopify.dev/docs/api/usage/versioning, https://shopify.dev/docs/api/usage/rate-limits
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    parse,
    validate,
    visit,
)
from graphql.execution.values import get_variable_values
from graphql.language import FragmentDefinitionNode
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from devstore.api_state import STATE_FILE, ApiState
from devstore.bucket import Buckets, ThrottleStatus
from devstore.bulk import BulkOperations
from devstore.bulk_download import download_route
from devstore.cost import MAX_QUERY_COST, Costing, TooDeep
from devstore.fetch_schema import SCHEMA_PATH
from devstore.resolvers.fields import Reader
from devstore.resolvers.live import execute_live
from devstore.resolvers.services import Services
from devstore.schema import VERSIONS, AdminSchema, load_schema
from devstore.shelf import domain_of_host

if TYPE_CHECKING:
    from devstore.platform import Platform
    from devstore.store import Store
    from devstore.tokens import Access

_log = logging.getLogger("devstore.admin_graphql")
MAX_BODY = 2 * 1024 * 1024
MAX_TOKENS = 20_000
MAX_INPUT_ITEMS = 250
RATE_LIMITS = "https://shopify.dev/api/usage/rate-limits"
DEPRECATION = "https://shopify.dev/api/usage/versioning#deprecation-practices"


class BadRequest(Exception):
    """The body is not a GraphQL request; answered with this HTTP status and text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the API, read and checked as far as HTTP goes."""

    query: str
    variables: Mapping[str, Any]
    operation_name: str | None
    version: str
    base_url: str
    cost_debug: bool


@dataclass(frozen=True, slots=True)
class Answer:
    body: dict[str, Any]
    deprecated: bool = False


def routes(platform: Platform) -> list[BaseRoute]:
    """The API's endpoint, the results of bulk operations, and the list of received Flow triggers.

    Loads the schema (0.4 s) and takes up unfinished bulk operations. Raises SchemaUnavailable.
    """
    admin = load_schema(platform.config.schema or SCHEMA_PATH)
    state = ApiState(platform.config.data / STATE_FILE)
    bulk = BulkOperations(platform, admin, state)
    api = AdminApi(platform, admin, state, bulk)
    platform.on_stop += [bulk.stop, state.close]
    bulk.resume()

    def flow_triggers(request: Request) -> Response:
        shop = request.query_params.get("shop")
        found = [
            {
                "shop": row["shop"],
                "handle": row["handle"],
                "payload": json.loads(row["payload"]),
                "received_at": row["received_at"],
            }
            for row in state.flow_triggers()
            if shop is None or row["shop"] == shop
        ]
        return JSONResponse({"flow_triggers": found})

    return [
        Route("/admin/api/{version}/graphql.json", api.endpoint, methods=["POST"]),
        Route("/_devstore/flow_triggers", flow_triggers, methods=["GET"]),
        download_route(bulk),
    ]


class AdminApi:
    def __init__(self, platform: Platform, admin: AdminSchema, state: ApiState, bulk: BulkOperations) -> None:
        self._platform, self._admin, self._state, self._bulk = platform, admin, state, bulk
        self._buckets = Buckets()

    async def endpoint(self, request: Request) -> Response:
        asked = request.path_params["version"]
        if asked not in VERSIONS:
            return _plain_error(404, "Not Found")
        headers = {"X-Shopify-API-Version": asked, "X-Request-Id": secrets.token_hex(16)}
        store = self._platform.store_for(request)
        access = self._platform.authenticate(request)
        if access is None:
            text = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return _plain_error(401, text, headers)
        faults = self._platform.faults.api
        if faults.slow_s:
            await asyncio.sleep(faults.slow_s)
        if self._platform.dice.chance(faults.error_rate):
            return _plain_error(500, "Internal Server Error", headers)
        try:
            call = await _read(request, asked)
        except BadRequest as error:
            return _plain_error(error.status, str(error), headers)
        answer = await run_in_threadpool(self._answer, call, store, access)
        if answer.deprecated:
            headers["X-Shopify-API-Deprecated-Reason"] = DEPRECATION
        return JSONResponse(answer.body, headers=headers)

    def _answer(self, call: Call, store: Store, access: Access) -> Answer:
        schema = self._admin.schema
        try:
            document = parse(call.query, max_tokens=MAX_TOKENS)
            errors = validate(schema, document, max_errors=100)
        except GraphQLError as error:
            return Answer({"errors": [_formatted(error)]})
        except RecursionError:
            return Answer({"errors": [{"message": "The query is nested too deeply."}]})
        if errors:
            return Answer({"errors": [_formatted(error) for error in errors]})
        try:
            operation = _operation(document, call.operation_name)
            variables = get_variable_values(
                schema, operation.variable_definitions or (), dict(call.variables)
            )
            if isinstance(variables, list):
                return Answer({"errors": [_formatted(error) for error in variables]})
            _check_input_sizes(variables)
            fragments = {
                node.name.value: node
                for node in document.definitions
                if isinstance(node, FragmentDefinitionNode)
            }
            costing = Costing(schema, fragments, variables)
            requested = costing.requested(operation)
        except GraphQLError as error:
            return Answer({"errors": [_formatted(error)]})
        except (TooDeep, RecursionError):
            return Answer({"errors": [{"message": "The query is nested too deeply."}]})
        return self._charged(call, document, operation, costing, requested, store, access)

    def _charged(
        self,
        call: Call,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        costing: Costing,
        requested: int,
        store: Store,
        access: Access,
    ) -> Answer:
        faults = self._platform.faults.api
        limits = {"maximum": float(faults.bucket), "rate": float(faults.restore_rate)}
        bucket = self._buckets.of(self._platform.app.client_id, store.domain)
        if requested > MAX_QUERY_COST:
            status = bucket.give(0.0, now=time.monotonic(), **limits)
            message = (
                f"Query cost is {requested}, which exceeds the single query max cost limit ({MAX_QUERY_COST}).\n\n"
                f"See {RATE_LIMITS} for more information on how the cost of a query is calculated."
            )
            extensions = {
                "code": "MAX_COST_EXCEEDED",
                "cost": requested,
                "maxCost": MAX_QUERY_COST,
                "documentation": RATE_LIMITS,
            }
            self._record(store, requested=0, actual=0, status=status)
            return Answer({"errors": [{"message": message, "extensions": extensions}]})
        taken, status = bucket.take(requested, now=time.monotonic(), **limits)
        if taken and self._platform.dice.chance(faults.throttle_rate):
            status = bucket.give(requested, now=time.monotonic(), **limits)
            taken = False
        if not taken:
            self._record(store, requested=0, actual=0, status=status, throttled=True)
            error = {
                "message": "Throttled",
                "extensions": {"code": "THROTTLED", "documentation": RATE_LIMITS},
            }
            return Answer({"errors": [error], "extensions": {"cost": _cost(requested, None, status)}})
        lowest = status
        actual = requested
        try:
            body = self._execute(call, document, store, access)
            if body.get("data") is not None:
                actual = min(requested, costing.actual(operation, body["data"]))
        finally:
            status = bucket.give(requested - actual, now=time.monotonic(), **limits)
            self._record(store, requested=requested, actual=actual, status=lowest)
        cost = _cost(requested, actual, status)
        if call.cost_debug:
            cost["fields"] = costing.fields
        body["extensions"] = {"cost": cost, **body.get("extensions", {})}
        return Answer(body, deprecated=_uses_deprecated(self._admin, document))

    def _execute(self, call: Call, document: DocumentNode, store: Store, access: Access) -> dict[str, Any]:
        reader = Reader(
            connection=store.connection(),
            shop=store.values(),
            domain=store.domain,
            scopes=access.scopes,
            client=self._platform.app.client_id,
            base_url=call.base_url,
            api_version=call.version,
            services=Services(self._platform, store, self._state, self._bulk),
        )
        result = execute_live(self._admin, document, reader, call.variables, call.operation_name)
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = [_formatted(error) for error in result.errors]
        if reader.warnings:
            body["extensions"] = {"search": [{"query": "", "warnings": reader.warnings}]}
        return body

    def _record(
        self,
        store: Store,
        *,
        requested: float,
        actual: float,
        status: ThrottleStatus,
        throttled: bool = False,
    ) -> None:
        self._platform.stats.record(
            store.domain,
            now=time.monotonic(),
            requested=requested,
            actual=actual,
            available=status.currently_available,
            maximum=status.maximum_available,
            restore_rate=status.restore_rate,
            throttled=throttled,
        )


async def _read(request: Request, version: str) -> Call:
    """The request's body as a Call. Raises BadRequest."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BadRequest(413, f"The request body is larger than {MAX_BODY} bytes.")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/graphql":
        document: Any = {"query": bytes(body).decode("utf-8", errors="replace")}
    else:
        try:
            document = json.loads(bytes(body))
        except (ValueError, RecursionError):
            raise BadRequest(400, "The request body is not valid JSON.") from None
    if (
        not isinstance(document, dict)
        or not isinstance(document.get("query"), str)
        or not document["query"].strip()
    ):
        raise BadRequest(400, "Required parameter missing or invalid: query")
    variables, name = document.get("variables"), document.get("operationName")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest(400, "variables must be an object.")
    if name is not None and not isinstance(name, str):
        raise BadRequest(400, "operationName must be a string.")
    debug = request.headers.get("shopify-graphql-cost-debug") == "1"
    return Call(document["query"], variables or {}, name, version, _base_url(request), debug)


def _base_url(request: Request) -> str:
    """This server's address for links the client will follow.

    A client that sends a shop's name as Host found this server in another way (the name does not resolve here), so it
    is given the address that it connected to.
    """
    host = request.headers.get("host", "")
    server = request.scope.get("server")
    if (not host or domain_of_host(host) is not None) and server is not None and server[1] is not None:
        name = f"[{server[0]}]" if ":" in server[0] else server[0]
        return f"{request.url.scheme}://{name}:{server[1]}"
    return f"{request.url.scheme}://{host}"


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation to run. Raises GraphQLError with graphql-core's own words."""
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name is None:
        if len(operations) != 1:
            raise GraphQLError(
                "Must provide operation name if query contains multiple operations."
                if operations
                else "Must provide an operation."
            )
        found = operations[0]
    else:
        named = [node for node in operations if node.name and node.name.value == name]
        if not named:
            raise GraphQLError(f"Unknown operation named '{name}'.")
        found = named[0]
    if found.operation is OperationType.SUBSCRIPTION:
        raise GraphQLError("Schema is not configured to execute subscription operation.")
    return found


def _check_input_sizes(value: Any, name: str = "input") -> None:
    """Raises GraphQLError for an array of more than 250 items anywhere in the variables."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_input_sizes(item, str(key))
    elif isinstance(value, list):
        if len(value) > MAX_INPUT_ITEMS:
            raise GraphQLError(
                f"The input array size of {len(value)} is greater than the maximum allowed of {MAX_INPUT_ITEMS}.",
                extensions={"code": "MAX_INPUT_SIZE_EXCEEDED", "field": name},
            )
        for item in value:
            _check_input_sizes(item, name)


class _DeprecationFinder(Visitor):
    """Sees fields, arguments and enum values that the schema marks as deprecated."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info
        self.found = False

    def enter_field(self, *_: Any) -> None:
        definition = self._info.get_field_def()
        self.found |= bool(definition and definition.deprecation_reason)

    def enter_argument(self, *_: Any) -> None:
        definition = self._info.get_argument()
        self.found |= bool(definition and definition.deprecation_reason)

    def enter_enum_value(self, *_: Any) -> None:
        definition = self._info.get_enum_value()
        self.found |= bool(definition and definition.deprecation_reason)


def _uses_deprecated(admin: AdminSchema, document: DocumentNode) -> bool:
    info = TypeInfo(admin.schema)
    finder = _DeprecationFinder(info)
    visit(document, TypeInfoVisitor(info, finder))
    return finder.found


def _cost(requested: int, actual: int | None, status: ThrottleStatus) -> dict[str, Any]:
    return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status.document()}


def _formatted(error: GraphQLError) -> dict[str, Any]:
    document: dict[str, Any] = dict(error.formatted)
    original = error.original_error
    if original is not None and not isinstance(original, GraphQLError):
        # What went wrong inside is for our own terminal, not for the client.
        _log.error("a resolver failed at %s", document.get("path"), exc_info=original)
        document = {
            "message": "Internal error. Looks like something went wrong on our end.",
            "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": secrets.token_hex(16)},
            **({"path": document["path"]} if document.get("path") else {}),
        }
    return document


def _plain_error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"errors": message}, status_code=status, headers=dict(headers or {}))
