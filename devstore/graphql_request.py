"""Reads one request of the Admin API, and the checks on its document that graphql-core does not make."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)
from starlette.requests import Request

from devstore.schema import VERSIONS, AdminSchema
from devstore.shelf import domain_of_host

MAX_BODY = 2 * 1024 * 1024
MAX_INPUT_ITEMS = 250
_QUARTER = re.compile(r"20[12]\d-(01|04|07|10)")


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


def served_version(asked: str) -> str | None:
    """The version that answers: a retired one is answered by the oldest supported one; None for no version at all."""
    if asked in VERSIONS:
        return asked
    return VERSIONS[0] if _QUARTER.fullmatch(asked) and asked < VERSIONS[0] else None


async def read_call(request: Request, version: str) -> Call:
    """The request's body as a Call. Raises BadRequest."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BadRequest(413, f"The request body is larger than {MAX_BODY} bytes.")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/graphql":
        document: Any = {"query": bytes(body).decode(errors="replace")}
    else:
        document = _json(bytes(body))
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


def _json(body: bytes) -> Any:
    """The body's JSON; no NaN, no infinity, no half of a surrogate pair, which no answer could repeat."""
    try:
        document = json.loads(body)
        json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadRequest(400, "The request body is not valid JSON.") from None
    return document


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


def chosen_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
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


def check_input_sizes(value: Any, name: str = "input") -> None:
    """Raises GraphQLError for an array of more than 250 items anywhere in the variables."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            check_input_sizes(item, str(key))
    elif isinstance(value, list):
        if len(value) > MAX_INPUT_ITEMS:
            raise GraphQLError(
                f"The input array size of {len(value)} is greater than the maximum allowed of {MAX_INPUT_ITEMS}.",
                extensions={"code": "MAX_INPUT_SIZE_EXCEEDED", "field": name},
            )
        for item in value:
            check_input_sizes(item, name)


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


def uses_deprecated(admin: AdminSchema, document: DocumentNode) -> bool:
    info = TypeInfo(admin.schema)
    finder = _DeprecationFinder(info)
    visit(document, TypeInfoVisitor(info, finder))
    return finder.found
