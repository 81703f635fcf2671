from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TenancyConfig(AppConfig):
    name = "tenancy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tenancy import fence, row_security
        from tenancy.bus import measured

        measured.connect()
        fence.watch(row_security.shop_tables())
        post_migrate.connect(row_security.after_migration, sender=self, dispatch_uid="tenancy.row_security")
