"""Which policy a run is judged by: its own wish, the shop's choice, or the usual one."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime

from django.db import transaction

from mlops.registry.models import UseCase
from mlops.training.gates import Action, Comparator, Gate, Policy, Promotion
from mlops.training.models import PromotionPolicy, TrainingRun
from tenancy import audit
from tenancy.models import Shop
from tenancy.scope import scoped


@scoped
def policy(shop: Shop, use_case: UseCase) -> Policy:
    """The shop's policy."""
    row = PromotionPolicy.objects.filter(use_case=use_case).first()
    if row is None:
        return Policy()
    gates = (
        Gate(each["metric"], Comparator(each["comparator"]), float(each["value"]), Action(each["action"]))
        for each in row.gates
    )
    return Policy(
        Promotion(row.promotion), row.min_relative_improvement, row.margin, row.lowest, tuple(gates)
    )


def policy_of(shop: Shop, run: TrainingRun) -> Policy:
    """What this run's version is asked."""
    found = policy(shop, UseCase(run.use_case))
    return replace(found, promotion=Promotion(run.promotion)) if run.promotion else found


@scoped
def choose(shop: Shop, use_case: UseCase, wanted: Policy, *, actor: str, reason: str, now: datetime) -> None:
    """Keep a policy for the shop, with an entry in the audit log. Safe to repeat."""
    told = {
        "promotion": wanted.promotion.value,
        "min_relative_improvement": wanted.min_relative_improvement,
        "margin": wanted.margin,
        "lowest": wanted.lowest,
        "gates": [asdict(each) for each in wanted.gates],
    }
    with transaction.atomic():
        PromotionPolicy.objects.update_or_create(
            shop=shop, use_case=use_case, defaults={**told, "actor": actor, "changed_at": now}
        )
        audit.record(shop, actor=actor, action="training.policy_changed", now=now, reason=reason,
                     data={"use_case": use_case.value, **told})  # fmt: skip
