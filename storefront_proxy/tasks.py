"""Celery's door to this room."""

from __future__ import annotations

import os
import socket

from celery import shared_task
from django.utils import timezone

from mlops.features import online
from storefront_proxy import arrivals, exposures


@shared_task(name="exposures.flush")
def flush() -> None:
    """Exposures and clicks into Postgres; cards whose writer died brought up to date."""
    exposures.flush(consumer=f"{socket.gethostname()}-{os.getpid()}", now=timezone.now())
    online.settle()


@shared_task(name="exposures.collect")
def collect() -> None:
    """Storefront events from the bus into Postgres."""
    arrivals.flush(consumer=f"{socket.gethostname()}-{os.getpid()}", now=timezone.now())
