"""Shopify's search syntax (`query:`), turned into an SQL condition.

Understood: `field:value`, `:>`, `:>=`, `:<`, `:<=`, quotes, `prefix*`, `field:*` (is set), a bare word, terms side by
side (and), AND, OR, NOT, `-term`, parentheses. A field that the list does not know is ignored with a warning, as
Shopify does, so a misspelt field returns everything: the warning is in `extensions.search`.
"""

# ruff: noqa: S608  (tables and columns are constants of this package; values are always bound)
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    DATE = "date"
    NUMBER = "number"
    ID = "id"
    TEXT = "text"
    ENUM = "enum"
    FLAG = "flag"
    TAGS = "tags"


@dataclass(frozen=True, slots=True)
class SearchField:
    """One searchable field: its kind and the SQL expression that holds it.

    `inside` surrounds the comparison, for a field of child rows: `EXISTS (SELECT 1 FROM ... WHERE ... AND {})`.
    """

    kind: Kind
    sql: str
    inside: str = "{}"


@dataclass(slots=True)
class Condition:
    """An SQL condition with its parameters, and what was wrong with the text. Nothing wrong, nothing asked: "1"."""

    sql: str = "1"
    params: list[object] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<paren>[()])
    | (?P<minus>-)(?=\S)
    | (?P<name>[A-Za-z_][\w.]*):(?P<op>>=|<=|>|<)?\s*(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s()]+)
    | (?P<word>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s()]+)
    )""",
    re.VERBOSE,
)


def compile_search(text: str | None, fields: Mapping[str, SearchField], *, default: str) -> Condition:
    """The condition for `text`. `default` is the SQL text expression that a bare word is looked for in."""
    condition = Condition()
    if text is None or not text.strip():
        return condition
    tokens = [found for found in _TOKEN.finditer(text.strip()) if found.lastgroup]
    parser = _Parser(tokens, fields, default, condition)
    sql = parser.disjunction()
    condition.sql = sql or "1"
    return condition


class _Parser:
    def __init__(
        self,
        tokens: list[re.Match[str]],
        fields: Mapping[str, SearchField],
        default: str,
        condition: Condition,
    ) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._fields = fields
        self._default = default
        self._out = condition

    def _word(self) -> str | None:
        return self._tokens[self._at]["word"] if self._at < len(self._tokens) else None

    def _paren(self) -> str | None:
        return self._tokens[self._at]["paren"] if self._at < len(self._tokens) else None

    def disjunction(self) -> str | None:
        parts = [self._conjunction()]
        while self._word() == "OR":
            self._at += 1
            parts.append(self._conjunction())
        known = [part for part in parts if part]
        return f"({' OR '.join(known)})" if known else None

    def _conjunction(self) -> str | None:
        parts: list[str | None] = []
        while self._at < len(self._tokens) and self._word() != "OR":
            if self._paren() == ")":
                if self._depth:
                    break
                self._at += 1
                continue
            if self._word() == "AND":
                self._at += 1
                continue
            parts.append(self._term())
        known = [part for part in parts if part]
        return f"({' AND '.join(known)})" if known else None

    def _term(self) -> str | None:
        token = self._tokens[self._at]
        self._at += 1
        if token["minus"] or token["word"] == "NOT":
            if self._at >= len(self._tokens):
                return None
            inner = self._term()
            # A comparison with NULL is neither true nor false; "not shipped" must still find it.
            return f"NOT coalesce({inner}, 0)" if inner else None
        if token["paren"] == "(":
            if self._depth >= 20:
                return None
            self._depth += 1
            inner = self.disjunction()
            self._depth -= 1
            if self._paren() == ")":
                self._at += 1
            return inner
        if token["name"]:
            return self._comparison(token["name"], token["op"] or "=", _unquoted(token["value"]))
        if token["word"]:
            return self._bare(_unquoted(token["word"]))
        return None

    def _bare(self, value: str) -> str:
        self._out.params.append(f"%{_like(value.rstrip('*'))}%")
        return f"{self._default} LIKE ? ESCAPE '\\'"

    def _comparison(self, name: str, op: str, value: str) -> str | None:
        known = self._fields.get(name)
        if known is None:
            self._warn(name, "invalid_field", "Invalid search field for this query.")
            return None
        if value == "*":
            return known.inside.format(f"{known.sql} IS NOT NULL")
        sql = _COMPARE[known.kind](self._out.params, known.sql, op, value)
        if sql is None:
            self._warn(
                name, "invalid_value", f"Input `{value[:100]}` is not a valid value for this search field."
            )
            return None
        return known.inside.format(sql)

    def _warn(self, name: str, code: str, message: str) -> None:
        self._out.warnings.append({"field": name, "code": code, "message": message})


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def _like(value: str) -> str:
    return value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _date(params: list[object], sql: str, op: str, value: str) -> str | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        start = moment.astimezone(UTC)
        end = start + (timedelta(days=1) if len(value) <= 10 else timedelta(seconds=1))
    except OverflowError:
        return None
    low, high = (time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in (start, end))
    if op == "=":
        params.extend((low, high))
        return f"({sql} >= ? AND {sql} < ?)"
    # Whole days and whole seconds: "> the 3rd" starts after its end, "<= the 3rd" includes it.
    operator, bound = {">": (">=", high), ">=": (">=", low), "<": ("<", low), "<=": ("<", high)}[op]
    params.append(bound)
    return f"{sql} {operator} ?"


def _number(params: list[object], sql: str, op: str, value: str) -> str | None:
    try:
        number = float(value)
    except ValueError:
        return None
    params.append(number)
    return f"CAST({sql} AS REAL) {op} ?"


def _id(params: list[object], sql: str, op: str, value: str) -> str | None:
    tail = value.rpartition("/")[2]
    if not (tail.isascii() and tail.isdigit() and len(tail) <= 18):
        return None
    params.append(int(tail))
    return f"{sql} {op} ?"


def _text(params: list[object], sql: str, op: str, value: str) -> str | None:
    if op != "=":
        params.append(value)
        return f"{sql} {op} ?"
    if value.endswith("*"):
        params.append(_like(value[:-1]) + "%")
        return f"{sql} LIKE ? ESCAPE '\\'"
    params.append(value)
    return f"{sql} = ? COLLATE NOCASE"


def _enum(params: list[object], sql: str, op: str, value: str) -> str | None:
    if op != "=":
        return None
    choices = [choice for choice in value.split(",") if choice]
    params.extend(choices)
    return f"{sql} COLLATE NOCASE IN ({', '.join('?' * len(choices))})" if choices else None


def _flag(params: list[object], sql: str, op: str, value: str) -> str | None:
    if op != "=" or value.lower() not in ("true", "false"):
        return None
    params.append(int(value.lower() == "true"))
    return f"{sql} = ?"


def _tags(params: list[object], sql: str, op: str, value: str) -> str | None:
    if op != "=":
        return None
    params.append(value)
    return f"EXISTS (SELECT 1 FROM json_each({sql}) WHERE json_each.value = ? COLLATE NOCASE)"


_COMPARE = {
    Kind.DATE: _date,
    Kind.NUMBER: _number,
    Kind.ID: _id,
    Kind.TEXT: _text,
    Kind.ENUM: _enum,
    Kind.FLAG: _flag,
    Kind.TAGS: _tags,
}
