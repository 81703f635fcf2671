"""Strict readers of environment variables: a value that is not understood stops the start.

Any variable NAME may instead be given as NAME_FILE, a path whose content is the value (for mounted secrets).
"""

from __future__ import annotations

import os
from pathlib import Path


class BadSetting(RuntimeError):
    """An environment variable is missing or not understood; the message names it."""


def text(name: str, default: str | None = None) -> str:
    """The variable's value.

    Raises:
        BadSetting: it is not set and has no default, or its _FILE cannot be read.
    """
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadSetting(f"{name}_FILE={path} cannot be read: {error.strerror}") from error
    found = os.environ.get(name, default)
    if found is None:
        raise BadSetting(f"set the environment variable {name} (or {name}_FILE)")
    return found


def flag(name: str, *, default: bool) -> bool:
    found = text(name, "1" if default else "0").lower()
    if found in ("1", "true", "yes", "on"):
        return True
    if found in ("0", "false", "no", "off", ""):
        return False
    raise BadSetting(f"{name}={found!r} is not a yes or no: use 1 or 0")


def whole(name: str, *, default: int, lowest: int, highest: int) -> int:
    found = text(name, str(default))
    try:
        number = int(found)
    except ValueError:
        raise BadSetting(f"{name}={found!r} is not a whole number") from None
    if not lowest <= number <= highest:
        raise BadSetting(f"{name}={number} is outside {lowest} to {highest}")
    return number


def origin(name: str, default: str | None = None) -> str:
    """An http(s) origin without a trailing slash."""
    found = text(name, default).rstrip("/")
    if not found.startswith(("https://", "http://")):
        raise BadSetting(f"{name}={found!r} must begin with https:// or http://")
    return found
