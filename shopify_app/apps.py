from django.apps import AppConfig


class ShopifyAppConfig(AppConfig):
    name = "shopify_app"

    def ready(self) -> None:
        # Celery's module names the broker to every task that is sent: by a request, a command or a test.
        from shopify_app import celery  # noqa: F401
        from shopify_app.wiring import connect

        connect()
