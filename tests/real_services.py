"""Loaded by pytest before Django: real Postgres and Valkey for the tests, and no way out of this machine."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path
from typing import Any

from tenancy.embedded import Embedded, default_folder

os.environ.setdefault("SHELFWISE_LOCAL", "1")
os.environ.setdefault("LOG_LEVEL", "WARNING")
# The test database is kept between runs and belongs to one set of migrations; other migrations get another.
_root = Path(__file__).resolve().parent.parent
_migrations = [
    p
    for room in ("tenancy", "mlops", "shopify_app")
    for p in sorted((_root / room).rglob("migrations/0*.py"))
]
_digest = hashlib.sha256(b"shelfwise".join(path.read_bytes() for path in _migrations)).hexdigest()
os.environ.setdefault("TEST_DATABASE", f"test_{_digest[:12]}")
os.environ["REDIS_PREFIX"] = "test"  # never the keys of a demo that runs beside the tests
os.environ.setdefault(
    "SHOPIFY_SHOP_ORIGIN", "http://127.0.0.1:9"
)  # tests that need the local Shopify name its port
os.environ["ARTEFACT_DIR"] = str(default_folder() / "test-artefacts")

# WhiteNoise warns when its folder is missing, and here a warning is an error.
(default_folder() / "static").mkdir(parents=True, exist_ok=True)

if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
    Embedded(default_folder()).start()

_connect = socket.socket.connect


def _connect_here_only(self: socket.socket, address: Any) -> None:
    if self.family != socket.AF_UNIX and str(address[0]) not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"a test tried to leave this machine: {address}")
    _connect(self, address)


socket.socket.connect = _connect_here_only  # type: ignore[method-assign,assignment]
