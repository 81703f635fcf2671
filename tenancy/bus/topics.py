"""The register of topics: their consumer groups and how much may wait in them. Each is declared by the room that owns it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tenancy.errors import Bug

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Topic:
    """One kind of message.

    Args:
        groups: who consumes it. A message leaves the topic when all of them are done with it.
        most: unprocessed messages of the slowest group; at this number publishing is refused.
        largest: bytes of one message, names and values together. `most * largest` bounds the memory it can take.
    """

    name: str
    groups: tuple[str, ...]
    most: int = 1_000_000
    largest: int = 8_192


_declared: dict[str, Topic] = {}


def declare(topic: Topic) -> Topic:
    """Make a topic known to this process. Declaring the same again is harmless.

    Raises:
        Bug: the names are not `[a-z][a-z0-9_-]*`, it has no group, or another topic has the name.
    """
    if not topic.groups or not all(_NAME.fullmatch(name) for name in (topic.name, *topic.groups)):
        raise Bug(f"{topic!r} has a name that cannot be used, or no consumer group")
    if _declared.setdefault(topic.name, topic) != topic:
        raise Bug(f"the topic {topic.name!r} was declared before, otherwise")
    return topic


def named(name: str) -> Topic:
    """
    Raises:
        Bug: no room has declared it.
    """
    try:
        return _declared[name]
    except KeyError:
        raise Bug(f"no topic is called {name!r}; known are: {', '.join(_declared) or 'none'}") from None


def every() -> tuple[Topic, ...]:
    """All declared ones, by name."""
    return tuple(_declared[name] for name in sorted(_declared))
