from django.apps import AppConfig


class PixelsConfig(AppConfig):
    name = "shopify_app.pixels"
    label = "pixels"

    def ready(self) -> None:
        from shopify_app.pixels.receivers import connect

        connect()
