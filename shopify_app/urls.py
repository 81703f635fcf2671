"""The whole URL map. Each room names its own paths; the last line is the embedded page for every client-side route."""

from __future__ import annotations

from django.urls import include, path

from shopify_app import health, scrape

urlpatterns = [
    path("healthz", health.live),
    path("metrics", scrape.metrics),
    path("webhooks/", include("shopify_app.webhooks.urls")),
    path("proxy/", include("storefront_proxy.urls")),
    path("collect/", include("storefront_proxy.collect_urls")),
    path("api/", include("shopify_app.admin_api.urls")),
    path("", include("shopify_app.home.urls")),
]

# For whatever no view caught.
handler400 = "shopify_app.home.problems.bad_request"
handler403 = "shopify_app.home.problems.forbidden"
handler404 = "shopify_app.home.problems.not_found"
handler500 = "shopify_app.home.problems.failed"
