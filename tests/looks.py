"""A test that looks at what is linked to people says so, as everybody must."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tenancy.reading import Purpose, reading


@contextmanager
def looking() -> Iterator[None]:
    with reading(actor="system:test", purpose=Purpose.OPERATION):
        yield
