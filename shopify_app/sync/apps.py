from django.apps import AppConfig


class SyncConfig(AppConfig):
    name = "shopify_app.sync"
    label = "sync"

    def ready(self) -> None:
        from shopify_app.sync.receivers import connect

        connect()
