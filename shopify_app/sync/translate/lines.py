"""One line of a bulk result to the object in it, strictly. Pure.

Errors name the fault and never repeat the content, which may hold a stranger's words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import orjson

from shopify_app.sync.translate.values import Untranslatable, number

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Kin:
    """What a resource's lines are.

    Args:
        root: Shopify's type of the objects that stand at the top.
        child: type of what hangs below them; empty when nothing does.
    """

    root: str
    child: str = ""
    root_gid: str = field(init=False)
    child_gid: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "root_gid", f"gid://shopify/{self.root}/")
        object.__setattr__(self, "child_gid", f"gid://shopify/{self.child}/")


def read(line: bytes) -> tuple[dict[str, Any], bytes]:
    """The object of one line, and the same object as compact JSON.

    Raises:
        Untranslatable: not UTF-8, not JSON, not an object, or a key told twice with the two values in doubt.
    """
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise Untranslatable(_why_not_json(line)) from None
    if not isinstance(row, dict):
        raise Untranslatable("the line is not an object")
    try:
        compact = orjson.dumps(row)
    except orjson.JSONEncodeError:
        raise Untranslatable("the line is nested too deeply") from None
    # A key that is told twice comes out once. Shopify writes compactly, so all other lines keep their length.
    if len(compact) != len(line):
        _refuse_twice_told(line)
    return row, compact


def kinship(row: dict[str, Any], kin: Kin) -> tuple[int, int | None]:
    """The id of the line's object, and that of its parent; None for a root.

    Raises:
        Untranslatable: an id is missing or is not one, or either object is of another kind than this file holds.
    """
    own, above = row.get("id"), row.get("__parentId")
    if above is None and "__parentId" not in row:
        if not _is_a(own, kin.root_gid):
            raise Untranslatable(_stranger(own, kin) or "field id is not an id")
        return number(own, "id"), None
    if not kin.child or not _is_a(own, kin.child_gid):
        raise Untranslatable(_stranger(own, kin) or "field id is not an id")
    if not _is_a(above, kin.root_gid):
        told = (
            "is of another kind" if isinstance(above, str) and above.startswith("gid://") else "is not an id"
        )
        raise Untranslatable(f"the parent {told}")
    return number(own, "id"), number(above, "__parentId")


def _is_a(gid: Any, prefix: str) -> bool:
    return isinstance(gid, str) and gid.startswith(prefix)


def _stranger(gid: Any, kin: Kin) -> str:
    if _is_a(gid, kin.root_gid) or (kin.child and _is_a(gid, kin.child_gid)):
        return "the line has no parent" if kin.child and _is_a(gid, kin.child_gid) else "a root has a parent"
    known = isinstance(gid, str) and gid.startswith("gid://shopify/")
    return "the object is of another kind than this export holds" if known else ""


def _why_not_json(line: bytes) -> str:
    try:
        line.decode()
    except UnicodeDecodeError:
        return "the line is not UTF-8"
    if line.startswith(b"{") and not line.rstrip().endswith(b"}"):
        return "the line is cut off"
    return "the line is not JSON"


def _refuse_twice_told(line: bytes) -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Untranslatable("a key is told twice")
        return found

    try:
        json.loads(line, object_pairs_hook=once)
    except Untranslatable:
        raise
    except (ValueError, RecursionError):
        raise Untranslatable("the line is not JSON") from None
