from django.apps import AppConfig


class StorefrontProxyConfig(AppConfig):
    name = "storefront_proxy"
    label = "storefront_proxy"
    default_auto_field = "django.db.models.BigAutoField"
