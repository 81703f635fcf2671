"""The local Shopify's pages: the admin that embeds the app, the storefront, and what Shopify's CDN serves."""

from devstore.pages.assembly import routes

__all__ = ["routes"]
