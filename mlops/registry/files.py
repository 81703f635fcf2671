"""Sealed files under ARTEFACT_DIR, named by the SHA-256 of what is in them. Written once, never changed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.conf import settings

from tenancy.crypto import CannotOpen


class FileUnusable(RuntimeError):
    """The file is missing, was altered, or was sealed with a key that is not configured."""


def keep(shop_id: int, digest: str, content: bytes) -> Path:
    """Write the sealed content, whole or not at all; a file that is there already is left alone if it opens."""
    path = path_of(shop_id, digest)
    if path.exists():
        try:
            if read(shop_id, digest) == content:
                return path
        except FileUnusable:
            pass  # damaged: written anew below
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    near = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with near.open("wb") as out:
        out.write(settings.KEYRING.seal(content, context=_context(shop_id, digest)))
        out.flush()
        os.fsync(out.fileno())
    near.replace(path)
    return path


def read(shop_id: int, digest: str) -> bytes:
    """The content.

    Raises:
        FileUnusable: it cannot be read or opened; the message names the file.
    """
    path = path_of(shop_id, digest)
    try:
        return settings.KEYRING.open(path.read_bytes(), context=_context(shop_id, digest))
    except (OSError, CannotOpen) as error:
        raise FileUnusable(f"{path}: {error}") from error


def path_of(shop_id: int, digest: str) -> Path:
    return Path(settings.ARTEFACT_DIR) / str(shop_id) / f"{digest}.sealed"


def _context(shop_id: int, digest: str) -> str:
    return f"artefact:{shop_id}:{digest}"
