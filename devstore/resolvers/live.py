"""Executes one operation with graphql-core over the field tables.

Rows that were loaded together stay together: the first sibling that needs a field of other rows loads it for the whole
batch, so `orders { lineItems { product } }` costs three statements, not one per order and line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    ExecutionContext,
    ExecutionResult,
    GraphQLError,
    GraphQLResolveInfo,
    OperationType,
    execute,
)
from graphql.language import DocumentNode

from devstore.resolvers.defaults import default_value
from devstore.resolvers.fields import (
    BadArgument,
    Computed,
    Field,
    Linked,
    Many,
    One,
    Page,
    Reader,
    Row,
    Value,
)
from devstore.resolvers.paging import MAX_PAGE, page_request
from devstore.resolvers.registry import BY_ID, MUTATIONS, ROOTS, TYPES, load_gids
from devstore.resolvers.services import Typed
from devstore.schema import AdminSchema

DOCUMENTATION = "https://shopify.dev/api/usage/access-scopes"


@dataclass(slots=True)
class Batch:
    """Siblings: rows loaded together, and what has been loaded for all of them by field and arguments."""

    type_name: str
    rows: Sequence[Row]
    loaded: dict[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Node:
    """One row in its batch."""

    batch: Batch
    place: int

    @property
    def row(self) -> Row:
        return self.batch.rows[self.place]


@dataclass(frozen=True, slots=True)
class Live:
    """The context of one execution."""

    reader: Reader
    admin: AdminSchema


def execute_live(
    admin: AdminSchema,
    document: DocumentNode,
    reader: Reader,
    variables: Mapping[str, Any],
    operation_name: str | None,
) -> ExecutionResult:
    """Run a validated document. Synchronous: call it in a worker thread."""
    result = execute(
        admin.schema,
        document,
        root_value=None,
        context_value=Live(reader, admin),
        variable_values=dict(variables),
        operation_name=operation_name,
        field_resolver=_resolve,
        type_resolver=_resolve_type,
        execution_context_class=ExecutionContext,
    )
    assert isinstance(result, ExecutionResult)
    return result


def _resolve_type(value: Any, info: GraphQLResolveInfo, abstract: Any) -> str:
    return value.batch.type_name if isinstance(value, Node) else str(value["__typename"])


def _resolve(source: Any, info: GraphQLResolveInfo, **args: Any) -> Any:
    live: Live = info.context
    denied = live.admin.rules.refusal(
        info.parent_type.name, info.field_name, info.return_type, live.reader.scopes
    )
    if denied is not None:
        raise GraphQLError(
            f"Access denied for {info.field_name} field. Required access: {denied}",
            extensions={"code": "ACCESS_DENIED", "documentation": DOCUMENTATION, "requiredAccess": denied},
        )
    try:
        value = _value(live, source, info, args)
    except BadArgument as error:
        raise GraphQLError(str(error), extensions={"code": "BAD_REQUEST"}) from None
    if value is None:
        return default_value(
            info.return_type, live.admin.schema, currency=live.reader.currency, domain=live.reader.domain
        )
    return value


def _value(live: Live, source: Any, info: GraphQLResolveInfo, args: dict[str, Any]) -> Any:
    name = info.field_name
    if isinstance(source, Mapping):
        value = source.get(name)
        return _wrapped(value() if isinstance(value, _Lazy) else value)
    if isinstance(source, Node):
        node, known = source, TYPES[source.batch.type_name].get(name)
    elif info.operation.operation is OperationType.MUTATION:
        return _mutation(live, name, args)
    elif name in ("node", "nodes"):
        return _nodes(live, args)
    else:
        node, known = Node(Batch("QueryRoot", [{}]), 0), ROOTS.get(name)
    return _field(live, node, known, info, args) if known is not None else None


def _mutation(live: Live, name: str, args: dict[str, Any]) -> Any:
    run = MUTATIONS.get(name)
    if run is None:
        raise BadArgument(f"{name} exists in Shopify but is not offered by this local Shopify.")
    return run(live.reader, args)


def _nodes(live: Live, args: dict[str, Any]) -> Any:
    if "id" in args:
        return _by_gids(live, [args["id"]])[0]
    if len(args["ids"]) > MAX_PAGE:
        raise BadArgument(
            f"The input array size of {len(args['ids'])} is greater than the maximum allowed of {MAX_PAGE}."
        )
    return _by_gids(live, args["ids"])


def _by_gids(live: Live, gids: list[str]) -> list[Node | None]:
    """Nodes of any types, each type loaded once. Raises BadArgument for what is no global id."""
    answer: list[Node | None] = [None] * len(gids)
    places: dict[str, list[int]] = {}
    for place, value in enumerate(gids):
        parts = value.split("/")
        if not value.startswith("gid://shopify/") or len(parts) < 5 or not parts[4]:
            raise BadArgument(f"Invalid global id '{value[:100]}'")
        places.setdefault(parts[3], []).append(place)
    for type_name, wanted in places.items():
        if type_name not in BY_ID:
            continue
        denied = live.admin.rules.denied("QueryRoot", "node", type_name, live.reader.scopes)
        if denied is not None:
            raise GraphQLError(
                f"Access denied for node field. Required access: {denied}",
                extensions={
                    "code": "ACCESS_DENIED",
                    "documentation": DOCUMENTATION,
                    "requiredAccess": denied,
                },
            )
        rows = load_gids(live.reader, [gids[place] for place in wanted], type_name)
        present = [(place, row) for place, row in zip(wanted, rows, strict=True) if row is not None]
        batch = Batch(type_name, [row for _, row in present])
        for at, (place, _) in enumerate(present):
            answer[place] = Node(batch, at)
    return answer


def _field(live: Live, node: Node, known: Field, info: GraphQLResolveInfo, args: dict[str, Any]) -> Any:
    if isinstance(known, Value):
        return known.get(live.reader, node.row, args)
    key = f"{info.field_name}{json.dumps(args, sort_keys=True, default=str)}" if args else info.field_name
    loaded = node.batch.loaded.get(key)
    if loaded is None:
        before = len(live.reader.search_warnings)
        loaded = node.batch.loaded[key] = _load(live.reader, node.batch.rows, known, args)
        for warning in live.reader.search_warnings[before:]:
            warning["path"] = [part for part in info.path.as_list() if isinstance(part, str)]
    return loaded[node.place]


def _load(reader: Reader, rows: Sequence[Row], known: Field, args: dict[str, Any]) -> Sequence[Any]:
    if isinstance(known, Computed):
        return known.load(reader, rows, args)
    if isinstance(known, One):
        found = known.load(reader, rows, args)
        batch = Batch(known.target, [row for row in found if row is not None])
        places = iter(range(len(batch.rows)))
        return [None if row is None else Node(batch, next(places)) for row in found]
    if isinstance(known, Many):
        return _nodes_of_groups(known.target, known.load(reader, rows, args))
    assert isinstance(known, Linked)
    pages = known.load(reader, rows, page_request(args))
    groups = _nodes_of_groups(known.target, [page.rows for page in pages])
    return [_connection(page, nodes) for page, nodes in zip(pages, groups, strict=True)]


def _nodes_of_groups(target: str, groups: Sequence[Sequence[Row]]) -> list[list[Node]]:
    """One batch for the children of all siblings, so that grandchildren too are loaded together."""
    batch = Batch(target, [row for group in groups for row in group])
    places = iter(range(len(batch.rows)))
    return [[Node(batch, next(places)) for _ in group] for group in groups]


@dataclass(frozen=True, slots=True)
class _Lazy:
    """A part of a connection that is only made when it is asked for."""

    make: Callable[[], Any]

    def __call__(self) -> Any:
        return self.make()


def _connection(page: Page, nodes: list[Node]) -> dict[str, Any]:
    def cursor(place: int) -> str | None:
        return page.cursor_of(page.rows[place]) if page.rows else None

    return {
        "nodes": nodes,
        "edges": _Lazy(lambda: [{"cursor": page.cursor_of(node.row), "node": node} for node in nodes]),
        "pageInfo": {
            "hasNextPage": page.has_next,
            "hasPreviousPage": page.has_previous,
            "startCursor": _Lazy(lambda: cursor(0)),
            "endCursor": _Lazy(lambda: cursor(-1)),
        },
    }


def _wrapped(value: Any) -> Any:
    if isinstance(value, Typed):
        return Node(Batch(value.type_name, [value.row]), 0)
    if isinstance(value, list) and value and isinstance(value[0], Typed):
        batch = Batch(value[0].type_name, [item.row for item in value])
        return [Node(batch, place) for place in range(len(value))]
    return value
