"""The WSGI door, for granian. A worker is warm before it takes its first request."""

import os
import signal
import threading

# A worker is forked with its server's handlers, which only remember a signal, and gets its own after it has loaded this
# file: a SIGTERM meanwhile would be lost, and the server would wait for the worker for ever.
if threading.current_thread() is threading.main_thread():
    for _number in (signal.SIGTERM, signal.SIGINT):
        if getattr(signal.getsignal(_number), "__module__", "").startswith("granian."):
            signal.signal(_number, signal.SIG_DFL)

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shopify_app.settings")
application = get_wsgi_application()

from storefront_proxy.warm import warm_up  # noqa: E402 models need Django to be ready

warm_up()
