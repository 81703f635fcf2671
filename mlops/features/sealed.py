"""Sealed files under ARTEFACT_DIR (snapshots, artefacts), named by the SHA-256 of their content. Never changed."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from django.conf import settings

from tenancy.crypto import CannotOpen


class FileUnusable(RuntimeError):
    """The file is missing, was altered, or was sealed with a key that is not configured."""


def keep(shop_id: int, digest: str, content: bytes, *, kind: str) -> Path:
    """Write the sealed content, whole or not at all; a file that is there already is left alone if it opens."""
    path = path_of(shop_id, digest, kind=kind)
    if path.exists():
        try:
            if read(shop_id, digest, kind=kind) == content:
                return path
        except FileUnusable:
            pass  # damaged: written anew below
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    near = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with near.open("wb") as out:
        out.write(settings.KEYRING.seal(content, context=_context(shop_id, digest, kind)))
        out.flush()
        os.fsync(out.fileno())
    near.replace(path)
    return path


def read(shop_id: int, digest: str, *, kind: str) -> bytes:
    """The content.

    Raises:
        FileUnusable: it cannot be read or opened; the message names the file.
    """
    path = path_of(shop_id, digest, kind=kind)
    try:
        return settings.KEYRING.open(path.read_bytes(), context=_context(shop_id, digest, kind))
    except (OSError, CannotOpen) as error:
        raise FileUnusable(f"{path}: {error}") from error


def folder_of(shop_id: int) -> Path:
    """Where everything of a shop lies."""
    return Path(settings.ARTEFACT_DIR) / str(shop_id)


def path_of(shop_id: int, digest: str, *, kind: str) -> Path:
    return Path(settings.ARTEFACT_DIR) / str(shop_id) / kind / f"{digest}.sealed"


def _context(shop_id: int, digest: str, kind: str) -> str:
    return f"{kind}:{shop_id}:{digest}"


def forget(shop_id: int) -> None:
    """Remove every file of a shop."""
    shutil.rmtree(Path(settings.ARTEFACT_DIR) / str(shop_id), ignore_errors=True)
