from django.apps import AppConfig


class StorefrontProxyConfig(AppConfig):
    name = "storefront_proxy"
    label = "storefront_proxy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Declares its topic in every process, so that commands and the scrape know it.
        from storefront_proxy import exposures  # noqa: F401
