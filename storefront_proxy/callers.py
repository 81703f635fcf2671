"""Who sends a request, as far as its headers tell: a person's browser, a crawler, a browser without a person."""

from __future__ import annotations

import functools
import re

from crawleruseragents import CRAWLER_USER_AGENTS_DATA, is_crawler
from django.conf import settings
from django.http import HttpRequest

from mlops.features.storefront import Exclusion

LONGEST_AGENT = 512
_HEADLESS = ("HeadlessChrome", "PhantomJS", "Electron/", "jsdom/")


def exclusion(request: HttpRequest, *, by_script: bool = False) -> Exclusion | None:
    """Why this caller does not count; None when nothing speaks against a person.

    Args:
        by_script: the request can only come from a script in a page, as the pixel's do. Elsewhere a shop's own server
            may ask for a shopper, so a plain HTTP library is no crawler.
    """
    return _judged(request.META.get("HTTP_USER_AGENT", "")[:LONGEST_AGENT], by_script)


@functools.lru_cache(maxsize=4096)
def _judged(agent: str, by_script: bool) -> Exclusion | None:
    if any(name in agent for name in _HEADLESS):
        return None if settings.COUNT_HEADLESS else Exclusion.HEADLESS
    if by_script and "Mozilla/" not in agent:
        return Exclusion.BOT
    if not is_crawler(agent):
        return None
    return Exclusion.BOT if by_script or not _only_library(agent) else None


def _only_library(agent: str) -> bool:
    """Whether every name in the list that fits is that of an HTTP library."""
    fitting = [each for each in CRAWLER_USER_AGENTS_DATA if re.search(each["pattern"], agent)]
    return all("http-library" in each["tags"] for each in fitting)


def warm_up() -> None:
    """Compile the patterns: 0.1 s that no first visitor should wait for."""
    is_crawler("Mozilla/5.0")


def forget() -> None:
    """Drop this process's memory of who is what."""
    _judged.cache_clear()
