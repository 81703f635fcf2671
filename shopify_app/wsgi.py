"""The WSGI door, for granian. A worker is warm before it takes its first request."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shopify_app.settings")
application = get_wsgi_application()

from storefront_proxy.warm import warm_up  # noqa: E402 models need Django to be ready

warm_up()
