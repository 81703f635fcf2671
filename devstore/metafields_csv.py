"""Metafield columns of the product export, `Burn time (product.metafields.custom.burn)`, as definitions and values.

An export tells no types: a column's type is the narrowest that all of its values have.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from devstore.csv_rows import CsvRow, stable_id
from devstore.resolvers.fields import gid

_HEADER = re.compile(
    r"(?P<name>.+?)\s*\((?P<owner>product|variant)\.metafields\.(?P<namespace>[^.()]+)\.(?P<key>[^.()]+)\)",
    re.IGNORECASE,
)
_OWNERS = {"product": ("PRODUCT", "Product"), "variant": ("PRODUCTVARIANT", "ProductVariant")}
_NAME = re.compile(r"[A-Za-z0-9_-]{2,64}")
LONGEST_VALUE = 60_000


@dataclass(slots=True)
class MetafieldColumn:
    """One column; `types` are those that every value so far has, narrowest first."""

    place: int
    owner: str
    namespace: str
    key: str
    name: str
    types: list[str] = field(
        default_factory=lambda: [
            "boolean",
            "number_integer",
            "number_decimal",
            "date",
            "single_line_text_field",
        ]
    )
    values: int = 0

    def take(self, tx: sqlite3.Connection, domain: str, owner_id: int, row: CsvRow, at: str) -> None:
        """Write the row's value, unless it is empty."""
        value = row.cells[self.place].strip()[:LONGEST_VALUE]
        if not value:
            return
        if value.lower() in ("true", "false"):
            value = value.lower()  # spreadsheets write TRUE
        self.values += 1
        self.types = [each for each in self.types if _has(value, each)]
        owner = gid(_OWNERS[self.owner][1], owner_id)
        identifier = stable_id(domain, "metafield", owner, self.namespace, self.key)
        tx.execute(
            "INSERT OR REPLACE INTO metafields VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (identifier, owner, self.namespace, self.key, "single_line_text_field", value, at, at),
        )

    def finish(self, tx: sqlite3.Connection, number: int) -> None:
        """Write the definition, and its type into the values."""
        kind = (
            self.types[0]
            if self.values and self.types
            else "multi_line_text_field"
            if self.values
            else "single_line_text_field"
        )
        owner_type, type_name = _OWNERS[self.owner]
        tx.execute(
            "UPDATE metafields SET type = ? WHERE namespace = ? AND key = ? AND owner_gid GLOB ?",
            (kind, self.namespace, self.key, f"gid://shopify/{type_name}/*"),
        )
        tx.execute(
            "INSERT OR IGNORE INTO metafield_definitions VALUES (?, ?, ?, ?, ?, NULL, ?, ?)",
            (number, owner_type, self.namespace, self.key, self.name, kind, json.dumps([])),
        )


def columns(header: Sequence[str]) -> list[MetafieldColumn]:
    """The metafield columns of a header; a namespace or key that Shopify would not allow is left out."""
    found = []
    for place, name in enumerate(header):
        match = _HEADER.fullmatch(name.strip())
        if match and _NAME.fullmatch(match["namespace"]) and _NAME.fullmatch(match["key"]):
            owner = match["owner"].lower()
            found.append(MetafieldColumn(place, owner, match["namespace"], match["key"], match["name"][:255]))
    return found


def _has(value: str, kind: str) -> bool:
    if kind == "boolean":
        return value.lower() in ("true", "false")
    if kind == "number_integer":
        return re.fullmatch(r"-?[0-9]{1,15}", value) is not None
    if kind == "number_decimal":
        return re.fullmatch(r"-?[0-9]{1,13}(\.[0-9]{1,9})?", value) is not None
    if kind == "date":
        try:
            return len(value) == len("2026-01-31") and date.fromisoformat(value) is not None
        except ValueError:
            return False
    return "\n" not in value
