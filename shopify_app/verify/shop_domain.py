"""The one rule by which text becomes a shop's identity."""

from __future__ import annotations

import re

# Anchored at both ends by fullmatch: `x.myshopify.com.evil.tld` and a trailing newline do not pass.
_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")


def shop_domain(text: str | None) -> str | None:
    """The permanent domain in lower case, or None when `text` is anything but a bare ``name.myshopify.com``."""
    if text is None or not text.isascii():
        return None
    lowered = text.lower()
    return lowered if _DOMAIN.fullmatch(lowered) else None
