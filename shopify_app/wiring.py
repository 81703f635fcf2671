"""Upward news: signals declared by lower rooms, heard here and handed to the room that acts on them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from shopify_app.sync.signals import history_imported
from tenancy.models import Shop


def connect() -> None:
    """Called once, when Django is ready."""
    history_imported.connect(_train_the_first_model, dispatch_uid="train_after_import")


def _train_the_first_model(sender: Any, *, shop: Shop, **_: Any) -> None:
    from mlops.training import run as training

    training.request(shop, reason="history imported", actor="system:import", now=timezone.now())
