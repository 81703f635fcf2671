"""The GraphQL documents that we ship: one operation per file, the file named as the operation."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "documents"
_NAME = re.compile(r"[A-Z][A-Za-z]+")


@cache
def document(name: str) -> str:
    """The text of ``documents/<name>.graphql`` without its comments.

    Raises:
        KeyError: there is no such document.
    """
    path = FOLDER / f"{name}.graphql"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise KeyError(f"no GraphQL document {name}")
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#")).strip()


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.graphql"))
