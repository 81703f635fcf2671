from django.apps import AppConfig


class FeaturesConfig(AppConfig):
    name = "mlops.features"
    label = "features"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from mlops.features import receivers

        receivers.connect()
