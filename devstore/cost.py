"""Query cost in points: what a query may cost before it runs, and what it did cost.

https://shopify.dev/docs/api/usage/rate-limits: scalar and enum 0, object 1, interface or union the dearest of its
selections, connection sized by `first` or `last`, mutation 10. Shopify does not publish the overhead of a connection;
2 points, as its answers showed for years, are charged here, so this is never cheaper than the real bucket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
)
from graphql.execution.values import get_argument_values, get_directive_values
from graphql.type import GraphQLIncludeDirective, GraphQLSkipDirective

MAX_QUERY_COST = 1000
MUTATION_COST = 10
CONNECTION_OVERHEAD = 2
MAX_DEPTH = 60
_WRAPPERS = frozenset({"edges", "nodes", "node", "pageInfo"})
_FREE = "userErrors"  # a mutation costs 10 points whatever it complains of

Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType


class TooDeep(Exception):
    """Selections nest deeper than any real query does."""


@dataclass(slots=True)
class Costing:
    """The cost of one operation. `fields` is filled for `Shopify-GraphQL-Cost-Debug`."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    fields: list[dict[str, Any]] = field(default_factory=list)

    def requested(self, operation: OperationDefinitionNode) -> int:
        """Points the operation may cost at most. Raises TooDeep, GraphQLError for arguments that do not fit."""
        root = self.schema.get_root_type(operation.operation)
        assert root is not None
        mutation = operation.operation is OperationType.MUTATION
        return self._selections(operation.selection_set, root, (), mutation=mutation)

    def actual(self, operation: OperationDefinitionNode, data: Mapping[str, Any] | None) -> int:
        """Points for what came back: the same rules over the objects that are really there."""
        root = self.schema.get_root_type(operation.operation)
        assert root is not None
        if data is None:
            return 0
        mutation = operation.operation is OperationType.MUTATION
        return self._returned([operation.selection_set], root, data, mutation=mutation)

    def _wanted(self, node: FieldNode | FragmentSpreadNode | InlineFragmentNode) -> bool:
        skip = get_directive_values(GraphQLSkipDirective, node, dict(self.variables))
        if skip and skip["if"]:
            return False
        include = get_directive_values(GraphQLIncludeDirective, node, dict(self.variables))
        return not (include and not include["if"])

    def collect(
        self, sets: Sequence[SelectionSetNode], parent: Composite
    ) -> tuple[dict[str, list[FieldNode]], dict[str, list[SelectionSetNode]]]:
        """Fields by response key that hold for `parent` itself, and selections that hold for one subtype each."""
        fields: dict[str, list[FieldNode]] = {}
        subtypes: dict[str, list[SelectionSetNode]] = {}
        waiting = [(node, 0) for selection_set in sets for node in selection_set.selections]
        while waiting:
            node, depth = waiting.pop(0)
            if depth > MAX_DEPTH:
                raise TooDeep
            if not self._wanted(node):  # type: ignore[arg-type]
                continue
            if isinstance(node, FieldNode):
                fields.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
                continue
            inner, condition = self._fragment(node)
            if condition is None or self._holds(condition, parent):
                waiting = [(child, depth + 1) for child in inner.selections] + waiting
            else:
                subtypes.setdefault(condition, []).append(inner)
        return fields, subtypes

    def _fragment(self, node: Any) -> tuple[SelectionSetNode, str | None]:
        if isinstance(node, FragmentSpreadNode):
            fragment = self.fragments[node.name.value]
            return fragment.selection_set, fragment.type_condition.name.value
        assert isinstance(node, InlineFragmentNode)
        return node.selection_set, node.type_condition.name.value if node.type_condition else None

    def _holds(self, condition: str, parent: Composite) -> bool:
        if condition == parent.name:
            return True
        wanted = self.schema.get_type(condition)
        return (
            isinstance(parent, GraphQLObjectType)
            and isinstance(wanted, (GraphQLInterfaceType, GraphQLUnionType))
            and self.schema.is_sub_type(wanted, parent)
        )

    def _selections(
        self,
        selection_set: SelectionSetNode,
        parent: Composite,
        path: tuple[str, ...],
        *,
        mutation: bool = False,
    ) -> int:
        if len(path) > MAX_DEPTH:
            raise TooDeep
        return self._grouped([selection_set], parent, path, mutation=mutation)

    def _grouped(
        self,
        sets: Sequence[SelectionSetNode],
        parent: Composite,
        path: tuple[str, ...],
        *,
        mutation: bool = False,
    ) -> int:
        if len(path) > MAX_DEPTH:
            raise TooDeep
        fields, subtypes = self.collect(sets, parent)
        total = sum(self._field(key, nodes, parent, path, mutation=mutation) for key, nodes in fields.items())
        dearest = 0
        for name, inner in subtypes.items():
            target = self.schema.get_type(name)
            if isinstance(target, (GraphQLObjectType, GraphQLInterfaceType, GraphQLUnionType)):
                dearest = max(dearest, self._grouped(inner, target, (*path, f"...{name}")))
        return total + dearest

    def _field(
        self, key: str, nodes: list[FieldNode], parent: Composite, path: tuple[str, ...], *, mutation: bool
    ) -> int:
        definition = getattr(parent, "fields", {}).get(nodes[0].name.value)
        sets = [node.selection_set for node in nodes if node.selection_set]
        if definition is None or is_leaf_type(get_named_type(definition.type)) or not sets:
            return MUTATION_COST if mutation else 0
        target = get_named_type(definition.type)
        here = (*path, key)
        at = len(self.fields)
        children = self._grouped(sets, target, here)
        own, times = self._price(nodes[0], definition, parent, target, mutation=mutation)
        total = own + times * children
        if own or times != 1:
            entry = {
                "path": list(here),
                "definedCost": own,
                "requestedTotalCost": total,
                "requestedChildrenCost": times * children or None,
            }
            self.fields.insert(at, entry)
        return total

    def _price(
        self, node: FieldNode, definition: Any, parent: Composite, target: Any, *, mutation: bool
    ) -> tuple[int, int]:
        """(cost of the field itself, how many times its children count)."""
        if mutation:
            return MUTATION_COST, 1
        if target.name.endswith("Connection"):
            args = get_argument_values(definition, node, dict(self.variables))
            size = args.get("first") if args.get("first") is not None else args.get("last")
            return CONNECTION_OVERHEAD, max(0, size) if isinstance(size, int) else 1
        if node.name.value == _FREE:
            return 0, 1
        if _is_wrapper(parent, node.name.value):
            # The objects of a page are counted through the connection's size.
            return (1 if node.name.value in ("nodes", "node") else 0), 1
        return 1, 1

    def _returned(
        self,
        sets: Sequence[SelectionSetNode],
        parent: Composite,
        data: Mapping[str, Any],
        *,
        mutation: bool = False,
    ) -> int:
        concrete = (
            self.schema.get_type(data["__typename"]) if isinstance(data.get("__typename"), str) else None
        )
        here = concrete if isinstance(concrete, GraphQLObjectType) else parent
        fields, subtypes = self.collect(sets, here)
        total = 0
        for key, nodes in fields.items():
            definition = getattr(here, "fields", {}).get(nodes[0].name.value)
            inner = [node.selection_set for node in nodes if node.selection_set]
            if definition is None or not inner:
                total += MUTATION_COST if mutation else 0
                continue
            target = get_named_type(definition.type)
            own = 1
            if mutation:
                own = MUTATION_COST
            elif target.name.endswith("Connection"):
                own = CONNECTION_OVERHEAD
            elif _is_wrapper(here, nodes[0].name.value):
                own = 1 if nodes[0].name.value in ("nodes", "node") else 0
            elif data.get(key) is None or nodes[0].name.value == _FREE:
                own = 0
            total += self._returned_values(inner, target, data.get(key), own)
        if not isinstance(here, GraphQLObjectType):
            # Which subtype came back is not in the answer without __typename: charge the dearest that fits the keys.
            total += max((self._subtype(name, inner, data) for name, inner in subtypes.items()), default=0)
        return total

    def _subtype(self, name: str, sets: Sequence[SelectionSetNode], data: Mapping[str, Any]) -> int:
        target = self.schema.get_type(name)
        if not isinstance(target, (GraphQLObjectType, GraphQLInterfaceType)):
            return 0
        fields, _ = self.collect(sets, target)
        return self._returned(sets, target, data) if set(fields) <= set(data) else 0

    def _returned_values(self, sets: Sequence[SelectionSetNode], target: Any, value: Any, own: int) -> int:
        if isinstance(value, list):
            return sum(self._returned_values(sets, target, item, own) for item in value)
        if not isinstance(value, Mapping):
            return own if value is not None or own >= CONNECTION_OVERHEAD else 0
        return own + self._returned(sets, target, value)


def _is_wrapper(parent: Composite, name: str) -> bool:
    return name in _WRAPPERS and (parent.name.endswith("Connection") or parent.name.endswith("Edge"))
