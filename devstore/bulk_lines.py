"""Runs a bulk plan over the shop's file: whole blocks of siblings at a time, column by column, no GraphQL library.

The same field tables as the live API; only the way through them differs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from devstore.bulk_fields import PlanField
from devstore.resolvers.fields import (
    Args,
    Computed,
    Field,
    Linked,
    Many,
    One,
    PageRequest,
    Reader,
    Row,
    TypeTable,
    Value,
)

MAX_BLOCK = 1000
CHILDREN_PER_BLOCK = 6000

Build = Callable[[Sequence[Row]], list[Any]]
Pick = Callable[[Any], Any]
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Connected:
    """A connection below an object: how to find its children and how to write them."""

    def __init__(
        self, reader: Reader, path: list[One], known: Linked, plan: PlanField, types: TypeTable
    ) -> None:
        self.reader, self.path, self.known = reader, path, known
        self.request = page_of(plan.args)
        self.node = NodeWriter(reader, known.target, plan.fields or [], types)

    def children(self, rows: Sequence[Row]) -> list[Sequence[Row]]:
        """The child rows of each row, through the to-one objects on the way."""
        owners: list[Row | None] = list(rows)
        for step in self.path:
            present = [row for row in owners if row is not None]
            found = iter(step.load(self.reader, present, {}))
            owners = [None if row is None else next(found) for row in owners]
        pages = iter(self.known.load(self.reader, [row for row in owners if row is not None], self.request))
        return [() if row is None else next(pages).rows for row in owners]


class NodeWriter:
    """Lines of one type's nodes, and of what hangs below them."""

    def __init__(self, reader: Reader, type_name: str, fields: Sequence[PlanField], types: TypeTable) -> None:
        self.build = _object(reader, type_name, fields, types)
        self.connections = list(_connections(reader, types[type_name], fields, types, []))
        identity = types[type_name]["id"]
        assert isinstance(identity, Value)
        self._reader, self._identity = reader, identity

    def objects(self, rows: Sequence[Row], parents: Sequence[str] | None) -> list[dict[str, Any]]:
        built = self.build(rows)
        if parents is not None:
            for line, parent in zip(built, parents, strict=True):
                line["__parentId"] = parent
        return built

    def _ids(self, rows: Sequence[Row]) -> list[str]:
        return [self._identity.get(self._reader, row, {}) for row in rows]

    def flat(self, rows: Sequence[Row], parents: Sequence[str] | None = None) -> Iterator[list[str]]:
        """Parents first, then the children of the whole block: never next to each other (groupObjects: false)."""
        yield [_encode(line) for line in self.objects(rows, parents)]
        if not self.connections:
            return
        ids = self._ids(rows)
        for connected in self.connections:
            children: list[Row] = []
            owners: list[str] = []
            for owner, group in zip(ids, connected.children(rows), strict=True):
                children.extend(group)
                owners.extend([owner] * len(group))
            for start in range(0, len(children), MAX_BLOCK):
                part = slice(start, start + MAX_BLOCK)
                yield from connected.node.flat(children[part], owners[part])

    def grouped(self, rows: Sequence[Row], parents: Sequence[str] | None = None) -> list[list[str]]:
        """For each row its line and, right after it, those of its children (groupObjects: true)."""
        groups = [[_encode(line)] for line in self.objects(rows, parents)]
        ids = self._ids(rows)
        for connected in self.connections:
            below = connected.children(rows)
            children = [row for group in below for row in group]
            owners = [owner for owner, group in zip(ids, below, strict=True) for _ in group]
            written = iter(connected.node.grouped(children, owners))
            for lines, group in zip(groups, below, strict=True):
                for _ in group:
                    lines.extend(next(written))
        return groups


def lines(
    reader: Reader, plan: PlanField, roots: dict[str, Field], types: TypeTable, *, group_objects: bool
) -> Iterator[tuple[list[str], int]]:
    """The lines of the whole operation in portions, each with the number of root objects it begins."""
    known = roots.get(plan.name)
    if not isinstance(known, (Linked, One)):
        return
    writer = NodeWriter(reader, known.target, plan.fields or [], types)
    rows = _root_rows(reader, known, plan.args)
    size = 50 if writer.connections else MAX_BLOCK
    while block := list(islice(rows, size)):
        written = 0
        if group_objects:
            portion = [line for group in writer.grouped(block) for line in group]
            written = len(portion)
            yield portion, len(block)
        else:
            roots_here = len(block)
            for portion in writer.flat(block):
                written += len(portion)
                yield portion, roots_here
                roots_here = 0
        # Some parents have thousands of children: keep what is in memory at a time about the same.
        below = max(1, written - len(block)) if writer.connections else 1
        size = max(1, min(MAX_BLOCK, size * 2, len(block) * CHILDREN_PER_BLOCK // below))


def _root_rows(reader: Reader, known: Linked | One, args: Args) -> Iterator[Row]:
    if isinstance(known, One):
        return iter([row for row in known.load(reader, [{}], args) if row is not None])
    if known.stream is not None:
        return known.stream(reader, page_of(args))
    return iter(known.load(reader, [{}], page_of(args))[0].rows)


def page_of(args: Args) -> PageRequest:
    """Everything, in the order and by the filter asked for: `first` and cursors are ignored in bulk."""
    return PageRequest(
        reverse=bool(args.get("reverse")), sort_key=args.get("sortKey"), query=args.get("query"), args=args
    )


def _connections(
    reader: Reader, table: dict[str, Field], fields: Sequence[PlanField], types: TypeTable, path: list[One]
) -> Iterator[Connected]:
    for item in fields:
        known = table.get(item.name)
        if item.kind == "connection" and isinstance(known, Linked):
            yield Connected(reader, path, known, item, types)
        elif item.kind == "one" and isinstance(known, One):
            yield from _connections(reader, types[known.target], item.fields or [], types, [*path, known])


def _object(reader: Reader, type_name: str, fields: Sequence[PlanField], types: TypeTable) -> Build:
    """Rows of one type -> their dictionaries, a column at a time."""
    table = types[type_name]
    kept = [item for item in fields if item.kind not in ("connection", "empty")]
    keys = [item.key for item in kept]
    makers = [_column(reader, type_name, item, table.get(item.name), types) for item in kept]

    def build(rows: Sequence[Row]) -> list[Any]:
        if not makers:
            return [{} for _ in rows]
        return [
            dict(zip(keys, values, strict=True))
            for values in zip(*(make(rows) for make in makers), strict=True)
        ]

    return build


def _column(reader: Reader, type_name: str, item: PlanField, known: Field | None, types: TypeTable) -> Build:
    args, default = item.args, item.default
    if item.kind == "typename":
        return lambda rows: [type_name] * len(rows)
    if item.kind == "value" and isinstance(known, Value):
        get = known.get
        if item.fields is not None:
            pick = _pick(item.fields, default)
            return lambda rows: [pick(get(reader, row, args)) for row in rows]
        if default is None:
            return lambda rows: [get(reader, row, args) for row in rows]
        return lambda rows: [_or(get(reader, row, args), default) for row in rows]
    if item.kind == "value" and isinstance(known, Computed):
        load = known.load
        pick = _pick(item.fields, default) if item.fields is not None else lambda value: _or(value, default)
        return lambda rows: [pick(value) for value in load(reader, rows, args)]
    if item.kind == "one" and isinstance(known, One):
        return _one(reader, known, args, _object(reader, known.target, item.fields or [], types), default)
    if item.kind == "many" and isinstance(known, Many):
        return _many(reader, known, args, _object(reader, known.target, item.fields or [], types))
    return lambda rows: [default] * len(rows)


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _one(reader: Reader, known: One, args: Args, build: Build, default: Any) -> Build:
    def make(rows: Sequence[Row]) -> list[Any]:
        found = known.load(reader, rows, args)
        built = iter(build([row for row in found if row is not None]))
        return [default if row is None else next(built) for row in found]

    return make


def _many(reader: Reader, known: Many, args: Args, build: Build) -> Build:
    def make(rows: Sequence[Row]) -> list[Any]:
        groups = known.load(reader, rows, args)
        built = iter(build([row for group in groups for row in group]))
        return [[next(built) for _ in group] for group in groups]

    return make


def _pick(fields: Sequence[PlanField], default: Any) -> Pick:
    """Cuts a dictionary (or a list of them) to the selection."""
    parts = [(item.key, item.name, _pick(item.fields, item.default) if item.fields is not None else None, item.default)
             for item in fields if item.on is None]  # fmt: skip
    conditional = [item for item in fields if item.on is not None]
    plain = [(key, name, fallback) for key, name, inner, fallback in parts if inner is None]
    nested = [(key, name, inner) for key, name, inner, _ in parts if inner is not None]
    # A dictionary of exactly the fields asked for, in any order, is the answer itself: money is nearly always so.
    whole = frozenset(key for key, name, _ in plain if key == name) if len(plain) == len(fields) else None
    if whole is not None and len(whole) != len(plain):
        whole = None

    def pick(value: Any) -> Any:
        if value is None:
            return default
        if isinstance(value, list):
            return [pick(item) for item in value]
        if whole is not None and value.keys() == whole:
            return value
        answer = {key: value.get(name, fallback) for key, name, fallback in plain}
        for key, name, inner in nested:
            answer[key] = inner(value.get(name))
        for item in conditional:
            if value.get("__typename") in (item.on or ()):
                inner_pick = _pick(item.fields, item.default) if item.fields is not None else None
                found = value.get(item.name, item.default)
                answer[item.key] = inner_pick(found) if inner_pick else found
        return answer

    return pick
