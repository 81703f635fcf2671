"""What a page of the storefront hands to the pixel manager (standin/web-pixels.js)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from devstore import web_pixels
from devstore.api_state import ApiState
from devstore.platform import Platform
from devstore.web_pixels import PixelExtension


@dataclass(frozen=True)
class ShopPixel:
    """The app's pixel, which runs in a shop once the app has created it there."""

    platform: Platform
    extension: PixelExtension | None
    state: ApiState

    def facts(self, template: str, context: Mapping[str, Any]) -> Markup:
        """JSON for a script element: the pixel if there is one, the page's events, the cart."""
        shop = context["shop"]
        found = {
            "pixel": self._pixel(shop["permanent_domain"]),
            "events": web_pixels.page_events(template, context, currency=shop["currency"]),
            "cart": web_pixels.cart(context["cart"], shop["currency"]),
            "shop": {"name": shop["name"], "myshopifyDomain": shop["permanent_domain"]},
        }
        return Markup(json.dumps(found).replace("<", "\\u003c"))  # noqa: S704 - nothing can end the element

    def _pixel(self, domain: str) -> dict[str, Any] | None:
        install = self.platform.installs.active(domain)
        if self.extension is None or install is None:
            return None
        row = self.state.pixel(domain, install.installed_at)
        if row is None:
            return None
        return {
            "bundle": f"/cdn/web-pixels/{self.extension.handle}/index.js",
            "settings": json.loads(row["settings"]),
            "needs": self.extension.needs,
        }
