"""Which web pixel of ours runs in a shop. Written by `shopify_app.pixels.activate` alone."""

from __future__ import annotations

from django.db import models

from tenancy.scope import ShopOwned


class WebPixel(ShopOwned):
    """The shop's pixel as last told to Shopify; an uninstall takes it away there, so it belongs to one installation."""

    gid = models.CharField(max_length=64, blank=True, help_text="empty: not created yet")
    endpoint = models.TextField(blank=True)
    installed_at = models.DateTimeField(help_text="of the installation that it was made in")
    changed_at = models.DateTimeField()
    problem = models.TextField(blank=True)
    next_try_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop"], name="one_pixel_per_shop")]
