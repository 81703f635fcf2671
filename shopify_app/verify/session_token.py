"""Checks of the session token (ID token) that App Bridge gives to the embedded page. Pure.

Rules: shopify.dev, "Session tokens"; the 10 seconds of skew are those of Shopify's own library.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import jwt
from jwt.algorithms import HMACAlgorithm

from shopify_app.verify.shop_domain import shop_domain

SKEW_S = 10
LONGEST_TOKEN = 4096
_USER = re.compile(r"[0-9]{1,18}")


class _ClientSecretHmac(HMACAlgorithm):
    """HS256 with a key whose length is Shopify's choice: a warning about it would help nobody here."""

    def check_key_length(self, key: bytes) -> str | None:
        return None


_JWS = jwt.PyJWS(algorithms=[])
_JWS.register_algorithm("HS256", _ClientSecretHmac(HMACAlgorithm.SHA256))


class TokenCode(StrEnum):
    """Why a session token was accepted or refused."""

    OK = "ok"
    MISSING = "missing_token"
    MALFORMED = "malformed_token"
    BAD_SIGNATURE = "bad_signature"
    BAD_CLAIMS = "bad_claims"
    WRONG_APP = "wrong_audience"
    BAD_SHOP = "bad_shop"
    EXPIRED = "expired_token"
    NOT_YET = "token_not_yet_valid"


@dataclass(frozen=True, slots=True)
class SessionVerdict:
    """The answer of `verify_session_token`; all but `ok` and `code` hold only when `ok`.

    Args:
        shop: the domain from claim `dest`, the only shop identity to use.
        user_id: Shopify's staff user id, claim `sub`.
        session_id: claim `sid`; empty when absent.
        expires_at: unix seconds.
    """

    ok: bool
    code: TokenCode
    shop: str = ""
    user_id: int = 0
    session_id: str = ""
    expires_at: int = 0


def verify_session_token(
    token: str | None, *, client_id: str, secrets: Sequence[str], now: datetime
) -> SessionVerdict:
    """Accept exactly the tokens that Shopify made for this app, for a shop, and for this minute."""
    if not token:
        return _refuse(TokenCode.MISSING)
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return _refuse(TokenCode.MALFORMED)
    claims = _claims(token, secrets)
    if isinstance(claims, TokenCode):
        return _refuse(claims)
    times = [claims.get(name) for name in ("exp", "nbf")]
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in times):
        return _refuse(TokenCode.BAD_CLAIMS)
    expires, not_before = int(times[0] or 0), int(times[1] or 0)
    if claims.get("aud") != client_id:
        return _refuse(TokenCode.WRONG_APP)
    shop = _host(claims.get("dest"))
    if shop is None or _host(claims.get("iss")) != shop:
        return _refuse(TokenCode.BAD_SHOP)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not _USER.fullmatch(subject):
        return _refuse(TokenCode.BAD_CLAIMS)
    if now.timestamp() > expires + SKEW_S:
        return _refuse(TokenCode.EXPIRED)
    if now.timestamp() < not_before - SKEW_S:
        return _refuse(TokenCode.NOT_YET)
    session = claims.get("sid")
    return SessionVerdict(
        ok=True,
        code=TokenCode.OK,
        shop=shop,
        user_id=int(subject),
        session_id=session if isinstance(session, str) else "",
        expires_at=expires,
    )


def _refuse(code: TokenCode) -> SessionVerdict:
    return SessionVerdict(ok=False, code=code)


def _claims(token: str, secrets: Sequence[str]) -> dict[str, Any] | TokenCode:
    for secret in secrets:
        if not secret:
            continue
        try:
            found = json.loads(_JWS.decode(token, secret, algorithms=["HS256"]))
        except jwt.InvalidSignatureError:
            continue
        except (jwt.PyJWTError, ValueError, RecursionError):
            return TokenCode.MALFORMED
        return found if isinstance(found, dict) else TokenCode.MALFORMED
    return TokenCode.BAD_SIGNATURE


def _host(url: object) -> str | None:
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.netloc != parts.hostname:
            return None
        return shop_domain(parts.hostname)
    except ValueError:
        return None
