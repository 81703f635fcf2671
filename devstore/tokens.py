"""Session tokens, access tokens and refresh tokens, with Shopify's lifetimes and rotation."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import sqlite3
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlencode

from devstore.faults import TokenLifetimes
from devstore.ledger import Ledger
from devstore.topics import expand_scopes

CLOCK_SKEW_S = 10


class InvalidSessionTokenError(ValueError):
    """The session token is forged, stale, or for another app or shop; the message says which."""


class InvalidGrantError(ValueError):
    """The refresh token cannot be used: unknown, used before, expired, or revoked by an uninstall."""


class TokenKind(StrEnum):
    OFFLINE = "offline"
    OFFLINE_EXPIRING = "offline_expiring"
    ONLINE = "online"
    CLIENT_CREDENTIALS = "client_credentials"


@dataclass(frozen=True)
class Access:
    """What one access token allows. `scopes` hold what they imply; `expires_at` is unix seconds or None: never."""

    token: str
    shop: str
    kind: TokenKind
    scopes: frozenset[str]
    staff_id: int | None
    expires_at: float | None


@dataclass(frozen=True)
class OfflineGrant:
    """An offline token and, when it expires, the refresh token that replaces it. Lifetimes in seconds."""

    access: Access
    expires_in: int | None = None
    refresh_token: str | None = None
    refresh_token_expires_in: int | None = None


def mint_session_token(
    *, client_id: str, client_secret: str, shop: str, staff_id: int, now: float, life_s: float = 60
) -> str:
    """The HS256 id token that App Bridge would hand to the app for this staff member."""
    issued = int(now)
    claims = {
        "iss": f"https://{shop}/admin",
        "dest": f"https://{shop}",
        "aud": client_id,
        "sub": str(staff_id),
        "exp": issued + int(life_s),
        "nbf": issued,
        "iat": issued,
        "jti": str(uuid.uuid4()),
        "sid": staff_session_id(client_id, shop, staff_id),
    }
    head = _part(b'{"alg":"HS256","typ":"JWT"}')
    signed = head + b"." + _part(json.dumps(claims, separators=(",", ":")).encode())
    return (signed + b"." + _part(_digest(client_secret, signed))).decode()


def staff_session_id(client_id: str, shop: str, staff_id: int) -> str:
    """One per staff member and app, stable between tokens."""
    return hashlib.sha256(f"{client_id}/{shop}/{staff_id}".encode()).hexdigest()


def read_session_token(token: str, *, client_id: str, client_secret: str, shop: str, now: float) -> int:
    """The staff id of a genuine session token for this app and shop. Raises InvalidSessionTokenError."""
    try:
        signed, _, signature = token.encode("ascii").rpartition(b".")
        head, _, payload = signed.partition(b".")
        genuine = hmac.compare_digest(_part(_digest(client_secret, signed)), signature)
        if not genuine or json.loads(_unpart(head)).get("alg") != "HS256":
            raise ValueError("not signed by this app's secret")
        claims = json.loads(_unpart(payload))
        expires, starts, staff = int(claims["exp"]), int(claims["nbf"]), int(claims["sub"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InvalidSessionTokenError("the session token cannot be read or its signature is wrong") from None
    if claims.get("aud") != client_id:
        raise InvalidSessionTokenError("the session token is for another app")
    if claims.get("dest") != f"https://{shop}" or claims.get("iss") != f"https://{shop}/admin":
        raise InvalidSessionTokenError("the session token is for another shop")
    if now >= expires + CLOCK_SKEW_S:
        raise InvalidSessionTokenError("the session token has expired")
    if now < starts - CLOCK_SKEW_S:
        raise InvalidSessionTokenError("the session token is not valid yet")
    return staff


def _part(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _unpart(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def _digest(secret: str, message: bytes) -> bytes:
    return hmac.new(secret.encode(), message, hashlib.sha256).digest()


def hmac_hex(secret: str, message: bytes) -> str:
    return _digest(secret, message).hex()


def query_message(parameters: Mapping[str, str]) -> str:
    """What the `hmac` of an OAuth or embedded request signs: sorted `key=value` joined with `&`, a space as %20."""
    return urlencode(sorted(parameters.items()), quote_via=quote)


def constant_time_equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


class TokenBook:
    """Every access token that was given out. Reads come from memory; changes are written through."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._live: dict[str, Access] = {}
        for row in ledger.rows("SELECT * FROM tokens WHERE revoked_at IS NULL"):
            self._live[row["access_token"]] = Access(
                row["access_token"],
                row["shop"],
                TokenKind(row["kind"]),
                frozenset(row["scopes"].split(",")) - {""},
                row["staff_id"],
                row["expires_at"],
            )

    def find(self, token: str, now: float) -> Access | None:
        """The access of a token that is known, not revoked and not expired."""
        access = self._live.get(token)
        if access is None or (access.expires_at is not None and now >= access.expires_at):
            return None
        return access

    def issue(
        self,
        shop: str,
        kind: TokenKind,
        scopes: frozenset[str],
        *,
        now: float,
        life_s: float,
        staff_id: int | None = None,
    ) -> Access:
        """A new online or client-credentials token; others of its kind stay valid."""
        with self._lock, self._ledger.transaction() as tx:
            return self._add(tx, shop, kind, scopes, now, now + life_s, staff_id)

    def issue_offline(
        self, shop: str, scopes: frozenset[str], *, expiring: bool, now: float, lifetimes: TokenLifetimes
    ) -> OfflineGrant:
        """A new offline token. A new expiring one ends all expiring ones of the shop: Shopify keeps one alive."""
        with self._lock, self._ledger.transaction() as tx:
            if not expiring:
                return OfflineGrant(self._add(tx, shop, TokenKind.OFFLINE, scopes, now, None, None))
            tx.execute(
                "UPDATE refresh_tokens SET retired_at = ? WHERE shop = ? AND retired_at IS NULL", (now, shop)
            )
            return self._expiring(tx, shop, scopes, now, lifetimes)

    def upgrade(self, old: Access, *, now: float, lifetimes: TokenLifetimes) -> OfflineGrant:
        """Change a non-expiring offline token for an expiring one; the old token dies."""
        grant = self.issue_offline(old.shop, old.scopes, expiring=True, now=now, lifetimes=lifetimes)
        with self._lock, self._ledger.transaction() as tx:
            self._revoke(tx, [old], now)
        return grant

    def refresh(
        self, shop: str, refresh_token: str, scopes: frozenset[str], *, now: float, lifetimes: TokenLifetimes
    ) -> OfflineGrant:
        """A new pair, with these scopes, for a refresh token, which is used up by this. Raises InvalidGrantError."""
        with self._lock, self._ledger.transaction() as tx:
            row = self._refresh_row(tx, shop, refresh_token)
            if row is None or row["retired_at"] is not None or now >= row["expires_at"]:
                raise InvalidGrantError("the refresh token is unknown, expired or revoked")
            if row["replaced_by"] is not None:
                successor = self._refresh_row(tx, shop, row["replaced_by"])
                unused = (
                    successor is not None and not successor["replaced_by"] and successor["retired_at"] is None
                )
                if not (lifetimes.refresh_retry and unused):
                    raise InvalidGrantError("the refresh token was used before")
                tx.execute(
                    "UPDATE refresh_tokens SET retired_at = ? WHERE refresh_token = ?",
                    (now, row["replaced_by"]),
                )
            tx.execute("UPDATE refresh_tokens SET retired_at = ? WHERE replaced_by = ?", (now, refresh_token))
            grant = self._expiring(tx, shop, scopes, now, lifetimes)
            tx.execute(
                "UPDATE refresh_tokens SET replaced_by = ? WHERE refresh_token = ?",
                (grant.refresh_token, refresh_token),
            )
            return grant

    def revoke_all(self, shop: str, now: float) -> None:
        """End every token of the shop at once, as an uninstall does."""
        with self._lock, self._ledger.transaction() as tx:
            self._revoke(tx, [access for access in self._live.values() if access.shop == shop], now)
            tx.execute(
                "UPDATE refresh_tokens SET retired_at = ? WHERE shop = ? AND retired_at IS NULL", (now, shop)
            )

    def _expiring(
        self, tx: sqlite3.Connection, shop: str, scopes: frozenset[str], now: float, lifetimes: TokenLifetimes
    ) -> OfflineGrant:
        self._revoke(
            tx,
            [a for a in self._live.values() if a.shop == shop and a.kind is TokenKind.OFFLINE_EXPIRING],
            now,
        )
        access = self._add(
            tx, shop, TokenKind.OFFLINE_EXPIRING, scopes, now, now + lifetimes.offline_expires_in, None
        )
        refresh_token = "shprt_" + secrets.token_hex(16)
        tx.execute(
            "INSERT INTO refresh_tokens VALUES (?, ?, ?, NULL, NULL)",
            (refresh_token, shop, now + lifetimes.refresh_expires_in),
        )
        return OfflineGrant(
            access, int(lifetimes.offline_expires_in), refresh_token, int(lifetimes.refresh_expires_in)
        )

    def _add(
        self,
        tx: sqlite3.Connection,
        shop: str,
        kind: TokenKind,
        scopes: frozenset[str],
        now: float,
        expires_at: float | None,
        staff_id: int | None,
    ) -> Access:
        prefix = "shpua_" if kind is TokenKind.ONLINE else "shpat_"
        access = Access(
            prefix + secrets.token_hex(16), shop, kind, expand_scopes(scopes), staff_id, expires_at
        )
        tx.execute(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
            (access.token, shop, kind.value, ",".join(sorted(access.scopes)), staff_id, now, expires_at),
        )
        self._live[access.token] = access
        return access

    def _revoke(self, tx: sqlite3.Connection, accesses: list[Access], now: float) -> None:
        for access in accesses:
            tx.execute("UPDATE tokens SET revoked_at = ? WHERE access_token = ?", (now, access.token))
            self._live.pop(access.token, None)

    @staticmethod
    def _refresh_row(tx: sqlite3.Connection, shop: str, refresh_token: str) -> Any:
        return tx.execute(
            "SELECT * FROM refresh_tokens WHERE refresh_token = ? AND shop = ?", (refresh_token, shop)
        ).fetchone()
