"""Session tokens: the published vector, and every claim bent in turn."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest

from shopify_app.verify.session_token import TokenCode, verify_session_token

VECTOR: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "signatures.json").read_text())[
    "session_token"
]
SECRET = "hush"
CLIENT = VECTOR["client_id"]
MOMENT = VECTOR["issued_at"] + 30


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def made(**changes: Any) -> str:
    claims = {
        "iss": "https://a.myshopify.com/admin",
        "dest": "https://a.myshopify.com",
        "aud": CLIENT,
        "sub": "42",
        "exp": MOMENT + 30,
        "nbf": MOMENT - 30,
        "iat": MOMENT - 30,
        "jti": "1",
        "sid": "s",
    }
    claims.update(changes)
    return encoded({k: v for k, v in claims.items() if v is not None})


def encoded(claims: dict[str, Any], key: str = SECRET, algorithm: str = "HS256") -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the published vectors use a four-letter secret
        return jwt.encode(claims, key, algorithm=algorithm)


def verdict_of(token: str | None, *, now: int = MOMENT, secrets: tuple[str, ...] = (SECRET,)) -> TokenCode:
    found = verify_session_token(token, client_id=CLIENT, secrets=secrets, now=at(now))
    assert found.ok == (found.code == TokenCode.OK)
    assert found.ok or (found.shop == "" and found.user_id == 0), "a refused token tells nothing"
    return found.code


def test_the_known_token_passes() -> None:
    found = verify_session_token(VECTOR["token"], client_id=CLIENT, secrets=["new", SECRET], now=at(MOMENT))
    assert (found.ok, found.shop, found.user_id) == (True, VECTOR["shop"], VECTOR["user_id"])
    assert found.expires_at == VECTOR["expires_at"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aud": "someone-else"}, TokenCode.WRONG_APP),
        ({"aud": [CLIENT, "b"]}, TokenCode.WRONG_APP),
        ({"iss": "https://b.myshopify.com/admin"}, TokenCode.BAD_SHOP),
        ({"dest": "https://evil.myshopify.com.attacker.tld", "iss": "https://evil.myshopify.com.attacker.tld/admin"}, TokenCode.BAD_SHOP),
        ({"dest": "http://a.myshopify.com"}, TokenCode.BAD_SHOP),
        ({"dest": "https://u@a.myshopify.com"}, TokenCode.BAD_SHOP),
        ({"dest": None}, TokenCode.BAD_SHOP),
        ({"dest": 7}, TokenCode.BAD_SHOP),
        ({"sub": "olivia"}, TokenCode.BAD_CLAIMS),
        ({"sub": None}, TokenCode.BAD_CLAIMS),
        ({"exp": None}, TokenCode.BAD_CLAIMS),
        ({"nbf": None}, TokenCode.BAD_CLAIMS),
        ({"exp": MOMENT - 11}, TokenCode.EXPIRED),
        ({"nbf": MOMENT + 11}, TokenCode.NOT_YET),
    ],
)  # fmt: skip
def test_a_bent_claim_is_refused_by_name(changes: dict[str, Any], code: TokenCode) -> None:
    assert verdict_of(made(**changes)) == code


def test_ten_seconds_of_skew_pass_and_eleven_do_not() -> None:
    assert verdict_of(made(exp=MOMENT - 10)) == TokenCode.OK
    assert verdict_of(made(nbf=MOMENT + 10)) == TokenCode.OK
    assert verdict_of(VECTOR["token"], now=VECTOR["expires_at"] + 11) == TokenCode.EXPIRED


@pytest.mark.parametrize(
    "token", ["app-security.invalid.token", "a.b", "...", "é.é.é", "x" * 5000, "e30.e30.e30"]
)
def test_what_is_not_a_token_is_refused(token: str) -> None:
    assert verdict_of(token) in (TokenCode.MALFORMED, TokenCode.BAD_SIGNATURE)


def test_an_absent_token_is_told_apart() -> None:
    assert verdict_of(None) == verdict_of("") == TokenCode.MISSING


def test_other_algorithms_and_keys_are_refused() -> None:
    claims = jwt.decode(made(), options={"verify_signature": False})
    assert verdict_of(encoded(claims, "", "none")) == TokenCode.MALFORMED
    assert verdict_of(encoded(claims, SECRET, "HS512")) == TokenCode.MALFORMED
    assert verdict_of(encoded(claims, "other")) == TokenCode.BAD_SIGNATURE
    assert verdict_of(made(), secrets=()) == TokenCode.BAD_SIGNATURE
