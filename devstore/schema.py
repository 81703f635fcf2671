"""The published Admin GraphQL schema, loaded once per process."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from graphql import GraphQLSchema, build_client_schema

from devstore.fetch_schema import SCHEMA_PATH, SchemaUnavailable
from devstore.scopes import AccessRules

LATEST_VERSION = "2026-10"
# The schema file is that of the newest version; older ones are answered with it too.
VERSIONS = ("2025-10", "2026-01", "2026-04", "2026-07", LATEST_VERSION, "unstable")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class AdminSchema:
    schema: GraphQLSchema
    rules: AccessRules


@lru_cache(maxsize=2)
def load_schema(path: Path = SCHEMA_PATH) -> AdminSchema:
    """`path` is the published file, gzipped or not. Takes about 0.4 s.

    Raises SchemaUnavailable, saying what to run, when the file is missing or broken.
    """
    try:
        body = path.read_bytes()
        document = json.loads(gzip.decompress(body) if body.startswith(_GZIP) else body)
        return AdminSchema(
            build_client_schema(document["data"]), AccessRules(document["offline_scopes"]["items"])
        )
    except FileNotFoundError as error:
        raise SchemaUnavailable(f"{path} is missing: run `python -m devstore.fetch_schema`") from error
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise SchemaUnavailable(
            f"{path} is broken: delete it and run `python -m devstore.fetch_schema`"
        ) from error
