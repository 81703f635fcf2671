from django.apps import AppConfig


class FeatureStoreConfig(AppConfig):
    name = "mlops.feature_store"
    label = "feature_store"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from mlops.feature_store import freshness

        freshness.publish()
