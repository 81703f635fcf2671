"""What a search for one person, or for an erased shop, looks for, in every form in which it could lie somewhere. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

# A shorter number stands for many things: then only a mention that says customer counts.
LEAST_DIGITS = 8
_DIGIT, _WORD = rb"[0-9]", rb"[A-Za-z0-9_-]"


@dataclass(frozen=True, slots=True)
class Form:
    """Args:
    kind: `number`, `pseudonym`, `visitor` or `domain`, and how it is written.
    literal: bytes that must be there at all.
    pattern: what then must match: the literal, not as a part of a longer number or word.
    """

    kind: str
    literal: bytes
    pattern: re.Pattern[bytes]


@dataclass(frozen=True)
class Needles:
    """Args:
    numbers: Shopify's numbers of the customer.
    pseudonyms: theirs, and those of accounts merged into theirs.
    visitors: ids of the browsers that they used.
    domains: of an erased shop.
    """

    numbers: tuple[int, ...] = ()
    pseudonyms: tuple[int, ...] = ()
    visitors: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    @cached_property
    def forms(self) -> tuple[Form, ...]:
        found = [form for each in self.numbers for form in _of_integer("number", each)]
        found += [form for each in self.pseudonyms for form in _of_integer("pseudonym", each)]
        found += [form for each in self.visitors for form in _of_text("visitor", each.encode(), _WORD)]
        found += [form for each in self.domains for form in _of_text("domain", each.encode(), _WORD)]
        return tuple(found)

    @property
    def integers(self) -> tuple[int, ...]:
        return tuple(each for each in (*self.numbers, *self.pseudonyms) if len(str(each)) >= LEAST_DIGITS)

    @property
    def texts(self) -> tuple[str, ...]:
        """As each is usually written."""
        return (*(str(each) for each in self.integers), *self.visitors)

    def search(self, content: bytes) -> Counter[str]:
        """How often each form occurs in these bytes."""
        found: Counter[str] = Counter()
        for form in self.forms:
            # A plain search first: it is a hundred times faster, and nearly everything ends there.
            if form.literal in content:
                hits = len(form.pattern.findall(content))
                if hits:
                    found[form.kind] += hits
        return found

    def plain(self) -> bytes:
        """For sealing until the search is over."""
        return json.dumps([self.numbers, self.pseudonyms, self.visitors, self.domains]).encode()

    @classmethod
    def read(cls, plain: bytes) -> Needles:
        return cls(*(tuple(each) for each in json.loads(plain)))

    def kinds(self) -> dict[str, Any]:
        """What was looked for, without saying it."""
        return {
            "numbers": len(self.numbers), "pseudonyms": len(self.pseudonyms), "visitors": len(self.visitors),
            "domains": len(self.domains), "forms": sorted({form.kind for form in self.forms}),
        }  # fmt: skip


def _of_integer(kind: str, value: int) -> Iterator[Form]:
    digits = b"%d" % value
    if len(digits) < LEAST_DIGITS:
        mention = re.compile(rb"(?:Customer(?:/|\\/)|customer_id[\"\\ :=']{1,6})" + digits + rb"(?![0-9])")
        yield Form(f"{kind} as text", digits, mention)
        return
    yield from _of_text(kind, digits, _DIGIT)
    for name, written in (("little-endian", value.to_bytes(8, "little")), ("big-endian", value.to_bytes(8))):
        yield Form(f"{kind} as {name} bytes", written, re.compile(re.escape(written)))
        yield _literal(f"{kind} as hex of {name} bytes", written.hex().encode())


def _of_text(kind: str, value: bytes, inside: bytes) -> Iterator[Form]:
    alone = re.compile(rb"(?<!" + inside + rb")" + re.escape(value) + rb"(?!" + inside + rb")")
    yield Form(f"{kind} as text", value, alone)
    yield _literal(f"{kind} as hex", value.hex().encode())
    for part in _in_base64(value):
        yield _literal(f"{kind} in base64", part)


def _in_base64(value: bytes) -> Iterable[bytes]:
    """The characters that base64 of any longer text must hold, for each of the three places where it may begin."""
    found = set()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + value)
        first = -(-before * 8 // 6)
        last = (before + len(value)) * 8 // 6
        found.add(encoded[first:last])
    return sorted(found | {each.replace(b"+", b"-").replace(b"/", b"_") for each in found})


def _literal(kind: str, value: bytes) -> Form:
    return Form(kind, value, re.compile(re.escape(value)))
