"""`make stop`: ends whatever runs in the var folder, the demo included, and its private Postgres and Valkey."""

from __future__ import annotations

import sys

from shopify_app.local.processes import end_leftovers
from tenancy.embedded import Embedded, default_folder


def main() -> int:
    folder = default_folder()
    if not folder.exists():
        return 0
    if not end_leftovers(folder):
        print(f"what runs in {folder} does not end", file=sys.stderr)
        return 1
    Embedded(folder).stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
