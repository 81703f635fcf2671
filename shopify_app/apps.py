from django.apps import AppConfig


class ShopifyAppConfig(AppConfig):
    name = "shopify_app"

    def ready(self) -> None:
        from shopify_app.wiring import connect

        connect()
