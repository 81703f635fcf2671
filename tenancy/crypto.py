"""AES-256-GCM for secrets at rest, with key ids so that keys can be rotated.

A sealed value is ``b"sw1" + key id (4 bytes) + nonce (12 bytes) + ciphertext and tag``. `context` is bound as
associated data: a token sealed for one shop does not open for another.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"sw1"
_ID_BYTES = 4
_NONCE_BYTES = 12


class CannotOpen(ValueError):
    """The sealed value was altered, belongs to another context, or its key is not configured."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """The key that seals, and all keys that may open.

    Args:
        keys: 32-byte keys; the first seals, the others only open what was sealed before a rotation.
    """

    keys: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not self.keys or any(len(key) != 32 for key in self.keys):
            raise ValueError("encryption keys are one or more values of exactly 32 bytes")

    def seal(self, plain: bytes, *, context: str) -> bytes:
        key = self.keys[0]
        nonce = os.urandom(_NONCE_BYTES)
        return MAGIC + _key_id(key) + nonce + AESGCM(key).encrypt(nonce, plain, context.encode())

    @property
    def current(self) -> str:
        """The id of the key that seals, as hex."""
        return _key_id(self.keys[0]).hex()

    @property
    def known(self) -> tuple[str, ...]:
        """The ids of all keys, in order."""
        return tuple(_key_id(key).hex() for key in self.keys)

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Return the plain bytes.

        Raises:
            CannotOpen: altered value, other context or unknown key.
        """
        sealed = bytes(sealed)
        start = len(MAGIC)
        key_id, nonce = (
            sealed[start : start + _ID_BYTES],
            sealed[start + _ID_BYTES : start + _ID_BYTES + _NONCE_BYTES],
        )
        if not sealed.startswith(MAGIC) or len(nonce) != _NONCE_BYTES:
            raise CannotOpen("not a sealed value of this application")
        for key in self.keys:
            if _key_id(key) == key_id:
                try:
                    return AESGCM(key).decrypt(
                        nonce, sealed[start + _ID_BYTES + _NONCE_BYTES :], context.encode()
                    )
                except InvalidTag:
                    raise CannotOpen("the sealed value was altered or belongs to another context") from None
        raise CannotOpen("the key that sealed this value is not configured (ENCRYPTION_KEYS)")


def key_id_of(sealed: bytes) -> str:
    """The id (hex) of the key that sealed this value.

    Raises:
        CannotOpen: it is not a sealed value.
    """
    start = len(MAGIC)
    if not sealed.startswith(MAGIC) or len(sealed) < start + _ID_BYTES + _NONCE_BYTES:
        raise CannotOpen("not a sealed value of this application")
    return bytes(sealed[start : start + _ID_BYTES]).hex()


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"shelfwise key id" + key).digest()[:_ID_BYTES]
