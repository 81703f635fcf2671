"""Upward news: signals declared by lower rooms, heard here and handed to the room that acts on them."""

from __future__ import annotations

import logging
from typing import Any

from django.utils import timezone

from mlops.validation.signals import halt_ended
from shopify_app.graphql import calls
from shopify_app.sync.signals import history_imported
from tenancy import audit
from tenancy.models import AuditEntry, Shop

log = logging.getLogger("shelfwise.wiring")
REFUSED = "training.refused"


def connect() -> None:
    """Called once, when Django is ready."""
    history_imported.connect(_learn_from_the_history, dispatch_uid="train_after_import")
    calls.connect()
    halt_ended.connect(_train_what_was_refused, dispatch_uid="train_after_halt")


def _learn_from_the_history(sender: Any, *, shop: Shop, **_: Any) -> None:
    from mlops.feature_store.tasks import refresh_now
    from mlops.validation.tasks import learn

    learn.send(shop)
    refresh_now.send(shop)
    _train(shop, reason="history imported", actor="system:import")


def _train_what_was_refused(sender: Any, *, shop: Shop, **_: Any) -> None:
    """A training that the shop was due while its data was stopped is asked for again, once."""
    from mlops.training.models import TrainingRun
    from tenancy.scope import scope

    refused = AuditEntry.objects.filter(shop=shop, action=REFUSED).order_by("-id").first()
    with scope(shop):
        since = refused and TrainingRun.objects.filter(requested_at__gte=refused.at).exists()
    if refused is not None and not since:
        _train(shop, reason=f"{refused.reason}; the data is released", actor="system:validation")


def _train(shop: Shop, *, reason: str, actor: str) -> None:
    """Ask for everything that can be learnt of a shop, what shoppers see first."""
    from mlops.registry.models import UseCase
    from mlops.training import run as training

    now = timezone.now()
    try:
        for use_case in (UseCase.RECOMMENDATIONS, UseCase.DEMAND):
            training.request(shop, use_case=use_case, reason=reason, actor=actor, now=now)
    except training.TrainingHalted as error:
        log.warning("training.refused", extra={"shop_id": shop.pk, "why": error.message})
        audit.record(
            shop, actor=actor, action=REFUSED, now=now, reason=reason, data={"why": error.message[:500]}
        )
