"""What a field answers that the local Shopify keeps no data for: null where the schema allows, else something plain."""

from __future__ import annotations

from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    is_list_type,
)

_SCALARS: dict[str, Any] = {
    "Boolean": False,
    "Int": 0,
    "Float": 0.0,
    "String": "",
    "Decimal": "0.0",
    "Money": "0.00",
    "UnsignedInt64": "0",
    "BigInt": "0",
    "HTML": "",
    "FormattedString": "",
    "JSON": {},
    "DateTime": "1970-01-01T00:00:00Z",
    "Date": "1970-01-01",
    "Color": "#000000",
    "UtcOffset": "+00:00",
    "StorefrontID": "",
}


def default_value(output: GraphQLOutputType, schema: GraphQLSchema, *, currency: str, domain: str) -> Any:
    """A value that satisfies `output`. Objects are dictionaries to be filled field by field by the same rule."""
    if not isinstance(output, GraphQLNonNull):
        return None
    inner = output.of_type
    if is_list_type(inner):
        return []
    if isinstance(inner, GraphQLEnumType):
        return currency if inner.name == "CurrencyCode" else next(iter(inner.values))
    if isinstance(inner, GraphQLScalarType):
        if inner.name == "URL":
            return f"https://{domain}"
        return "gid://shopify/Unknown/0" if inner.name == "ID" else _SCALARS.get(inner.name, "")
    if isinstance(inner, (GraphQLInterfaceType, GraphQLUnionType)):
        return {"__typename": min(possible.name for possible in schema.get_possible_types(inner))}
    if str(inner.name).endswith("Connection"):
        return {"nodes": [], "edges": [], "pageInfo": {"hasNextPage": False, "hasPreviousPage": False}}
    return {}
