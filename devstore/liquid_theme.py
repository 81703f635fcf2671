"""Rendering: the local store's own templates, and the app block of the theme extension.

The store's templates escape by themselves. The extension's do not, exactly as on Shopify, so that a setting
which a block forgets to escape shows up here too.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liquid import CachingFileSystemLoader, Environment
from liquid.loader import TemplateSource
from markupsafe import Markup

from devstore.liquid_filters import add_filters

_SCHEMA = re.compile(r"\{%-?\s*schema\s*-?%\}(.*?)\{%-?\s*endschema\s*-?%\}", re.DOTALL)


class ThemeExtensionError(ValueError):
    """The theme extension cannot be used; the message names the file and the reason."""


class _BlockLoader(CachingFileSystemLoader):
    """Reads Liquid files without their {% schema %}, which is data for the theme editor."""

    def get_source(self, env: Environment, template_name: str, **more: Any) -> TemplateSource:
        found = super().get_source(env, template_name, **more)
        return TemplateSource(_SCHEMA.sub("", found.text), found.name, found.uptodate)


@dataclass(frozen=True)
class Block:
    """One app block: its schema, as the theme editor reads it."""

    handle: str
    name: str
    javascript: str | None
    stylesheet: str | None
    settings: tuple[Mapping[str, Any], ...]

    def defaults(self) -> dict[str, Any]:
        return {str(setting["id"]): setting.get("default") for setting in self.settings if "id" in setting}


class ThemeExtension:
    """A folder like extensions/theme. Files are read again when they change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        document = tomllib.loads((folder / "shopify.extension.toml").read_text(encoding="utf-8"))
        entry = next((item for item in document.get("extensions", []) if item.get("type") == "theme"), None)
        if entry is None:
            raise ThemeExtensionError(f"{folder}: shopify.extension.toml names no extension of type theme")
        self.handle = str(entry["handle"])
        self.asset_root = f"/cdn/extensions/{self.handle}/assets/"
        self._environment = Environment(
            loader=_BlockLoader([folder / "blocks", folder / "snippets"], ext=".liquid"), autoescape=False
        )
        words = json.loads((folder / "locales" / "en.default.json").read_text(encoding="utf-8"))
        add_filters(self._environment, asset_root=self.asset_root, words=words)

    def block(self, handle: str) -> Block:
        """Raises ThemeExtensionError for a missing block or a schema that is not JSON."""
        path = self.folder / "blocks" / f"{handle}.liquid"
        try:
            found = _SCHEMA.search(path.read_text(encoding="utf-8"))
            schema = json.loads(found[1]) if found else {}
        except (OSError, ValueError) as error:
            raise ThemeExtensionError(f"{path}: {error}") from error
        return Block(
            handle=handle,
            name=schema.get("name", handle),
            javascript=schema.get("javascript"),
            stylesheet=schema.get("stylesheet"),
            settings=tuple(schema.get("settings", [])),
        )

    def blocks(self) -> list[Block]:
        return [self.block(path.stem) for path in sorted((self.folder / "blocks").glob("*.liquid"))]

    def render(
        self,
        handle: str,
        *,
        block_id: str,
        context: Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
    ) -> str:
        """The block's HTML with its stylesheet and deferred script, as a theme section would hold it.

        `context` is what Shopify gives a block: product, cart, customer, routes, request, template, shop, ...
        `settings` go over the schema's defaults.
        """
        block = self.block(handle)
        given = {
            **context,
            "block": {
                "id": block_id,
                "type": f"shopify://apps/{self.handle}/blocks/{handle}/{block_id}",
                "settings": {**block.defaults(), **(settings or {})},
                "shopify_attributes": f'data-shopify-editor-block="{block_id}"'
                if context.get("request", {}).get("design_mode")
                else "",
            },
        }
        html = self._environment.get_template(handle).render(**given)
        head = (
            f'<link rel="stylesheet" href="{self.asset_root}{block.stylesheet}">' if block.stylesheet else ""
        )
        tail = (
            f'<script src="{self.asset_root}{block.javascript}" defer></script>' if block.javascript else ""
        )
        return f'<div id="shopify-block-{block_id}" class="shopify-block shopify-app-block">{head}{html}{tail}</div>'


def find_theme_extension(extensions: Path) -> ThemeExtension | None:
    """The first theme extension under a folder of extensions, or None. Raises ThemeExtensionError."""
    for path in sorted(extensions.glob("*/shopify.extension.toml")):
        if re.search(r'^type\s*=\s*"theme"', path.read_text(encoding="utf-8"), re.MULTILINE):
            return ThemeExtension(path.parent)
    return None


def templates(folder: Path, *, asset_root: str) -> Environment:
    """The environment of a folder of our own templates, which escape what they print."""
    environment = Environment(loader=CachingFileSystemLoader(folder, ext=".liquid"), autoescape=True)
    add_filters(environment, asset_root=asset_root, words={})
    return environment


def page(environment: Environment, name: str, context: Mapping[str, Any]) -> str:
    """A template inside the folder's layout.liquid, which prints it as `content_for_layout`."""
    content = Markup(environment.get_template(name).render(**context))  # noqa: S704 - made by a template that escapes
    return environment.get_template("layout").render(**{**context, "content_for_layout": content})
