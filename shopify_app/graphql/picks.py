"""Chosen metafields inside our documents: a mark in a document becomes one aliased field for each of them. Pure.

A bulk query takes no variables, so namespace and key stand in the text. They are checked against Shopify's own rules
for them before they do, which leave no room for a quote, a brace or a line break.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MARK = re.compile(r"^(?P<indent> *)# chosen metafields: (?P<owner>product|variant)$", re.MULTILINE)
ALIAS = re.compile(r"mf_([0-9]{1,18})")
# https://shopify.dev/docs/apps/build/metafields/metafield-limits; a definition's namespace may be an app's own.
_NAMESPACE = re.compile(r"(?:\$app(?::[A-Za-z0-9_-]{1,250})?|[A-Za-z0-9_-]{2,255})")
_KEY = re.compile(r"[A-Za-z0-9_-]{2,64}")


class BadName(ValueError):
    """Not a namespace or key that Shopify allows."""


@dataclass(frozen=True, slots=True)
class Pick:
    """One metafield to ask for.

    Args:
        id: names it in the answer, as the alias `mf_<id>`.
        owner: `product` or `variant`.

    Raises:
        BadName: namespace or key cannot stand in a document.
    """

    id: int
    owner: str
    namespace: str
    key: str

    def __post_init__(self) -> None:
        if not _NAMESPACE.fullmatch(self.namespace) or not _KEY.fullmatch(self.key) or self.id < 0:
            raise BadName("Shopify allows letters, digits, hyphens and underscores only")

    @property
    def field(self) -> str:
        return f'mf_{self.id}: metafield(namespace: "{self.namespace}", key: "{self.key}") {{ type value }}'


def with_picks(document: str, picks: Sequence[Pick]) -> str:
    """The document with the fields of the picks at its marks, and without marks."""

    def fields(mark: re.Match[str]) -> str:
        wanted = [each for each in picks if each.owner == mark["owner"]]
        return "\n".join(mark["indent"] + each.field for each in wanted)

    return MARK.sub(fields, document)
