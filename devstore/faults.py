"""How the local Shopify misbehaves on request: slow, failing, dropping, doubling, late, out of order.

A document of faults is checked as a whole before anything changes, so a misspelt switch is refused, never ignored.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from random import Random
from typing import Any

from devstore.bulk_corruption import SPOILS, WHOLE_FILES


class FaultError(ValueError):
    """A switch does not exist or its value makes no sense; the message says which."""


@dataclass(frozen=True)
class ApiFaults:
    """Of the Admin API. Rates are probabilities per request, `slow_s` seconds added to each.

    `bucket` and `restore_rate` are the query points of the shop's plan (Standard: 2000, 100 a second).
    """

    slow_s: float = 0.0
    error_rate: float = 0.0
    throttle_rate: float = 0.0
    bucket: float = 2000.0
    restore_rate: float = 100.0


@dataclass(frozen=True)
class WebhookFaults:
    """Of deliveries. `drop`, `double`, `delay_rate` and `reorder` are probabilities per delivery.

    A delayed delivery waits `delay_s`; a reordered one waits up to `reorder_window_s`, so that later ones pass it.
    Retry n waits `retry_base_s * 2**(n-1)`: with Shopify's 8 retries, 56.5 s would spread them over its 4 hours. The
    default keeps a developer from waiting. `new_headers` sends the `shopify-*` headers of Events instead of
    `X-Shopify-*`.
    """

    drop: float = 0.0
    double: float = 0.0
    delay_s: float = 0.0
    delay_rate: float = 0.0
    reorder: float = 0.0
    reorder_window_s: float = 1.0
    retry_base_s: float = 2.0
    new_headers: bool = False


@dataclass(frozen=True)
class BulkFaults:
    """Of bulk operations. `fail_at_line` and `rows_per_s` are off when None; `expire` makes the result URL 403.

    `cut_at_line` ends the file there, amid the next line, while the operation says that all was written. `corrupt`
    names lines of the file by number (from 1) and how each is spoilt, `file` what is served in place of the file; the
    words are those of `bulk_corruption`. `only` narrows all of these to the operations of one top-level field.
    """

    fail_at_line: int | None = None
    rows_per_s: float | None = None
    expire: bool = False
    cut_at_line: int | None = None
    corrupt: Mapping[str, str] = field(default_factory=dict)
    file: str | None = None
    only: str | None = None


@dataclass(frozen=True)
class TokenLifetimes:
    """Seconds that each kind of token lives, as Shopify has them.

    `refresh_retry`: a used refresh token may be used again until its replacement is used (Shopify since 2026-08-28);
    off by default, so that an app that refreshes twice at once is found out.
    """

    offline_expires_in: float = 3600
    refresh_expires_in: float = 7_776_000
    online_expires_in: float = 86_399
    client_credentials_expires_in: float = 86_399
    session_token_expires_in: float = 60
    refresh_retry: bool = False


@dataclass(frozen=True)
class Faults:
    api: ApiFaults = ApiFaults()
    webhooks: WebhookFaults = WebhookFaults()
    bulk: BulkFaults = BulkFaults()
    tokens: TokenLifetimes = TokenLifetimes()
    seed: int = 1

    def merged(self, document: Mapping[str, Any]) -> Faults:
        """These faults with those of `document` changed; sections and switches left out stay. Raises FaultError."""
        changed: dict[str, Any] = {}
        for key, value in document.items():
            if key == "seed":
                if isinstance(value, bool) or not isinstance(value, int):
                    raise FaultError("seed must be a whole number")
                changed["seed"] = value
            elif key in _SECTIONS:
                changed[key] = _merged_section(key, getattr(self, key), value)
            else:
                raise FaultError(f"unknown section {key!r}; there are {', '.join(_SECTIONS)} and seed")
        return replace(self, **changed)

    def document(self) -> dict[str, Any]:
        return asdict(self)


_SECTIONS = ("api", "webhooks", "bulk", "tokens")
_RATES = {"error_rate", "throttle_rate", "drop", "double", "delay_rate", "reorder"}


_TEXTS: dict[str, tuple[str, ...]] = {"file": tuple(WHOLE_FILES), "only": ()}


def _one_of(words: tuple[str, ...]) -> str:
    return f", one of {', '.join(words)}" if words else ""


def _lines(where: str, value: Any) -> dict[str, str]:
    """Line numbers, which JSON spells as texts, with the word for how each is spoilt."""
    if not isinstance(value, Mapping):
        raise FaultError(f"{where} must be an object of line numbers")
    for line, word in value.items():
        if not (isinstance(line, str) and line.isascii() and line.isdigit() and int(line) > 0):
            raise FaultError(f"{where} must name lines by number, from 1")
        if word not in SPOILS:
            raise FaultError(f"{where} must spoil a line in a known way{_one_of(tuple(SPOILS))}")
    return dict(value)


def _merged_section(name: str, section: Any, values: Any) -> Any:
    if not isinstance(values, Mapping):
        raise FaultError(f"{name} must be an object")
    known = {each.name: str(each.type) for each in fields(section)}
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise FaultError(f"unknown switch {name}.{key}; there are {', '.join(known)}")
        checked[key] = _checked(f"{name}.{key}", key, known[key], value)
    return replace(section, **checked)


def _checked(where: str, key: str, kind: str, value: Any) -> Any:
    if value is None and "None" in kind:
        return None
    if key in _TEXTS:
        if not isinstance(value, str) or (_TEXTS[key] and value not in _TEXTS[key]):
            raise FaultError(f"{where} must be a text{_one_of(_TEXTS[key])}")
        return value
    if key == "corrupt":
        return _lines(where, value)
    if kind == "bool":
        if not isinstance(value, bool):
            raise FaultError(f"{where} must be true or false")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FaultError(f"{where} must be a number")
    if not 0 <= value <= (1 if key in _RATES else 1e9):
        raise FaultError(f"{where} must be {'between 0 and 1' if key in _RATES else 'at least 0'}")
    if kind.startswith("int") and value != int(value):
        raise FaultError(f"{where} must be a whole number")
    return int(value) if kind.startswith("int") else value


class Dice:
    """Seeded chances, safe to share between threads: the same seed and the same calls give the same faults."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._lock = threading.Lock()

    def chance(self, rate: float) -> bool:
        """True with this probability. Draws only when the rate is above 0, so that other switches keep their series."""
        if rate <= 0:
            return False
        with self._lock:
            return self._random.random() < rate

    def upto(self, limit: float) -> float:
        with self._lock:
            return self._random.random() * limit
