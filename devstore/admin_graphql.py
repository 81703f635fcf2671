"""The Admin GraphQL API over HTTP: one endpoint per version, its rules before, around and after the execution.

https://shopify.dev/docs/api/usage/versioning, https://shopify.dev/docs/api/usage/rate-limits
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values
from graphql.language import FragmentDefinitionNode
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from devstore.api_state import STATE_FILE, ApiState
from devstore.bucket import Buckets, ThrottleStatus
from devstore.bulk import BulkOperations
from devstore.bulk_download import download_route
from devstore.cost import MAX_QUERY_COST, Costing, TooDeep
from devstore.fetch_schema import SCHEMA_PATH
from devstore.graphql_request import (
    BadRequest,
    Call,
    check_input_sizes,
    chosen_operation,
    read_call,
    served_version,
    uses_deprecated,
)
from devstore.order_window import orders_since, visible_since
from devstore.resolvers.fields import Reader
from devstore.resolvers.live import execute_live
from devstore.resolvers.services import Services
from devstore.schema import AdminSchema, load_schema

if TYPE_CHECKING:
    from devstore.platform import Platform
    from devstore.store import Store
    from devstore.tokens import Access

_log = logging.getLogger("devstore.admin_graphql")
MAX_TOKENS = 20_000
THREADS = 8
DOCUMENTS_KEPT = 64
RATE_LIMITS = "https://shopify.dev/api/usage/rate-limits"
DEPRECATION = "https://shopify.dev/api/usage/versioning#deprecation-practices"


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
    platform.on_stop += [api.stop, bulk.stop, state.close]
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
        # An app sends the same few documents again and again, and reading one costs more than running it.
        self._read = functools.lru_cache(DOCUMENTS_KEPT)(self._parsed)
        # Threads of its own, because each keeps a connection to the shop's file for as long as it lives.
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="admin-api")

    def stop(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def endpoint(self, request: Request) -> Response:
        version = served_version(request.path_params["version"])
        if version is None:
            return _plain_error(404, "Not Found")
        headers = {"X-Shopify-API-Version": version, "X-Request-Id": secrets.token_hex(16)}
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
            call = await read_call(request, version)
        except BadRequest as error:
            return _plain_error(error.status, str(error), headers)
        work = functools.partial(self._answer, call, store, access)
        answer = await asyncio.get_running_loop().run_in_executor(self._pool, work)
        if answer.deprecated:
            headers["X-Shopify-API-Deprecated-Reason"] = DEPRECATION
        return JSONResponse(answer.body, headers=headers)

    def _answer(self, call: Call, store: Store, access: Access) -> Answer:
        schema = self._admin.schema
        try:
            document, errors = self._read(call.query)
        except GraphQLError as error:
            return Answer({"errors": [_formatted(error)]})
        except RecursionError:
            return Answer({"errors": [{"message": "The query is nested too deeply."}]})
        if errors:
            return Answer({"errors": [_formatted(error) for error in errors]})
        try:
            operation = chosen_operation(document, call.operation_name)
            variables = get_variable_values(
                schema, operation.variable_definitions or (), dict(call.variables)
            )
            if isinstance(variables, list):
                return Answer({"errors": [_formatted(error) for error in variables]})
            check_input_sizes(variables)
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

    def _parsed(self, query: str) -> tuple[DocumentNode, list[GraphQLError]]:
        document = parse(query, max_tokens=MAX_TOKENS)
        return document, validate(self._admin.schema, document, max_errors=100)

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
        return Answer(body, deprecated=uses_deprecated(self._admin, document))

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
        with orders_since(reader.connection, visible_since(access.scopes, datetime.now(UTC))):
            result = execute_live(self._admin, document, reader, call.variables, call.operation_name)
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = [_formatted(error) for error in result.errors]
        if reader.search_warnings:
            body["extensions"] = {"search": reader.search_warnings}
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
