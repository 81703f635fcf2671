"""Where the built front end lies: read from Vite's manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

MANIFEST = Path(settings.BASE_DIR) / "frontend" / "dist" / ".vite" / "manifest.json"
ENTRY = "src/main.tsx"


@dataclass(frozen=True, slots=True)
class Build:
    """Addresses under /static/. `script` is None when nothing was built."""

    script: str | None
    styles: tuple[str, ...] = ()


def build() -> Build:
    """The present build; read again when the manifest changes."""
    try:
        changed = MANIFEST.stat().st_mtime_ns
    except OSError:
        return Build(None)
    return _read(changed)


@lru_cache(maxsize=2)
def _read(changed: int) -> Build:
    try:
        entry = json.loads(MANIFEST.read_text(encoding="utf-8"))[ENTRY]
    except (OSError, ValueError, KeyError):
        return Build(None)
    static = settings.STATIC_URL
    return Build(static + entry["file"], tuple(static + each for each in entry.get("css", ())))
