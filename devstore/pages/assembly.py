"""Puts the pages of the admin, the storefront and the CDN together."""

from __future__ import annotations

from starlette.routing import BaseRoute

from devstore.liquid_theme import find_theme_extension
from devstore.pages.admin import Admin
from devstore.pages.ajax import Ajax
from devstore.pages.cdn import Cdn
from devstore.pages.storefront import Storefront
from devstore.platform import Platform


def routes(platform: Platform) -> list[BaseRoute]:
    """Every page, for the server to add after its APIs. Raises ThemeExtensionError for a broken extension."""
    extension = find_theme_extension(platform.config.extensions)
    storefront = Storefront(platform, extension)
    return [
        *Cdn(platform, extension).routes(),
        *Admin(platform, extension).routes(),
        *Ajax(platform).routes(),
        *storefront.routes(),
    ]
