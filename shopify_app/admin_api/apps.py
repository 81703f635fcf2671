from django.apps import AppConfig


class AdminApiConfig(AppConfig):
    name = "shopify_app.admin_api"
    label = "admin_api"

    def ready(self) -> None:
        # Registers how session tokens appear in openapi.json.
        from shopify_app.admin_api import openapi  # noqa: F401
