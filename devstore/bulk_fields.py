"""The plan of a bulk operation as plain data, so that the process that runs it needs no GraphQL library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class PlanField:
    """One selected field. `kind`: constant, value, one, many or connection; `on`: only for these types (None: all)."""

    key: str
    name: str
    kind: str
    args: dict[str, Any] = field(default_factory=dict)
    fields: list[PlanField] | None = None
    default: Any = None
    on: list[str] | None = None


def plan_from_json(document: dict[str, Any]) -> PlanField:
    inner = document.get("fields")
    return PlanField(
        **{**document, "fields": None if inner is None else [plan_from_json(item) for item in inner]}
    )


def has_connections(fields: Sequence[PlanField]) -> bool:
    """Whether these fields hold a connection, be it inside a to-one object."""
    return any(
        item.kind in ("connection", "empty") or (item.kind == "one" and has_connections(item.fields or ()))
        for item in fields
    )
