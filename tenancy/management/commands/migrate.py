"""Django's `migrate`, open to the rows of every shop and person: one that mends rows must find them."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate

from tenancy.reading import Purpose, reading
from tenancy.scope import unscoped


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with (
            unscoped(why="migrations mend the rows of every shop"),
            reading(actor="system:migrate", purpose=Purpose.OPERATION),
        ):
            super().handle(*args, **options)
