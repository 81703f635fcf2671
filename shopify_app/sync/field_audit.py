"""The data audit: every registered field with how it is filled, what uses it and how long it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from mlops.features import attributes, profile
from mlops.features.models import FieldProfile
from mlops.features.profile import Wanted
from mlops.features.uses import uses_of
from shopify_app.sync.models import ImportJob, JobState
from shopify_app.sync.translate.register import KEPT, NOT_KEPT, REGISTER, About, Field, Resource, Shown
from tenancy.models import Shop, ShopState
from tenancy.scope import scope

EACH = timedelta(hours=24)
# Metafield values reach models through `store.attributes_frame`.
ATTRIBUTE_USE = "offered to models as a feature"


@dataclass(frozen=True, slots=True)
class Audited:
    """One field as the merchant sees it.

    Args:
        sources: where it comes from, as `bulk: path` or `webhook: path`; empty when we tell it ourselves.
        rows: rows looked at; None when the field is not measured.
        filled, distinct: of these; `whole` says that they are all rows, else `distinct` is a lower bound.
        example: a range or the commonest values; empty where it would say something of a person.
    """

    resource: str
    name: str
    meaning: str
    type: str
    sources: tuple[str, ...]
    stored: bool
    rows: int | None
    filled: int | None
    distinct: int | None
    whole: bool
    example: str
    used_by: tuple[str, ...]
    about: str
    kept: str


@dataclass(frozen=True, slots=True)
class Audit:
    """Args:
    measured_at: None until the first import is in.
    """

    measured_at: datetime | None
    fields: tuple[Audited, ...]


def wanted() -> list[Wanted]:
    """The registered columns that can be measured."""
    found = []
    for each in REGISTER:
        table, _, column = each.column.partition(".")
        if table.startswith("features_") and each.resource is not Resource.METAFIELD:
            showable = each.about is About.NOBODY
            found.append(
                Wanted(
                    table, column, ranged=showable and each.shown is Shown.RANGE,
                    commonest=showable and each.shown is Shown.COMMONEST,
                )
            )  # fmt: skip
    return found


def refresh(shop: Shop, *, now: datetime) -> None:
    """Measure the shop's columns anew."""
    profile.measure(shop, wanted(), now=now)


def due(now: datetime) -> list[int]:
    """Shops whose last audit is a day old, or older than their last import. Call it unscoped."""
    last = {
        row["shop_id"]: row["measured_at"]
        for row in FieldProfile.objects.values("shop_id", "measured_at")
        .distinct("shop_id")
        .order_by("shop_id")
    }
    imported: dict[int, datetime] = {}
    for shop_id, at in ImportJob.objects.filter(state=JobState.DONE).values_list("shop_id", "finished_at"):
        if at is not None:
            imported[shop_id] = max(at, imported.get(shop_id, at))
    installed = set(
        Shop.objects.filter(pk__in=imported, state=ShopState.INSTALLED).values_list("pk", flat=True)
    )
    return sorted(
        shop_id
        for shop_id, at in imported.items()
        if shop_id in installed and (shop_id not in last or last[shop_id] < max(at, now - EACH))
    )


def audit(shop: Shop) -> Audit:
    """Every registered field and every chosen metafield, with the last findings."""
    with scope(shop):
        found = profile.profiles(shop)
        fields = [_audited(each, found.get(each.column)) for each in REGISTER]
        fields += [_metafield(shop, each) for each in attributes.chosen(shop)]
    at = min((each.measured_at for each in found.values()), default=None)
    return Audit(at, tuple(fields))


def _audited(field: Field, held: FieldProfile | None) -> Audited:
    bulk = [f"bulk: {_root(field.resource)}{path}" for path in field.bulk]
    webhook = [f"webhook: {path}" for path in field.webhook]
    return Audited(
        resource=field.resource.value,
        name=field.name,
        meaning=field.meaning,
        type=field.type,
        sources=("storefront: web pixel and theme block",)
        if field.resource is Resource.VISIT
        else (*bulk, *webhook),
        stored=bool(field.column),
        rows=held.rows if held else None,
        filled=held.filled if held else None,
        distinct=held.distinct if held else None,
        whole=held.whole if held else True,
        example=_example(field, held),
        used_by=tuple(use.value for use in uses_of(field.column)),
        about=field.about.value,
        kept=_kept(field),
    )


def _kept(field: Field) -> str:
    if not field.column:
        return NOT_KEPT
    if field.resource is Resource.VISIT:
        periods = settings.RETAIN_DAYS
        return f"{periods['storefront']} days, the visitor's number {periods['visitors']} days"
    return KEPT[field.resource]


def _root(resource: Resource) -> str:
    return "" if resource in (Resource.SHOP, Resource.METAFIELD) else f"{resource.value}."


def _example(field: Field, held: FieldProfile | None) -> str:
    if held is None or field.about is not About.NOBODY:
        return ""
    if field.shown is Shown.RANGE and held.low:
        low, high = (each[:10] if field.type == "time" else each for each in (held.low, held.high))
        return low if low == high else f"{low} to {high}"
    return ", ".join(held.commonest) if field.shown is Shown.COMMONEST else ""


def _metafield(shop: Shop, chosen: attributes.Chosen) -> Audited:
    counted = attributes.counted(shop, chosen)
    return Audited(
        resource=Resource.METAFIELD.value,
        name=f"{chosen.owner.value} {chosen.column}",
        meaning=chosen.name + (f" ({counted.aside} values could not be used)" if counted.aside else ""),
        type=f"list of {chosen.kind.value}" if chosen.many else chosen.kind.value,
        sources=(f"bulk: {chosen.owner.value}.metafield({chosen.column})",),
        stored=True,
        rows=counted.owners,
        filled=counted.values,
        distinct=counted.distinct,
        whole=True,
        example="",
        used_by=(ATTRIBUTE_USE,),
        about=About.NOBODY.value,
        kept=KEPT[Resource.METAFIELD],
    )
