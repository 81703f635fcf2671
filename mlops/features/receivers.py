"""Keeps the shop directory in Redis true to the shop's row."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from redis.exceptions import RedisError

from mlops.features import online
from tenancy.errors import Transient
from tenancy.models import Shop


def connect() -> None:
    post_save.connect(_publish, sender=Shop, dispatch_uid="features.publish_shop")


def _publish(sender: type[Shop], instance: Shop, **_: Any) -> None:
    def publish() -> None:
        try:
            online.publish_shop(instance)
        except RedisError as error:
            raise Transient(
                "the fast copy of the shop directory does not answer", code="redis_down"
            ) from error

    transaction.on_commit(publish)
