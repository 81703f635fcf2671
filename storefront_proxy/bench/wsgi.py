"""The product's WSGI door with two more addresses to measure against. Started by `manage.py bench_serving` alone."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shopify_app.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

settings.ROOT_URLCONF = "storefront_proxy.bench.urls"
application = get_wsgi_application()

from storefront_proxy.warm import warm_up  # noqa: E402

warm_up()
