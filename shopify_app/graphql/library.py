"""The GraphQL documents that we ship: one operation per file, the file named as the operation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from shopify_app.graphql.picks import MARK, Pick, with_picks

FOLDER = Path(__file__).parent / "documents"
_NAME = re.compile(r"[A-Z][A-Za-z]+")


def document(name: str, picks: Sequence[Pick] = ()) -> str:
    """The text of ``documents/<name>.graphql`` without its comments, with these metafields at its marks.

    Raises:
        KeyError: there is no such document.
    """
    lines = with_picks(_text(name), picks).splitlines()
    return "\n".join(line for line in lines if line.strip()).strip()


@cache
def takes_picks(name: str) -> bool:
    """True when the document asks for chosen metafields."""
    return MARK.search(_text(name)) is not None


@cache
def _text(name: str) -> str:
    path = FOLDER / f"{name}.graphql"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise KeyError(f"no GraphQL document {name}")
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#") or MARK.fullmatch(line))


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.graphql"))
