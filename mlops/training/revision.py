"""Which code trained a version."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from django.conf import settings


def code_revision() -> str:
    """CODE_REVISION, else the commit of the working tree; empty when neither is known."""
    if settings.CODE_REVISION:
        return str(settings.CODE_REVISION)
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()


def lock_hash() -> str:
    """SHA-256 of the lock file: which libraries trained a version; empty when it is not there."""
    path = Path(settings.BASE_DIR) / "requirements.lock"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
