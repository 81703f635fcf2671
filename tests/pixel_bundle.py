"""The web pixel's bundle for the local Shopify: made once, and again when its source is younger."""

from __future__ import annotations

import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "extensions" / "pixel"
BUNDLE = FOLDER / "dist" / "index.js"


def built() -> Path:
    """The bundle, as `make setup` makes it."""
    sources = [each for each in (FOLDER / "src").glob("*.ts") if ".test." not in each.name]
    if not BUNDLE.is_file() or BUNDLE.stat().st_mtime < max(each.stat().st_mtime for each in sources):
        subprocess.run(
            ["npx", "--no-install", "vite", "build", str(FOLDER), "--logLevel", "error"],
            cwd=FOLDER.parents[1],
            check=True,
            capture_output=True,
        )
    return BUNDLE
