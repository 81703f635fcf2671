"""A pixel without a browser: batches as extensions/pixel sends them, to the collector of this process."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from storefront_proxy import arrivals, visitors
from tests.mlops.builders import NOON

PERSON = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
YES = {"analytics": True, "preferences": True}
NO_PREFERENCES = {"analytics": True, "preferences": False}
NO = {"analytics": False, "preferences": False}


def happened(kind: str = "page_viewed", *, at: int | None = None, **more: Any) -> dict[str, Any]:
    """One event; `at` in milliseconds, by default now."""
    return {"id": f"sh-{uuid.uuid4()}", "kind": kind, "at": now_ms() if at is None else at, **more}


def now_ms() -> int:
    return int(time.time() * 1000)


class Pixel:
    """One browser on one shop's pages."""

    def __init__(self, domain: str, *, agent: str = PERSON, visitor: str | None = None) -> None:
        self.domain = domain
        self.agent = agent
        self.visitor = visitor
        self.client = Client(raise_request_exception=True)

    def send(self, *events: Any, consent: Any = YES, **more: Any) -> Any:
        batch = {
            "v": 1,
            "sent_at": now_ms(),
            "visitor": self.visitor,
            "consent": consent,
            "events": list(events),
            **more,
        }
        return self.post(json.dumps(batch).encode())

    def post(self, body: bytes, *, account: str | None = None, **headers: str) -> Any:
        named = visitors.account(self.domain) if account is None else account
        return self.client.post(
            f"/collect/events?{urlencode({'account': named})}",
            data=body,
            content_type="text/plain",
            headers={"User-Agent": self.agent, **headers},
        )


def flush() -> int:
    return arrivals.flush(consumer="test", now=NOON)
