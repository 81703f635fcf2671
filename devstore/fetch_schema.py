"""Fetch the published Admin GraphQL schema into the git-ignored cache.

`python -m devstore.fetch_schema` asks npm (whatever registry npm is configured with) for one pinned
package, takes a single file out of it and leaves it under `.cache/shopify/`. Safe to repeat: it does
nothing when the file is already there and readable.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@shopify/dev-mcp@1.16.0"
MEMBER = "package/dist/data/admin_2026-10.json.gz"
SCHEMA_PATH = Path(__file__).resolve().parent.parent / ".cache" / "shopify" / "admin_2026-10.json.gz"


class SchemaUnavailable(Exception):
    """The schema could not be fetched or is not what it should be; the message says what to do."""


def is_readable(path: Path) -> bool:
    """True when `path` is a complete gzip whose JSON holds a schema."""
    try:
        with gzip.open(path, "rb") as stream:
            return b'"__schema"' in stream.read()
    except (OSError, EOFError):
        return False


def fetch(target: Path = SCHEMA_PATH) -> bool:
    """Make sure `target` holds the schema. Returns True when it had to be fetched.

    Raises SchemaUnavailable with the next step when npm is missing, fails, or packs something else.
    """
    if is_readable(target):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shelfwise-schema-") as folder:
        archive = _npm_pack(Path(folder))
        body = _member(archive)
        _check(body)
        # Written beside the target and renamed, so a killed run never leaves half a file in place.
        partial = target.with_suffix(f".{os.getpid()}.part")
        partial.write_bytes(body)
        partial.replace(target)
    return True


def _npm_pack(folder: Path) -> Path:
    try:
        done = subprocess.run(
            ["npm", "pack", PACKAGE, "--json", "--silent"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    except FileNotFoundError as error:
        raise SchemaUnavailable("npm was not found: install Node.js 20 or newer and run again") from error
    except subprocess.TimeoutExpired as error:
        raise SchemaUnavailable("npm pack took longer than 300 s: check the network and run again") from error
    if done.returncode != 0:
        raise SchemaUnavailable(
            f"npm pack {PACKAGE} failed ({done.returncode}): {done.stderr.strip()[-600:]}"
        )
    archives = sorted(folder.glob("*.tgz"))
    if not archives:
        raise SchemaUnavailable(f"npm pack {PACKAGE} left no archive behind; run it by hand to see why")
    return archives[0]


def _member(archive: Path) -> bytes:
    with tarfile.open(archive) as tar:
        try:
            stream = tar.extractfile(MEMBER)
        except KeyError as error:
            raise SchemaUnavailable(f"{PACKAGE} no longer holds {MEMBER}") from error
        if stream is None:
            raise SchemaUnavailable(f"{MEMBER} is not a plain file in {PACKAGE}")
        return stream.read()


def _check(body: bytes) -> None:
    try:
        document = json.loads(gzip.decompress(body))
        document["data"]["__schema"]["types"]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise SchemaUnavailable(f"{MEMBER} does not hold an introspection result") from error


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m devstore.fetch_schema", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--target", type=Path, default=SCHEMA_PATH, help="where to put it (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        fetched = fetch(options.target)
    except SchemaUnavailable as error:
        print(f"fetch_schema: {error}", file=sys.stderr)
        return 1
    print(f"schema {'fetched' if fetched else 'already'} at {options.target}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
