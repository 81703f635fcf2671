from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    name = "shopify_app.privacy"
    label = "privacy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from shopify_app.privacy import places
        from tenancy import fence

        personal = {
            table: {each.column for each in places.PLACES if each.table == table}
            for table in places.READ_WITH_PURPOSE
        }
        fence.watch_people(personal, places.PERSON_ROWS)
