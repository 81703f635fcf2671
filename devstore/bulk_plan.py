"""Checks the query of a bulk operation and turns it into a plan that needs no GraphQL library to run.

Rules: https://shopify.dev/docs/api/usage/bulk-operations/queries: one top-level field, 1 to 5 connections, nested at
most two deep, nodes that implement Node, no connection inside a list, `id` on nodes that have children.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
    is_list_type,
    parse,
    validate,
)
from graphql.execution.values import get_argument_values
from graphql.pyutils import is_collection
from graphql.type import get_nullable_type

from devstore.bulk_fields import PlanField, has_connections
from devstore.cost import Costing, TooDeep
from devstore.resolvers.defaults import default_value
from devstore.resolvers.fields import Computed, Field, Linked, Many, One, Value
from devstore.resolvers.registry import ROOTS, TYPES
from devstore.schema import AdminSchema

MAX_CONNECTIONS = 5
MAX_NESTING = 2
MAX_QUERY_CHARACTERS = 100_000


class BulkQueryRefused(Exception):
    """The query cannot be run as a bulk operation; the message is the user error."""


class BulkAccessDenied(Exception):
    """The app lacks a scope: the operation starts and fails with ACCESS_DENIED."""


def make_plan(
    admin: AdminSchema, query: str, *, scopes: frozenset[str], currency: str, domain: str
) -> PlanField:
    """The plan of the one top-level field. Raises BulkQueryRefused or BulkAccessDenied."""
    if len(query) > MAX_QUERY_CHARACTERS:
        raise BulkQueryRefused(f"Bulk queries cannot be longer than {MAX_QUERY_CHARACTERS} characters.")
    try:
        document = parse(query, no_location=False)
        problems = validate(admin.schema, document, max_errors=5)
    except (GraphQLError, RecursionError) as error:
        raise BulkQueryRefused(f"Invalid bulk query: {getattr(error, 'message', 'too deep')}") from None
    if problems:
        raise BulkQueryRefused("Invalid bulk query: " + "; ".join(problem.message for problem in problems))
    try:
        return _Planner(admin, _operation(document), scopes, currency, domain).plan()
    except (TooDeep, RecursionError):
        raise BulkQueryRefused("Invalid bulk query: selections are nested too deeply.") from None
    except GraphQLError as error:
        raise BulkQueryRefused(f"Invalid bulk query: {error.message}") from None


def _operation(document: DocumentNode) -> tuple[OperationDefinitionNode, dict[str, FragmentDefinitionNode]]:
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    if len(operations) != 1 or operations[0].operation is not OperationType.QUERY:
        raise BulkQueryRefused("Bulk queries must be exactly one query operation.")
    if operations[0].variable_definitions:
        raise BulkQueryRefused("Bulk queries cannot contain variables.")
    return operations[0], fragments


class _Planner:
    def __init__(
        self,
        admin: AdminSchema,
        found: tuple[OperationDefinitionNode, dict[str, FragmentDefinitionNode]],
        scopes: frozenset[str],
        currency: str,
        domain: str,
    ) -> None:
        self._admin = admin
        self._operation, fragments = found
        self._collector = Costing(admin.schema, fragments, {})
        self._scopes = scopes
        self._currency, self._domain = currency, domain
        self._connections = 0
        self._denied: list[str] = []

    def plan(self) -> PlanField:
        root = self._admin.schema.query_type
        assert root is not None
        fields, _ = self._collector.collect([self._operation.selection_set], root)
        if len(fields) != 1:
            raise BulkQueryRefused("Bulk queries must contain exactly one top-level field.")
        ((key, nodes),) = fields.items()
        name = nodes[0].name.value
        if name in ("node", "nodes"):
            raise BulkQueryRefused(f"Bulk queries cannot use the top-level field '{name}'.")
        planned = self._field(key, nodes, root, ROOTS.get(name), nesting=0, in_list=False)
        if self._connections == 0:
            raise BulkQueryRefused("Bulk queries must contain at least one connection.")
        if self._connections > MAX_CONNECTIONS:
            raise BulkQueryRefused(f"Bulk queries cannot contain more than {MAX_CONNECTIONS} connections.")
        if self._denied:
            raise BulkAccessDenied(self._denied[0])
        return planned

    def _field(
        self,
        key: str,
        nodes: list[FieldNode],
        parent: Any,
        known: Field | None,
        *,
        nesting: int,
        in_list: bool,
    ) -> PlanField:
        name = nodes[0].name.value
        if name == "__typename":
            return PlanField(key, name, "typename")
        if name.startswith("__"):
            raise BulkQueryRefused("Bulk queries cannot ask for the schema.")
        definition = parent.fields[name]
        denied = self._admin.rules.refusal(parent.name, name, definition.type, self._scopes)
        if denied is not None:
            self._denied.append(f"Access denied for {name} field. Required access: {denied}")
        args = _plain(get_argument_values(definition, nodes[0], {}))
        sets = [node.selection_set for node in nodes if node.selection_set]
        target = get_named_type(definition.type)
        if isinstance(target, GraphQLObjectType) and target.name.endswith("Connection"):
            return self._connection(key, name, args, sets, target, known, nesting=nesting, in_list=in_list)
        inside = in_list or is_list_type(get_nullable_type(definition.type))
        default = self._default(definition.type, sets)
        if is_leaf_type(target):
            return PlanField(key, name, "constant" if known is None else "value", args, None, default)
        if isinstance(known, (One, Many)):
            kind = "one" if isinstance(known, One) else "many"
            row_type = self._admin.schema.get_type(known.target)
            fields = self._fields(sets, row_type, TYPES[known.target], nesting=nesting, in_list=inside)
            return PlanField(key, name, kind, args, fields, default)
        fields = self._fields(sets, target, {}, nesting=nesting, in_list=inside)
        kind = "value" if isinstance(known, (Value, Computed)) else "constant"
        return PlanField(key, name, kind, args, fields, default)

    def _fields(
        self,
        sets: Sequence[SelectionSetNode],
        target: Any,
        table: dict[str, Field],
        *,
        nesting: int,
        in_list: bool,
    ) -> list[PlanField]:
        own, subtypes = self._collector.collect(sets, target)
        planned = [
            self._field(key, nodes, target, table.get(nodes[0].name.value), nesting=nesting, in_list=in_list)
            for key, nodes in own.items()
        ]
        for name, inner in subtypes.items():
            subtype = self._admin.schema.get_type(name)
            if not isinstance(subtype, (GraphQLObjectType, GraphQLInterfaceType, GraphQLUnionType)):
                continue
            if isinstance(target, GraphQLObjectType):
                continue  # a fragment on another type never holds here
            concrete = (
                [name]
                if isinstance(subtype, GraphQLObjectType)
                else [possible.name for possible in self._admin.schema.get_possible_types(subtype)]
            )
            for item in self._fields(inner, subtype, {}, nesting=nesting, in_list=in_list):
                planned.append(
                    PlanField(
                        item.key,
                        item.name,
                        item.kind,
                        item.args,
                        item.fields,
                        item.default,
                        item.on or concrete,
                    )
                )
        return planned

    def _connection(
        self,
        key: str,
        name: str,
        args: dict[str, Any],
        sets: Sequence[SelectionSetNode],
        target: GraphQLObjectType,
        known: Field | None,
        *,
        nesting: int,
        in_list: bool,
    ) -> PlanField:
        self._connections += 1
        if in_list:
            raise BulkQueryRefused(
                "Queries that contain a connection field within a list field are not currently supported."
            )
        if nesting > MAX_NESTING:
            raise BulkQueryRefused(
                f"Bulk queries cannot contain connections with a nesting depth greater than {MAX_NESTING}."
            )
        node_type = get_named_type(target.fields["nodes"].type)
        assert isinstance(node_type, (GraphQLObjectType, GraphQLInterfaceType, GraphQLUnionType))
        interfaces = getattr(node_type, "interfaces", ())
        if node_type.name != "Node" and "Node" not in {interface.name for interface in interfaces}:
            raise BulkQueryRefused(
                f"Bulk queries can only use connections whose nodes implement Node: {name} does not."
            )
        node_sets = self._node_sets(sets, target)
        if not node_sets:
            raise BulkQueryRefused(f"The connection {name} must select the fields of its nodes.")
        table = TYPES[known.target] if isinstance(known, Linked) else {}
        fields = self._fields(node_sets, node_type, table, nesting=nesting + 1, in_list=False)
        if has_connections(fields) and not any(item.key == "id" and item.name == "id" for item in fields):
            raise BulkQueryRefused(
                "The parent 'node' field for a nested connection must select the 'id' field without an alias and"
                f" must be of 'ID' return type. Connection fields without 'id': {name}."
            )
        kind = "connection" if isinstance(known, Linked) else "empty"
        return PlanField(key, name, kind, args, fields)

    def _node_sets(
        self, sets: Sequence[SelectionSetNode], connection: GraphQLObjectType
    ) -> list[SelectionSetNode]:
        """What is asked of the nodes, through `nodes` and through `edges { node }`; the rest is ignored."""
        fields, _ = self._collector.collect(sets, connection)
        found: list[SelectionSetNode] = []
        for nodes in fields.values():
            inner = [node.selection_set for node in nodes if node.selection_set]
            if nodes[0].name.value == "nodes":
                found += inner
            elif nodes[0].name.value == "edges":
                edge = get_named_type(connection.fields["edges"].type)
                assert isinstance(edge, GraphQLObjectType)
                for edges in self._collector.collect(inner, edge)[0].values():
                    if edges[0].name.value == "node":
                        found += [node.selection_set for node in edges if node.selection_set]
        return found

    def _default(self, output: Any, sets: Sequence[SelectionSetNode]) -> Any:
        value = default_value(output, self._admin.schema, currency=self._currency, domain=self._domain)
        return self._filled(value, get_named_type(output), sets)

    def _filled(self, value: Any, target: Any, sets: Sequence[SelectionSetNode]) -> Any:
        if not isinstance(value, dict) or not sets:
            return value
        concrete = self._admin.schema.get_type(value["__typename"]) if "__typename" in value else target
        fields, _ = self._collector.collect(sets, concrete)  # type: ignore[arg-type]
        return {
            key: concrete.name  # type: ignore[union-attr]
            if nodes[0].name.value == "__typename"
            else self._default(
                concrete.fields[nodes[0].name.value].type,  # type: ignore[union-attr]
                [node.selection_set for node in nodes if node.selection_set],
            )
            for key, nodes in fields.items()
        }


def _plain(args: dict[str, Any]) -> dict[str, Any]:
    """Arguments as they survive JSON."""
    return {
        name: list(value) if is_collection(value) and not isinstance(value, dict) else value
        for name, value in args.items()
    }
