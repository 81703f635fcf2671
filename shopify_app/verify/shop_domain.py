"""The one rule by which text becomes a shop's identity."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

# Anchored at both ends by fullmatch: `x.myshopify.com.evil.tld` and a trailing newline do not pass.
_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")


def shop_domain(text: str | None) -> str | None:
    """The permanent domain in lower case, or None when `text` is anything but a bare ``name.myshopify.com``."""
    if text is None or not text.isascii():
        return None
    lowered = text.lower()
    return lowered if _DOMAIN.fullmatch(lowered) else None


def claimed_shop(raw_query: str) -> str | None:
    """The one shop that an unsigned query names; None when it names none, several, or no shop's address.

    A claim is good for choosing where a browser is sent and who may frame a page without content. It never opens data.
    """
    try:
        named = parse_qs(raw_query, keep_blank_values=True).get("shop", [])
    except ValueError:
        return None
    return shop_domain(named[0]) if len(named) == 1 else None
