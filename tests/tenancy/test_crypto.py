"""Sealing: what opens, and what must not."""

from __future__ import annotations

import os

import pytest

from tenancy.crypto import CannotOpen, Keyring

OLD, NEW = os.urandom(32), os.urandom(32)


def test_opens_what_it_sealed() -> None:
    ring = Keyring((NEW,))
    assert ring.open(ring.seal(b"token", context="shop:a"), context="shop:a") == b"token"


def test_a_rotated_key_still_opens_but_no_longer_seals() -> None:
    sealed = Keyring((OLD,)).seal(b"token", context="c")
    rotated = Keyring((NEW, OLD))
    assert rotated.open(sealed, context="c") == b"token"
    with pytest.raises(CannotOpen, match="not configured"):
        Keyring((OLD,)).open(rotated.seal(b"token", context="c"), context="c")


@pytest.mark.parametrize("position", [0, 4, 10, 25, -1])
def test_one_changed_byte_is_refused(position: int) -> None:
    ring = Keyring((NEW,))
    sealed = bytearray(ring.seal(b"token", context="c"))
    sealed[position] ^= 1
    with pytest.raises(CannotOpen):
        ring.open(bytes(sealed), context="c")


def test_another_shops_context_is_refused() -> None:
    ring = Keyring((NEW,))
    with pytest.raises(CannotOpen, match="another context"):
        ring.open(ring.seal(b"token", context="shop:a"), context="shop:b")


@pytest.mark.parametrize("keys", [(), (b"short",)])
def test_wrong_keys_are_refused_at_the_start(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(keys)
