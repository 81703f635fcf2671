"""Searches every store of the product for one person. Reads only; believes no list of places.

Postgres: every column of every table of every schema, as text, and what is sealed in it opened. Redis: every key below the
prefix with all its values. Files: everything below ARTEFACT_DIR opened, every log.
"""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from django.conf import settings
from django.db import connection

from shopify_app.privacy import places
from shopify_app.privacy.needles import Needles
from tenancy import redis as shared_redis
from tenancy.crypto import MAGIC, CannotOpen
from tenancy.reading import Purpose, reading
from tenancy.scope import unscoped

BLOCK = 1 << 20
PARQUET = b"PAR1"


@dataclass(slots=True)
class Findings:
    """Args:
    searched: store to counts of what was looked at.
    hits: place to form to number of occurrences.
    unopened: places that could not be opened, and so not searched.
    """

    searched: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    hits: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    unopened: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.hits and not self.unopened

    def look(self, store: str, place: str, content: bytes, needles: Needles) -> None:
        self.searched[store]["bytes"] += len(content)
        for kind, count in needles.search(content).items():
            self.hits[f"{store}: {place}"][kind] += count


def everywhere(needles: Needles) -> Findings:
    """All stores, each row and byte once. Tables and logs are read in blocks, a file as a whole.

    The certificate says how long it took and how much was read (`manage.py redaction_certificate --dry-run`).
    """
    found = Findings()
    postgres(needles, found)
    redis(needles, found)
    files(needles, found)
    logs(needles, found)
    return found


@unscoped(why="a person is searched for in every row of every shop")
@reading(actor="system:privacy", purpose=Purpose.ERASURE)
def postgres(needles: Needles, found: Findings) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.table_schema, c.table_name, array_agg(c.column_name::text order by c.ordinal_position)"
            " from information_schema.columns c join information_schema.tables t using (table_schema, table_name)"
            " where t.table_type = 'BASE TABLE' and c.table_schema not in ('pg_catalog', 'information_schema')"
            " group by 1, 2 order by 1, 2"
        )
        tables: list[tuple[str, str, list[str]]] = cursor.fetchall()
    for schema, table, columns in tables:
        name = table if schema == "public" else f"{schema}.{table}"
        found.searched["postgres"]["tables"] += 1
        found.searched["postgres"]["columns"] += len(columns)
        if any(needles.search(block) for block in _rows(schema, table, None, found)):
            for column in columns:
                for block in _rows(schema, table, column, None):
                    for kind, count in needles.search(block).items():
                        found.hits[f"postgres: {name}.{column}"][kind] += count
    present = {table for _, table, _ in tables}
    for each in places.SEALED:
        if each.table in present:
            _sealed(each, needles, found)


def _rows(schema: str, table: str, column: str | None, found: Findings | None) -> Iterator[bytes]:
    """A table, or one of its columns, as text in blocks that end with a row."""
    what = "t" if column is None else f't."{column}"'
    sql = f'copy (select {what}::text from "{schema}"."{table}" t) to stdout'  # noqa: S608 - names from the catalogue
    with connection.cursor() as cursor, cursor.copy(sql) as copy:
        held: list[bytes] = []
        size = rows = 0
        for part in copy:
            held.append(bytes(part))
            size += len(part)
            rows += 1
            if size >= BLOCK:
                yield b"".join(held)
                if found is not None:
                    found.searched["postgres"]["bytes"] += size
                held, size = [], 0
        yield b"".join(held)
        if found is not None:
            found.searched["postgres"]["rows"] += rows
            found.searched["postgres"]["bytes"] += size


def _sealed(each: places.SealedColumn, needles: Needles, found: Findings) -> None:
    beside = ", ".join(f'"{column}"' for column in each.columns)
    sql = f'select "{each.column}", {beside} from "{each.table}" where "{each.column}" is not null'  # noqa: S608
    place = f"{each.table}.{each.column} (opened)"
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql)
        while rows := cursor.fetchmany(2_000):
            for sealed, *values in rows:
                found.searched["postgres"]["sealed values opened"] += 1
                try:
                    plain = settings.KEYRING.open(bytes(sealed), context=each.context(*values))
                except CannotOpen as error:
                    found.unopened.append(f"postgres: {place}: {error}")
                    continue
                found.look("postgres", place, plain, needles)


def redis(needles: Needles, found: Findings) -> None:
    client: Any = shared_redis.client()
    for name in client.scan_iter(match=shared_redis.key("*"), count=1000):
        found.searched["redis"]["keys"] += 1
        place = name.decode(errors="replace")
        # The name of a key may be what is searched for.
        shown = (
            place if not needles.search(name) else f"{settings.REDIS_PREFIX}:(a key that names the person)"
        )
        found.look("redis", shown, name, needles)
        for part in _values(client, name, client.type(name)):
            found.searched["redis"]["values"] += 1
            found.look("redis", shown, part, needles)


def _values(client: Any, name: bytes, kind: bytes) -> Iterator[bytes]:
    """Everything that a key holds, a part at a time."""
    if kind == b"string":
        yield client.get(name) or b""
    elif kind == b"hash":
        for member, value in client.hscan_iter(name, count=1000):
            yield member + b"\n" + value
    elif kind == b"list":
        at = 0
        while part := client.lrange(name, at, at + 999):
            yield from part
            at += len(part)
    elif kind == b"set":
        yield from client.sscan_iter(name, count=1000)
    elif kind == b"zset":
        for member, score in client.zscan_iter(name, count=1000):
            yield member + b"\n%d" % int(score)
    elif kind == b"stream":
        since = "-"
        while entries := client.xrange(name, min=since, count=1000):
            for _, fields in entries:
                yield b"\n".join(part for pair in (fields or {}).items() for part in pair)
            since = f"({entries[-1][0].decode()}"


def files(needles: Needles, found: Findings) -> None:
    """Everything below ARTEFACT_DIR: frames, models, exports, and whatever else may lie there."""
    root = Path(settings.ARTEFACT_DIR)
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        inner = path.relative_to(root)
        kind = inner.parts[1] if len(inner.parts) > 2 else "other"
        found.searched["files"][kind] += 1
        found.look("files", "(a file's name)", str(inner).encode(), needles)
        try:
            content = path.read_bytes()
        except OSError:
            continue  # deleted in this moment
        if content.startswith(MAGIC):
            try:
                context = places.files_context(kind, inner.parts[0], path.name.lstrip(".").split(".")[0])
                content = settings.KEYRING.open(content, context=context)
            except CannotOpen as error:
                found.unopened.append(f"files: {inner}: {error}")
                continue
        found.look("files", str(inner), content, needles)
        if content.startswith(PARQUET):
            _frame(str(inner), content, needles, found)


def _frame(place: str, content: bytes, needles: Needles, found: Findings) -> None:
    """Parquet is compressed: column by column, as numbers or as text."""
    for column in pl.read_parquet(io.BytesIO(content)).iter_columns():
        if column.dtype.is_integer():
            hits = int(column.is_in(list(needles.integers)).sum()) if needles.integers else 0
            if hits:
                found.hits[f"files: {place}: column {column.name}"]["in a column of numbers"] += hits
        elif column.dtype == pl.String:
            found.look(
                "files", f"{place}: column {column.name}", "\n".join(column.drop_nulls()).encode(), needles
            )


def logs(needles: Needles, found: Findings) -> None:
    for folder in settings.LOG_DIRS:
        for path in logs_in(folder):
            found.searched["logs"]["files"] += 1
            with path.open("rb") as log:
                rest = b""
                while block := log.read(BLOCK):
                    found.look("logs", path.name, rest + block, needles)
                    rest = block[-256:]


def logs_in(folder: Path) -> list[Path]:
    """The logs of a folder; not the local Shopify's own, which is the store and not us."""
    return [
        each for each in sorted(folder.rglob("*")) if each.is_file() and not each.name.startswith("devstore")
    ]
