from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "mlops.training"
    label = "training"
    default_auto_field = "django.db.models.BigAutoField"
