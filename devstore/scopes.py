"""Which access scopes a type or field needs, from the data published with the schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import GraphQLObjectType, GraphQLOutputType, get_named_type

# What the published text demands in words only ("The app requires read_customer_events access scope").
_ALSO = {("Mutation", name): "read_customer_events" for name in ("webPixelCreate", "webPixelUpdate")}


@dataclass(frozen=True, slots=True)
class Requirement:
    """Any one of `scopes` is enough; `text` is Shopify's own wording."""

    scopes: frozenset[str]
    text: str
    also: str | None = None

    def met(self, granted: frozenset[str]) -> bool:
        return bool(self.scopes & granted) and (self.also is None or self.also in granted)


class AccessRules:
    """`items` is `offline_scopes.items` of the published schema file."""

    def __init__(self, items: Iterable[Mapping[str, Any]]) -> None:
        self._types: dict[str, Requirement] = {}
        self._fields: dict[tuple[str, str], Requirement] = {}
        for item in items:
            if not item["offlineScopes"]:
                continue
            name = item["typeName"]
            if item["type"] == "type":
                self._types[name] = Requirement(frozenset(item["offlineScopes"]), item["requiredAccess"])
            else:
                key = (name, item["fieldName"])
                self._fields[key] = Requirement(
                    frozenset(item["offlineScopes"]), item["requiredAccess"], _ALSO.get(key)
                )
        self.denied = lru_cache(maxsize=20_000)(self._denied)

    def _denied(self, type_name: str, field: str, target: str, granted: frozenset[str]) -> str | None:
        for requirement in (self._fields.get((type_name, field)), self._types.get(target)):
            if requirement is not None and not requirement.met(granted):
                return requirement.text
        return None

    def refusal(
        self, type_name: str, field: str, output: GraphQLOutputType, granted: frozenset[str]
    ) -> str | None:
        """The required-access text when `granted` (expanded: write implies read) does not open this field."""
        return self.denied(type_name, field, reached_type(output), granted)


def reached_type(output: GraphQLOutputType) -> str:
    """The named type behind a field's type; for a connection or an edge, the type of its nodes."""
    named = get_named_type(output)
    if isinstance(named, GraphQLObjectType):
        for suffix, inner in (("Connection", "nodes"), ("Edge", "node")):
            if named.name.endswith(suffix) and inner in named.fields:
                return str(get_named_type(named.fields[inner].type).name)
    return str(named.name)
