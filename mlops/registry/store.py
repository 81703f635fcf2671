"""Register versions, keep their artefacts, move them through their lifecycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from mlops.feature_store import registered as views
from mlops.features import sealed
from mlops.predictors import artefact
from mlops.registry import loader
from mlops.registry.models import Lifecycle, Transition, UseCase, Version
from tenancy.errors import NotFound, UserFixable
from tenancy.locks import LockKind, lock
from tenancy.models import Shop

_ALLOWED: dict[Lifecycle, frozenset[Lifecycle]] = {
    Lifecycle.CANDIDATE: frozenset(
        {Lifecycle.STAGING, Lifecycle.PRODUCTION, Lifecycle.SHELVED, Lifecycle.ARCHIVED}
    ),
    # A person may overrule the gates.
    Lifecycle.SHELVED: frozenset({Lifecycle.STAGING, Lifecycle.PRODUCTION, Lifecycle.ARCHIVED}),
    Lifecycle.STAGING: frozenset({Lifecycle.PRODUCTION, Lifecycle.ARCHIVED}),
    Lifecycle.PRODUCTION: frozenset({Lifecycle.STAGING}),
    Lifecycle.ARCHIVED: frozenset(),
}


class IllegalTransition(UserFixable):
    code = "illegal_transition"


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a version came from.

    Args:
        snapshot_id: None where the frozen file holds sums of a shop and no orders.
        duration_s: compute time of all steps.
        features: version of each feature view that it was trained on, by view; they are kept while it may serve.
    """

    run_id: int
    snapshot_id: int | None
    snapshot_digest: str
    data_since: datetime | None
    data_until: datetime
    parameters: Mapping[str, Any]
    seed: int
    code_revision: str
    duration_s: float
    features: Mapping[str, str] = field(default_factory=dict)


def register(
    shop: Shop,
    *,
    use_case: UseCase,
    content: bytes,
    metrics: Mapping[str, Any],
    lineage: Lineage,
    now: datetime,
) -> Version:
    """Keep the artefact and give it the next number; for a run that is registered already, the same version.

    Raises:
        BadArtefact: the content does not load; nothing is registered.
        Refused: it was trained on a version of a feature view that the shop does not have, or that is deprecated.
    """
    digest = artefact.digest_of(content)
    loaded = artefact.unpack(content, digest=digest)
    # The file first: a row never names a file that is not there.
    sealed.keep(shop.pk, digest, content, kind=loader.KIND)
    with transaction.atomic():
        lock(shop, LockKind.SLOTS, wait_s=10.0)
        found = Version.objects.filter(run_id=lineage.run_id).first()
        if found is not None:
            return found
        newest = Version.objects.filter(use_case=use_case).order_by("-number").first()
        highest = Version.objects.filter(use_case=use_case).aggregate(highest=Max("number"))["highest"] or 0
        version = Version.objects.create(
            shop=shop,
            use_case=use_case,
            number=highest + 1,
            artefact_digest=digest,
            artefact_bytes=len(content),
            kind=loaded.manifest["kind"],
            manifest=dict(loaded.manifest),
            metrics=dict(metrics),
            parameters=dict(lineage.parameters),
            seed=lineage.seed,
            data_since=lineage.data_since,
            data_until=lineage.data_until,
            snapshot_id=lineage.snapshot_id,
            snapshot_digest=lineage.snapshot_digest,
            code_revision=lineage.code_revision,
            duration_s=lineage.duration_s,
            run_id=lineage.run_id,
            parent=newest,
            registered_at=now,
        )
        views.pin(shop, lineage.features, model=_model(version), now=now)
        return version


def access_version(version_id: int) -> Version:
    """The version of the scope's shop.

    Raises:
        NotFound: missing, or another shop's.
    """
    found = Version.objects.filter(pk=version_id).first()
    if found is None:
        raise NotFound(
            "there is no such version", code="version_not_found", next_step="Reload the list of versions."
        )
    return found


def move(version: Version, after: Lifecycle, *, actor: str, reason: str, now: datetime) -> None:
    """Change the lifecycle and log it; a version that is there already stays as it is.

    Raises:
        IllegalTransition: the lifecycle does not allow it.
    """
    with transaction.atomic():
        before = Lifecycle(Version.objects.select_for_update().get(pk=version.pk).lifecycle)
        if before == after:
            return
        if after not in _ALLOWED[before]:
            raise IllegalTransition(
                f"version {version.number} is {before.label.lower()} and cannot become {after.label.lower()}",
                next_step="Choose another version.",
            )
        Version.objects.filter(pk=version.pk, lifecycle=before).update(lifecycle=after)
        Transition.objects.create(
            shop_id=version.shop_id,
            version=version,
            before=before,
            after=after,
            actor=actor,
            reason=reason,
            at=now,
        )
        version.lifecycle = after
        if after == Lifecycle.ARCHIVED:
            views.unpin(Shop.objects.get(pk=version.shop_id), model=_model(version))


def features_of(version: Version) -> dict[str, str]:
    """The version of each feature view that it was trained on, by view; nothing once it is archived."""
    return views.pinned(version.shop_id, model=_model(version))


def _model(version: Version) -> str:
    """What a version is called where it is named as the reason for keeping something."""
    return f"{version.use_case} version {version.number}"
