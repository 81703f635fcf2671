"""Versions and slots as facts for the reader, from the rooms that own them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q

from mlops.deployments import store as deployments
from mlops.deployments.models import SlotChange
from mlops.features.events import STOREFRONT_SLOTS, SlotName
from mlops.features.models import Snapshot
from mlops.registry.models import Version
from mlops.training.models import TrainingRun
from shopify_app.admin_api.facts import Measure, SlotFacts, SlotMove, VersionDetail, VersionFacts
from tenancy.models import Shop

# A version's page shows its newest changes; the whole log is on the page of changes.
MOST_CHANGES = 50


def slots(shop: Shop) -> tuple[SlotFacts, ...]:
    """The storefront slots, each with what is live and where a rollback would go."""
    states = deployments.slots(shop)
    newest = {change.slot: change for change in SlotChange.objects.order_by("slot", "-id").distinct("slot")}
    shown = [each for state in states.values() for each in (state.version, state.previous_good) if each]
    facts = _facts(shown, live=_live(states))
    found = []
    for name in STOREFRONT_SLOTS:
        state, change = states.get(name), newest.get(name.value)
        found.append(
            SlotFacts(
                slot=name.value,
                version=facts[state.version.pk] if state else None,
                since=state.changed_at if state else None,
                changed_by=change.actor if change else "",
                reason=change.reason if change else "",
                previous_good=facts[state.previous_good.pk] if state and state.previous_good else None,
            )
        )
    return tuple(found)


def slot(shop: Shop, name: SlotName) -> SlotFacts:
    return next(each for each in slots(shop) if each.slot == name.value)


def versions(
    shop: Shop, *, use_case: str, before: int | None, limit: int
) -> tuple[list[VersionFacts], int | None]:
    """A page of the versions of a use case, newest first, and the id to go on from; None at the end."""
    rows = Version.objects.filter(use_case=use_case).order_by("-id").select_related(None)
    if before is not None:
        rows = rows.filter(id__lt=before)
    # One row more than asked tells whether there is an older page.
    found = list(rows[: limit + 1])
    page = found[:limit]
    facts = _facts(page, live=_live(deployments.slots(shop)))
    return [facts[row.pk] for row in page], page[-1].pk if len(found) > limit else None


def version_detail(shop: Shop, version: Version) -> VersionDetail:
    changes = (
        SlotChange.objects.filter(Q(before=version) | Q(after=version))
        .select_related("before", "after")
        .order_by("-id")[:MOST_CHANGES]
    )
    parent = None
    if version.parent_id is not None:
        parent = Version.objects.filter(pk=version.parent_id).values_list("number", flat=True).first()
    return VersionDetail(
        version=_facts([version], live=_live(deployments.slots(shop)))[version.pk],
        kind=version.kind,
        digest=version.artefact_digest,
        snapshot=version.snapshot_digest,
        parameters=dict(version.parameters),
        seed=version.seed,
        code_revision=version.code_revision,
        parent_number=parent,
        changes=tuple(
            SlotMove(
                at=change.at,
                slot=change.slot,
                from_number=change.before.number if change.before else None,
                to_number=change.after.number,
                actor=change.actor,
                reason=change.reason,
                strategy=change.strategy,
            )
            for change in changes
        ),
        validation=tuple(_validation(version)),
    )


def _validation(version: Version) -> list[dict[str, Any]]:
    found = TrainingRun.objects.filter(pk=version.run_id).values_list("validation", flat=True).first()
    return list(found or ())


def _live(states: Mapping[SlotName, deployments.SlotState]) -> dict[int, tuple[str, ...]]:
    """Version to the slots it answers in, in the order of the storefront."""
    live: dict[int, list[str]] = defaultdict(list)
    for name in SlotName:
        if name in states:
            live[states[name].version.pk].append(name.value)
    return {version_id: tuple(names) for version_id, names in live.items()}


def _facts(rows: Iterable[Version], *, live: Mapping[int, tuple[str, ...]]) -> dict[int, VersionFacts]:
    unique = {row.pk: row for row in rows}
    snapshots = {row.snapshot_id for row in unique.values() if row.snapshot_id is not None}
    orders = dict(Snapshot.objects.filter(pk__in=snapshots).values_list("pk", "orders")) if snapshots else {}
    return {
        row.pk: VersionFacts(
            id=str(row.pk),
            number=row.number,
            use_case=row.use_case,
            state=row.lifecycle,
            created_at=row.registered_at,
            data_from=row.data_since,
            data_until=row.data_until,
            orders=None if row.snapshot_id is None else orders.get(row.snapshot_id),
            duration_s=row.duration_s,
            measures=tuple(_measures(row.metrics)),
            live_in=live.get(row.pk, ()),
            redacted_at=row.redacted_at,
            unlearned_at=row.unlearned_at,
        )
        for row in unique.values()
    }


def _measures(metrics: Mapping[str, Any]) -> Iterable[Measure]:
    """What `mlops.training.measures.report` found, slot by slot; a slot without cases was not measured."""
    for name in STOREFRONT_SLOTS:
        report = (metrics.get("slots") or {}).get(name.value) or {}
        cases = report.get("queries") or 0
        for measure, found in report.items():
            if not cases or not isinstance(found, dict) or "value" not in found:
                continue
            ahead = found.get("difference") or {}
            yield Measure(
                slot=name.value,
                name=measure,
                value=found["value"],
                low=found.get("low"),
                high=found.get("high"),
                baseline=found.get("baseline"),
                ahead=ahead.get("value"),
                ahead_low=ahead.get("low"),
                ahead_high=ahead.get("high"),
                cases=cases,
            )
