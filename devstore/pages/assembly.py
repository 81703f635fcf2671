"""Puts the pages of the admin, the storefront and the CDN together."""

from __future__ import annotations

from starlette.routing import BaseRoute

from devstore.api_state import STATE_FILE, ApiState
from devstore.liquid_theme import find_theme_extension
from devstore.pages.admin import Admin
from devstore.pages.ajax import Ajax
from devstore.pages.cdn import Cdn
from devstore.pages.shop_pixel import ShopPixel
from devstore.pages.storefront import Storefront
from devstore.platform import Platform
from devstore.web_pixels import find_pixel_extension


def routes(platform: Platform) -> list[BaseRoute]:
    """Every page, for the server to add after its APIs. Raises ThemeExtensionError or PixelExtensionError for a broken extension."""
    extension = find_theme_extension(platform.config.extensions)
    pixel = find_pixel_extension(platform.config.extensions)
    state = ApiState(platform.config.data / STATE_FILE)
    platform.on_stop.append(state.close)
    storefront = Storefront(platform, extension, ShopPixel(platform, pixel, state))
    return [
        *Cdn(platform, extension, pixel).routes(),
        *Admin(platform, extension).routes(),
        *Ajax(platform).routes(),
        *storefront.routes(),
    ]
