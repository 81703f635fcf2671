"""Everything that is sealed, sealed anew with the first key of ENCRYPTION_KEYS.

Safe to kill and to repeat: what is under the first key already is passed over, a row changes only if it is still what was
opened, a file is replaced whole or not at all.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from shopify_app.privacy import places
from shopify_app.privacy.places import SealedColumn
from shopify_app.sync import customers
from tenancy.crypto import MAGIC, CannotOpen, key_id_of
from tenancy.reading import Purpose, reading
from tenancy.scope import unscoped

BATCH = 500
LEFT_OVER_S = 3600.0
Progress = Callable[[str, int], None]


@dataclass(slots=True)
class Rotation:
    """Args:
    renewed: place to number of values that are under the first key now and were not.
    held: key id to number of sealed values found under it at the end.
    unopened: values that no configured key opens, by place.
    """

    renewed: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    unopened: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> bool:
        """Nothing is left under another key than the first."""
        return set(self.held) <= {settings.KEYRING.current} and not self.unopened


def rotate(*, dry_run: bool = False, progress: Progress = lambda place, count: None) -> Rotation:
    """Renew everything; with `dry_run`, only count what lies under which key."""
    found = Rotation()
    with (
        unscoped(why="the keys are those of the whole installation"),
        reading(actor="system:rotation", purpose=Purpose.OPERATION),
    ):
        if not dry_run:
            for column in (*places.SEALED, *places.REQUESTED):
                _column(column, found, progress)
            _deliveries(found, progress)
            _files(found, progress)
        _count(found)
    return found


def _column(column: SealedColumn, found: Rotation, progress: Progress) -> None:
    place = f"{column.table}.{column.column}"
    beside = ", ".join(f'"{each}"' for each in column.columns)
    sql = (
        f'select ctid::text as row_id, "{column.column}", {beside} from "{column.table}"'  # noqa: S608 - our own names
        f' where "{column.column}" is not null and substring("{column.column}" from 4 for 4) <> %s'
        " and ctid > %s::tid order by ctid limit %s"
    )
    change = (
        f'update "{column.table}" set "{column.column}" = %s where ctid = %s::tid and "{column.column}" = %s'  # noqa: S608
    )
    after = "(0,0)"
    while True:
        # A changed row moves to the end of the table, where it is met again and passed over.
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, [bytes.fromhex(settings.KEYRING.current), after, BATCH])
            rows = cursor.fetchall()
            for row_id, sealed, *values in rows:
                after = row_id
                try:
                    renewed = _again(bytes(sealed), column.context(*values))
                except CannotOpen:
                    found.unopened[place] += 1
                    continue
                cursor.execute(change, [renewed, row_id, bytes(sealed)])
                found.renewed[place] += cursor.rowcount
        progress(place, found.renewed[place])
        if len(rows) < BATCH:
            return


def _deliveries(found: Rotation, progress: Progress) -> None:
    """The sealed numbers that waiting and dead deliveries about customers carry."""
    place = "webhooks_inboxdelivery.payload"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "select id, shop_id, payload from webhooks_inboxdelivery where payload ? %s for update",
            [customers.REFERENCE],
        )
        for delivery_id, shop_id, told in cursor.fetchall():
            payload = json.loads(told) if isinstance(told, str) else told
            sealed = customers.reference_in(payload)
            if sealed is None or _is_current(sealed):
                continue
            try:
                renewed = _again(sealed, customers.context(shop_id, payload["id"]))
            except CannotOpen:
                found.unopened[place] += 1
                continue
            payload[customers.REFERENCE] = base64.b64encode(renewed).decode()
            cursor.execute(
                "update webhooks_inboxdelivery set payload = %s::jsonb where id = %s",
                [json.dumps(payload), delivery_id],
            )
            found.renewed[place] += 1
    progress(place, found.renewed[place])


def _files(found: Rotation, progress: Progress) -> None:
    for path, kind, shop_id in _sealed_files():
        try:
            sealed = path.read_bytes()
            if not sealed.startswith(MAGIC) or _is_current(sealed):
                continue
            renewed = _again(sealed, places.files_context(kind, shop_id, path.name.split(".")[0]))
            _replace(path, renewed)
        except FileNotFoundError:
            continue  # deleted in this moment
        except CannotOpen:
            found.unopened[f"files: {kind}"] += 1
            continue
        found.renewed[f"files: {kind}"] += 1
        progress(f"files: {kind}", found.renewed[f"files: {kind}"])


def _sealed_files() -> Iterator[tuple[Path, str, str]]:
    """Path, kind and shop of every sealed file; what a killed writer left is swept away."""
    root = Path(settings.ARTEFACT_DIR)
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        parts = path.relative_to(root).parts
        if path.name.startswith("."):
            if ".sealed." in path.name and time.time() - path.stat().st_mtime > LEFT_OVER_S:
                path.unlink(missing_ok=True)
        elif path.suffix == ".sealed" and len(parts) == 3:
            yield path, parts[1], parts[0]


def _replace(path: Path, content: bytes) -> None:
    near = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with near.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    if not path.exists():
        near.unlink()
        raise FileNotFoundError(path)
    near.replace(path)


def _count(found: Rotation) -> None:
    """What lies under which key, whether it opens or not."""
    with connection.cursor() as cursor:
        for column in (*places.SEALED, *places.REQUESTED):
            cursor.execute(
                f"select encode(substring(\"{column.column}\" from 4 for 4), 'hex'), count(*)"  # noqa: S608
                f' from "{column.table}" where "{column.column}" is not null group by 1'
            )
            found.held.update(dict(cursor.fetchall()))
        cursor.execute(
            "select payload->>%s from webhooks_inboxdelivery where payload ? %s", [customers.REFERENCE] * 2
        )
        for (encoded,) in cursor.fetchall():
            try:
                found.held[key_id_of(base64.b64decode(encoded or ""))] += 1
            except (CannotOpen, binascii.Error):
                continue
    for path, _, _ in _sealed_files():
        with path.open("rb") as file:
            try:
                found.held[key_id_of(file.read(64))] += 1
            except CannotOpen:
                continue


def _again(sealed: bytes, context: str) -> bytes:
    return settings.KEYRING.seal(settings.KEYRING.open(sealed, context=context), context=context)


def _is_current(sealed: bytes) -> bool:
    return key_id_of(sealed) == settings.KEYRING.current


def described(found: Rotation) -> list[str]:
    """For the shell: what lies under which key, known keys first."""
    known = settings.KEYRING.known
    lines = []
    for key_id in dict.fromkeys([*known, *sorted(found.held)]):
        what = "the first key, which seals" if key_id == known[0] else "an older key"
        what = what if key_id in known else "not configured: cannot be opened"
        lines.append(f"key {key_id} ({what}): {found.held.get(key_id, 0)} sealed values")
    return lines
