"""Put a version into a slot, take it out again. Effective on every serving process within two seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from mlops.deployments import pointers
from mlops.deployments.history import Change, previous_good
from mlops.deployments.models import Slot, SlotChange, Strategy
from mlops.deployments.pointers import Pointer
from mlops.features.events import SlotName
from mlops.registry import loader
from mlops.registry.models import Lifecycle, UseCase, Version
from mlops.registry.store import move
from tenancy import audit
from tenancy.errors import NotFound, UserFixable
from tenancy.locks import LockKind, lock
from tenancy.models import Shop


class SlotChanged(UserFixable):
    """Somebody else changed the slot since the caller looked."""

    code = "slot_changed"


class WrongPlace(UserFixable):
    """The version answers another kind of question than the slot asks."""

    code = "version_of_another_kind"


class NothingToReturnTo(UserFixable):
    code = "nothing_to_roll_back_to"


@dataclass(frozen=True, slots=True)
class SlotState:
    """A slot after a change."""

    slot: SlotName
    version: Version
    previous_good: Version | None
    revision: int
    changed_at: datetime


def deploy(
    shop: Shop,
    slot: SlotName,
    version: Version,
    *,
    actor: str,
    reason: str,
    now: datetime,
    expected_version_id: int | None = None,
) -> SlotState:
    """Serve this version in the slot from now on; when it does already, nothing changes.

    Args:
        expected_version_id: refuse when another version serves; None does not ask.

    Raises:
        WrongPlace: a forecast is no recommender.
        SlotChanged: another version serves than expected.
        IllegalTransition: the version is archived.
        FileUnusable, BadArtefact: its artefact does not load; the slot stays as it is.
    """
    if (slot is SlotName.FORECAST) != (version.use_case == UseCase.DEMAND):
        raise WrongPlace(
            f"version {version.number} of {version.use_case} cannot serve {slot.value}; what was live stays live",
            next_step="Choose a version of the same kind.",
        )
    loader.load(shop.pk, version.artefact_digest)
    with transaction.atomic():
        lock(shop, LockKind.SLOTS, wait_s=10.0)
        held = Slot.objects.filter(name=slot.value).select_related("version").first()
        _expect(held, expected_version_id)
        if held is not None and held.version_id == version.pk:
            return _state(held)
        return _change(shop, slot, held, version, Strategy.DIRECT, actor=actor, reason=reason, now=now)


def roll_back(
    shop: Shop, slot: SlotName, *, expected_version_id: int, actor: str, reason: str, now: datetime
) -> SlotState:
    """Return the slot to its previous good version; the one that serves counts as bad from then on.

    Args:
        expected_version_id: the version that the caller wants out of traffic.

    Raises:
        NotFound: nothing was ever deployed there.
        SlotChanged: another version serves by now; nothing was changed.
        NothingToReturnTo: no earlier good version exists.
    """
    with transaction.atomic():
        lock(shop, LockKind.SLOTS, wait_s=10.0)
        held = Slot.objects.filter(name=slot.value).select_related("version").first()
        if held is None:
            raise NotFound(
                f"nothing serves {slot.value} yet", code="slot_empty", next_step="Train and deploy first."
            )
        _expect(held, expected_version_id)
        if held.previous_good_id is None:
            raise NothingToReturnTo(
                f"{slot.value} has no earlier good version",
                next_step="Deploy a version from the list of versions, or train a new one.",
            )
        back = Version.objects.get(pk=held.previous_good_id)
        return _change(shop, slot, held, back, Strategy.ROLLBACK, actor=actor, reason=reason, now=now)


def slots(shop: Shop) -> dict[SlotName, SlotState]:
    """All slots in which something was deployed."""
    rows = Slot.objects.filter(shop_id=shop.pk).select_related("version", "previous_good")
    return {SlotName(row.name): _state(row) for row in rows}


def publish_all(shop: Shop) -> None:
    """Write the shop's pointers to Redis anew; safe at any time, never turns a pointer back."""
    for row in Slot.objects.filter(shop_id=shop.pk).select_related("version"):
        pointers.publish(shop.pk, SlotName(row.name), _pointer(row))
    pointers.mark_published(shop.pk)


def _expect(held: Slot | None, expected_version_id: int | None) -> None:
    serving = held.version_id if held is not None else None
    if expected_version_id is not None and serving != expected_version_id:
        raise SlotChanged(
            "another version serves this slot by now; nothing was changed",
            next_step="Reload the page and look at what serves now.",
        )


def _change(
    shop: Shop,
    slot: SlotName,
    held: Slot | None,
    version: Version,
    strategy: Strategy,
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> SlotState:
    before = held.version if held is not None else None
    move(version, Lifecycle.PRODUCTION, actor=actor, reason=reason, now=now)
    SlotChange.objects.create(
        shop=shop,
        slot=slot.value,
        strategy=strategy,
        before=before,
        after=version,
        actor=actor,
        reason=reason,
        at=now,
    )
    history = SlotChange.objects.filter(slot=slot.value).order_by("id").values_list("after_id", "strategy")
    good = previous_good(Change(after, rollback=how == Strategy.ROLLBACK) for after, how in history)
    row, _ = Slot.objects.update_or_create(
        shop=shop,
        name=slot.value,
        defaults={
            "version": version,
            "previous_good_id": good,
            "revision": held.revision + 1 if held is not None else 1,
            "changed_at": now,
        },
    )
    if before is not None and not Slot.objects.filter(version=before).exists():
        move(before, Lifecycle.STAGING, actor=actor, reason=reason, now=now)
    audit.record(
        shop,
        actor=actor,
        action=f"slot.{'rolled_back' if strategy == Strategy.ROLLBACK else 'deployed'}",
        now=now,
        reason=reason,
        data={
            "slot": slot.value,
            "from_version": before.number if before else None,
            "to_version": version.number,
            "from_version_id": before.pk if before else None,
            "to_version_id": version.pk,
        },
    )
    pointer = _pointer(row)
    # If this process dies before it publishes, the training tick does within seconds.
    transaction.on_commit(lambda: pointers.publish(shop.pk, slot, pointer), robust=True)
    transaction.on_commit(lambda: pointers.mark_published(shop.pk), robust=True)
    return _state(row)


def _pointer(row: Slot) -> Pointer:
    return Pointer(row.revision, row.version_id, row.version.number, row.version.artefact_digest)


def _state(row: Slot) -> SlotState:
    return SlotState(SlotName(row.name), row.version, row.previous_good, row.revision, row.changed_at)
