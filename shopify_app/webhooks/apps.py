from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "shopify_app.webhooks"
    label = "webhooks"
