"""What feature vectors cost a shop that was just imported: for `make bench-ingest ARGS=--features`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psycopg

from shopify_app.local.stack import Stack

INDEX = "event_of_subject"
# The history of an export ended years ago, and features look back from now: it is moved so that it ends an hour ago.
_MOVED = (
    "update features_event set occurred_at = occurred_at + %(by)s, version_at = version_at + %(by)s",
    "update features_order set ordered_at = ordered_at + %(by)s, version_at = version_at + %(by)s",
    "update features_product set created_at = created_at + %(by)s, version_at = version_at + %(by)s",
)


def measure(stack: Stack, database: psycopg.Connection[Any], shop: str) -> dict[str, Any]:
    """Figures by what was done, each with cpu_s, postgres_cpu_s, wall_s and peak_mib as far as they apply."""
    row = database.execute(
        "select now() - interval '1 hour' - max(occurred_at) from features_event"
    ).fetchone()
    assert row is not None
    for each in _MOVED:
        database.execute(each, {"by": row[0]})
    database.execute("analyze")
    found: dict[str, Any] = json.loads(stack.manage("bench_refresh", shop).strip().splitlines()[-1])
    return {**found, **_index_cost(database)}


def table(found: dict[str, Any], about: str) -> str:
    names = ("cpu_s", "postgres_cpu_s", "peak_mib")
    lines = [about, "", "| | CPU s | of Postgres, CPU s | peak MiB |", "|---| ---: | ---: | ---: |"]
    for name, each in found.items():
        lines.append(f"| {name} | " + " | ".join(_cell(each.get(key)) for key in names) + " |")
    vectors = found["everything"]["vectors"]
    told = ", ".join(f"{count:,} {name}" for name, count in vectors.items())
    return "\n".join([*lines, "", f"Vectors of everything: {told}.", ""])


def _index_cost(database: psycopg.Connection[Any]) -> dict[str, Any]:
    """CPU of writing the whole log once more, with and without the index that features read by."""
    found = {}
    for name, without in (("the log written again, with the index", False), ("and without it", True)):
        database.execute("create table bench_log (like features_event including all)")
        if without:
            row = database.execute(
                "select indexname from pg_indexes where tablename = 'bench_log' and indexdef like %s",
                ["%(shop_id, kind, subject_id)%"],
            ).fetchone()
            assert row is not None, INDEX
            database.execute(f'drop index "{row[0]}"'.encode())
        before = _cpu_s(database)
        database.execute("insert into bench_log overriding system value select * from features_event")
        found[name] = {"postgres_cpu_s": round(_cpu_s(database) - before, 2)}
        database.execute("drop table bench_log")
    return found


def _cpu_s(database: psycopg.Connection[Any]) -> float:
    fields = Path(f"/proc/{database.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:,}"
