"""Lines of a bulk result that are left out: counted, and the first of them kept to look at.

What is kept shows the form of a line and no one's words: ids, times, short numbers and the names of our own query stay,
every other word becomes `x`. Numbers of customers are blotted out too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from shopify_app.graphql.library import document

MOST_KEPT = 100
SHOWN_CHARACTERS = 300
_WORDS = re.compile(
    r"gid://shopify/(?P<kind>[A-Za-z]{2,40})/(?P<id>[0-9]{1,20})"
    r"|(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,15}Z?)|(?P<digits>[0-9]+)|(?P<word>\w+)"
)
_OWN = frozenset({"gid", "shopify", "__parentId", "parentId", "null", "true", "false", "NaN", "Infinity"})
# Prices and units are shorter, telephone numbers longer.
LONGEST_NUMBER = 6
LONGEST_WORD = 12


@dataclass(frozen=True, slots=True)
class Refusal:
    """One line that was left out.

    Args:
        line: its number in the file, from 1.
        reason: what is wrong, without the content.
        row: its beginning, made impersonal.
        left_out: lines that go with it, itself included.
        subject: gid of the object that did not arrive, where that is known.
    """

    line: int
    reason: str
    row: str
    left_out: int = 1
    subject: str = ""


def shown(content: bytes | str, *, document_name: str) -> str:
    """The beginning of a line with nobody's words in it. Safe for any bytes."""
    text = content.decode(errors="replace") if isinstance(content, bytes) else content
    ours = _vocabulary(document_name)

    def blot(found: re.Match[str]) -> str:
        if kind := found["kind"]:
            return f"gid://shopify/{kind}/{'…' if kind == 'Customer' else found['id']}"
        if time := found["time"]:
            return time
        if digits := found["digits"]:
            return digits if len(digits) <= LONGEST_NUMBER else "9" * LONGEST_NUMBER
        word = found["word"]
        return word if word in ours else "x" * min(len(word), LONGEST_WORD)

    told = _WORDS.sub(blot, text[: 2 * SHOWN_CHARACTERS])
    return "".join(each if each.isprintable() else "�" for each in told[:SHOWN_CHARACTERS])


def kept(earlier: Iterable[Any], new: Iterable[Refusal]) -> list[Any]:
    """The first refusals of a run, as JSON."""
    found = list(earlier)
    for each in new:
        if len(found) >= MOST_KEPT:
            break
        found.append(asdict(each))
    return found


@cache
def _vocabulary(document_name: str) -> frozenset[str]:
    return _OWN | frozenset(re.findall(r"\w+", document(document_name)))
