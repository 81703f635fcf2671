from django.apps import AppConfig


class DemandConfig(AppConfig):
    name = "mlops.demand"
    label = "demand"
    default_auto_field = "django.db.models.BigAutoField"
