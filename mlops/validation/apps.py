from django.apps import AppConfig


class ValidationConfig(AppConfig):
    name = "mlops.validation"
    label = "validation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from mlops.validation import tallies

        tallies.publish()
