"""The Celery application: queues by promised delay, and delivery guarantees.

Recovery never depends on the broker: every piece of work is a row with a lease, and the ticks below take stale leases
back. Tasks are short steps; the visibility timeout is far above the longest of them.
"""

from __future__ import annotations

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init
from kombu import Exchange, Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shopify_app.settings")
# A search for an erased person reads every row: it waits for no training, and no webhook waits for it.
QUEUES = ("webhooks", "sync", "logs", "train", "privacy")


def _broker(url: str) -> str:
    # Celery spells a unix socket redis+socket://path?virtual_host=db.
    if url.startswith("unix://"):
        path, _, query = url.removeprefix("unix://").partition("?")
        database = dict(part.split("=", 1) for part in query.split("&") if "=" in part).get("db", "0")
        return f"redis+socket://{path}?virtual_host={database}"
    return url


def make() -> Celery:
    from django.conf import settings

    celery = Celery("shelfwise", broker=_broker(settings.REDIS_URL))
    celery.conf.update(
        # Each queue has an exchange of its own: queues that share the default one all receive every message.
        task_queues=[Queue(n, Exchange(n), routing_key=n) for n in QUEUES],
        task_default_queue="sync",
        # By name, because the learning side does not know the queues.
        task_routes={
            "webhooks.*": {"queue": "webhooks"},
            "training.*": {"queue": "train"},
            # Minutes of computing for a large shop: no webhook and no import waits for it.
            "features.refresh": {"queue": "train"},
            "features.refresh_now": {"queue": "train"},
            "exposures.*": {"queue": "logs"},
            "privacy.*": {"queue": "train"},
            "privacy.tick": {"queue": "privacy"},
        },
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_concurrency=settings.WORKER_CONCURRENCY,
        worker_hijack_root_logger=False,
        worker_max_tasks_per_child=500,
        task_serializer="json",
        accept_content=["json"],
        enable_utc=True,
        timezone="UTC",
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker that gave up would need a person
        broker_transport_options={
            "visibility_timeout": 3600,
            "unacked_restore_throttle": 1,
            "global_keyprefix": f"{settings.REDIS_PREFIX}:celery:",
        },
        # In memory: all ticks are intervals of seconds, and a file would be one more thing for a kill to break.
        beat_scheduler="celery.beat:Scheduler",
        beat_schedule={
            "webhooks.drain_all": {
                "task": "webhooks.drain_all",
                "schedule": 5.0,
                "options": {"queue": "webhooks", "expires": 5},
            },
            "sync.tick_all": {
                "task": "sync.tick_all",
                "schedule": 2.0,
                "options": {"queue": "sync", "expires": 2},
            },
            "sync.reconcile_all": {
                "task": "sync.reconcile_all",
                "schedule": 5.0,
                "options": {"queue": "sync", "expires": 5},
            },
            "features.watch_catalogues": {
                "task": "features.watch_catalogues",
                "schedule": 900.0,
                "options": {"queue": "sync", "expires": 900},
            },
            "features.newcomers": {
                "task": "features.newcomers",
                "schedule": 60.0,
                "options": {"queue": "sync", "expires": 60},
            },
            "features.tick": {
                "task": "features.tick",
                "schedule": 60.0,
                "options": {"queue": "sync", "expires": 60},
            },
            "features.catch_up": {
                "task": "features.catch_up",
                "schedule": 10.0,
                "options": {"queue": "sync", "expires": 10},
            },
            "sync.audit_all": {
                "task": "sync.audit_all",
                "schedule": 60.0,
                "options": {"queue": "sync", "expires": 60},
            },
            "training.tick_all": {
                "task": "training.tick_all",
                "schedule": 5.0,
                "options": {"queue": "train", "expires": 5},
            },
            "training.observe_all": {
                "task": "training.observe_all",
                "schedule": 3600.0,
                "options": {"queue": "train", "expires": 3600},
            },
            "privacy.tick": {
                "task": "privacy.tick",
                "schedule": 5.0,
                # Far longer than the interval: ticks that waited behind a long search must not all have lapsed after it.
                "options": {"queue": "privacy", "expires": 120},
            },
            "validation.check_all": {
                "task": "validation.check_all",
                "schedule": 600.0,
                "options": {"queue": "sync", "expires": 600},
            },
            "pixels.settle_all": {
                "task": "pixels.settle_all",
                "schedule": 30.0,
                "options": {"queue": "sync", "expires": 30},
            },
            "exposures.collect": {
                "task": "exposures.collect",
                "schedule": 1.0,
                "options": {"queue": "logs", "expires": 1},
            },
            "exposures.flush": {
                "task": "exposures.flush",
                "schedule": 1.0,
                "options": {"queue": "logs", "expires": 1},
            },
        },
    )
    celery.autodiscover_tasks()
    return celery


@worker_process_init.connect
def _collect_less_often(**_: Any) -> None:
    """A batch of an import makes 100,000 objects without a cycle among them; looking for one took a tenth of its time."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


app = make()
