"""Which versions of views a shop has, and which models stand on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from mlops.feature_store import catalogue, versions
from mlops.feature_store.declared import View
from mlops.feature_store.models import FeatureDay, Pin, ViewVersion
from tenancy import audit
from tenancy.errors import NotFound, Refused
from tenancy.models import Shop
from tenancy.scope import scoped


@dataclass(frozen=True, slots=True)
class Known:
    """A version of a view, with what stands on it.

    Args:
        current: the code of this process makes it.
        models: that are pinned to it.
    """

    view: str
    digest: str
    current: bool
    first_at: datetime
    refreshed_at: datetime | None
    entities: int
    deprecated_at: datetime | None
    models: tuple[str, ...]


class StillPinned(Refused):
    """Models stand on the version: it is neither deprecated nor deleted."""


@scoped
def ensure(shop: Shop, views: Sequence[View], *, now: datetime) -> dict[str, ViewVersion]:
    """The rows of the current versions of these views, by view; a version that is new is written down. Safe to repeat.

    Call it outside long transactions: whoever asks for the same new version waits for the end of the first.
    """
    found: dict[str, ViewVersion] = {}
    for each in views:
        row, _ = ViewVersion.objects.get_or_create(
            shop=shop,
            view=each.name,
            digest=versions.digest(each),
            defaults={"first_at": now, "declared": declared(each)},
        )
        found[each.name] = row
    return found


def declared(view: View) -> dict[str, object]:
    """A view as it is written down for good."""
    return {
        "entity": view.entity.value,
        "told": view.told,
        "owner": view.owner,
        "parameters": {name: str(value) for name, value in view.parameters.items()},
        "features": [
            {
                "name": each.name, "dtype": each.dtype.value, "told": each.told, "missing": each.missing.value,
                "window_s": each.window and each.window.total_seconds(), "ttl_s": each.ttl.total_seconds(),
            }
            for each in view.features
        ],
    }  # fmt: skip


@scoped
def pin(shop: Shop, digests: Mapping[str, str], *, model: str, now: datetime) -> None:
    """Hold these versions of views for a model. Call it in the transaction that registers the model; safe to repeat.

    Raises:
        NotFound: the shop never had such a version.
        Refused: it is deprecated.
    """
    with transaction.atomic():
        for view, digest in sorted(digests.items()):
            row = _access(view, digest)
            if row.deprecated_at is not None and not Pin.objects.filter(version=row, model=model).exists():
                raise Refused(
                    f"{view} {digest} is deprecated: no new model may stand on it",
                    code="deprecated",
                    next_step="Train on the current version of the view.",
                )
            Pin.objects.get_or_create(shop=shop, version=row, model=model, defaults={"pinned_at": now})


@scoped
def unpin(shop: Shop, *, model: str) -> int:
    """Let go of what a model held, when it will never serve again."""
    return Pin.objects.filter(model=model).delete()[0]


@scoped
def pinned(shop_id: int, *, model: str) -> dict[str, str]:
    """The versions that a model holds, by view."""
    return dict(Pin.objects.filter(model=model).values_list("version__view", "version__digest"))


@scoped
def deprecate(shop: Shop, view: str, digest: str, *, actor: str, reason: str, now: datetime) -> None:
    """Let no new model stand on a version. Safe to repeat.

    Raises:
        NotFound: the shop has no such version.
        StillPinned: models stand on it; they are named.
    """
    with transaction.atomic():
        row = _free(view, digest, "deprecated")
        if ViewVersion.objects.filter(pk=row.pk, deprecated_at=None).update(deprecated_at=now):
            told = {"view": view, "digest": digest}
            audit.record(shop, actor=actor, action="features.deprecated", now=now, reason=reason, data=told)


@scoped
def delete(shop: Shop, view: str, digest: str, *, actor: str, reason: str, now: datetime) -> None:
    """Forget a version that is not computed any more: its row and statistics. Online vectors of it lapse within a day.

    Raises:
        NotFound: the shop has no such version.
        StillPinned: models stand on it; they are named.
        Refused: it is the one that is computed now.
    """
    with transaction.atomic():
        row = _free(view, digest, "deleted")
        if _current(shop).get(view) == digest:
            raise Refused(
                f"{view} {digest} is what the running code computes; it would be back in four hours",
                code="version_in_use",
                next_step="Delete it after the code has changed.",
            )
        FeatureDay.objects.filter(view=view, digest=digest).delete()
        row.delete()
        told = {"view": view, "digest": digest}
        audit.record(shop, actor=actor, action="features.deleted", now=now, reason=reason, data=told)


@scoped
def known(shop: Shop) -> tuple[Known, ...]:
    """All versions of a shop, by view, the newest first."""
    current = _current(shop)
    rows = ViewVersion.objects.prefetch_related("pins").order_by("view", "-first_at", "-id")
    return tuple(
        Known(
            row.view,
            row.digest,
            current.get(row.view) == row.digest,
            row.first_at,
            row.refreshed_at,
            row.entities,
            row.deprecated_at,
            tuple(sorted(each.model for each in row.pins.all())),
        )
        for row in rows
    )


def _current(shop: Shop) -> dict[str, str]:
    return {each.name: versions.digest(each) for each in catalogue.views(shop)}


def _access(view: str, digest: str) -> ViewVersion:
    # Locked until the transaction ends: a pin and an end of the same version see each other. Not by the lock of refreshing,
    # which is held for as long as a large shop takes.
    row = ViewVersion.objects.select_for_update().filter(view=view, digest=digest).first()
    if row is None:
        raise NotFound(
            f"there is no version {digest} of {view}",
            code="view_version_not_found",
            next_step="Choose one of the list of versions.",
        )
    return row


def _free(view: str, digest: str, told: str) -> ViewVersion:
    row = _access(view, digest)
    models = sorted(row.pins.values_list("model", flat=True))
    if models:
        raise StillPinned(
            f"{view} {digest} cannot be {told}: {', '.join(models)} {'stands' if len(models) == 1 else 'stand'} on it",
            code="still_pinned",
            next_step="Archive the models first.",
        )
    return row
