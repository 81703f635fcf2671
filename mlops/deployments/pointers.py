"""The Redis copy of the slots: what the storefront path reads instead of Postgres."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from mlops.features.events import SlotName
from tenancy.redis import client, key

# Present in a shop's hash from the first publication on, so that "nothing deployed" and "Redis lost it" differ.
_PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Pointer:
    """The version that a slot serves.

    Args:
        revision: grows with every change of the slot; a lower one never replaces a higher one.
    """

    revision: int
    version_id: int
    number: int
    digest: str


# Two publishers may overtake each other between their commit and this call.
_SET_IF_NEWER = """
local held = redis.call('hget', KEYS[1], ARGV[1])
if held and cjson.decode(held).revision > tonumber(ARGV[2]) then return 0 end
redis.call('hset', KEYS[1], ARGV[1], ARGV[3], ARGV[4], '1')
return 1
"""


def publish(shop_id: int, slot: SlotName, pointer: Pointer) -> None:
    packed = json.dumps(asdict(pointer))
    client().eval(_SET_IF_NEWER, 1, _key(shop_id), slot.value, pointer.revision, packed, _PUBLISHED)


def mark_published(shop_id: int) -> None:
    client().hset(_key(shop_id), _PUBLISHED, "1")


def read(shop_id: int) -> dict[SlotName, Pointer] | None:
    """Pointers by slot; None when Redis holds nothing of this shop."""
    stored: Any = client().hgetall(_key(shop_id))
    if not stored:
        return None
    return {
        SlotName(name.decode()): Pointer(**json.loads(packed))
        for name, packed in stored.items()
        if name.decode() != _PUBLISHED
    }


def forget(shop_id: int) -> None:
    client().delete(_key(shop_id))


def _key(shop_id: int) -> str:
    return key("slots", shop_id)
