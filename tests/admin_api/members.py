"""Members of staff who call the admin API over HTTP, with session tokens as Shopify makes them."""

from __future__ import annotations

import json
import time
import uuid
import warnings
from dataclasses import dataclass
from typing import Any

import jwt
from django.conf import settings
from django.test import Client

from tenancy.models import Role, Shop, StaffMember
from tenancy.scope import scope


def session_token(shop_domain: str, user_id: int, *, secret: str | None = None, **changed: Any) -> str:
    """A session token that is good for a minute, unless `changed` says otherwise."""
    now = int(time.time())
    claims = {
        "iss": f"https://{shop_domain}/admin",
        "dest": f"https://{shop_domain}",
        "aud": settings.SHOPIFY_API_KEY,
        "sub": str(user_id),
        "exp": now + 60,
        "nbf": now,
        "iat": now,
        "jti": str(uuid.uuid4()),
        "sid": "a session",
    }
    kept = {key: value for key, value in {**claims, **changed}.items() if value is not None}
    with warnings.catch_warnings():
        # The secret's length is Shopify's choice.
        warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
        return jwt.encode(kept, secret or settings.SHOPIFY_API_SECRET, algorithm="HS256")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


@dataclass(frozen=True, slots=True)
class Member:
    """One member of staff of one shop."""

    shop: Shop
    user_id: int

    def ask(self, path: str) -> Answer:
        return self.send("GET", path)

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        token = session_token(self.shop.domain, self.user_id)
        return call(method, path, body, token=token)


def call(method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str) -> Answer:
    """One request to the app, as the browser sends it; `body` is sent as JSON unless it is bytes already."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = {"Authorization": f"Bearer {token}"} if token is not None else {}
    content_type = headers.pop("content_type", "application/json")
    response = Client(raise_request_exception=False).generic(
        method, f"/api/{path}", data, content_type=content_type, headers={**given, **headers}
    )
    is_json = response.headers.get("Content-Type", "application/json").startswith("application/json")
    found = json.loads(response.content or b"null") if is_json else response.content.decode()
    return Answer(response.status_code, dict(response.headers), found)


def hire(shop: Shop, user_id: int, role: Role) -> Member:
    with scope(shop):
        StaffMember.objects.create(shop=shop, user_id=user_id, role=role, first_seen_at=shop.installed_at)
    return Member(shop, user_id)
