"""Seals everything anew with the first key of ENCRYPTION_KEYS: tokens, pseudonym keys, customers' numbers, models,
training frames, exports. It may be killed and started again.

Exit codes: 0 everything is under the first key, 3 something is under another (with --dry-run: would have to be renewed).
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from shopify_app.privacy import rotation

LEFT = 3


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what lies under which key")

    def handle(self, *args: Any, **options: Any) -> None:
        found = rotation.rotate(dry_run=options["dry_run"], progress=self._tell)
        for place, count in sorted(found.renewed.items()):
            self.stdout.write(f"{place}: {count} sealed anew")
        for place, count in sorted(found.unopened.items()):
            self.stdout.write(
                f"{place}: {count} do not open with any key of ENCRYPTION_KEYS; they are left as they were"
            )
        for line in rotation.described(found):
            self.stdout.write(line)
        if found.done:
            self.stdout.write("Everything is under the first key; the others may be removed.")
        else:
            sys.exit(LEFT)

    def _tell(self, place: str, count: int) -> None:
        if count:
            self.stderr.write(f"{place}: {count}")
            self.stderr.flush()
