"""How a shop buys: lead times, fill rates, minimums and cases, by shop, vendor and variant. The narrowest word counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction

from mlops.demand.models import BuyingTerms, TermsOf
from mlops.predictors.demand.reorder import FILL, Importance, Terms
from tenancy import audit
from tenancy.errors import Refused
from tenancy.locks import LockKind, lock
from tenancy.models import Shop
from tenancy.scope import scoped

MOST = 20_000  # rows of a shop
LONGEST_DAYS = 365
LARGEST_ORDER = 1_000_000
EVERYWHERE = ("lead_days", "late_days", "minimum", "pack")
SHOP_ALONE = ("review_days", "fill_a", "fill_b", "fill_c")
DEFAULTS: Mapping[str, float] = {
    "lead_days": 14,
    "late_days": 14,
    "minimum": 1,
    "pack": 1,
    "review_days": 7,
    "fill_a": FILL[Importance.A],
    "fill_b": FILL[Importance.B],
    "fill_c": FILL[Importance.C],
}


@dataclass(frozen=True, slots=True)
class Told:
    """What was said of one vendor or variant, or of the shop; only what was said."""

    of: TermsOf
    key: str
    values: dict[str, float]


@scoped
def every(shop: Shop) -> list[Told]:
    """Everything that was said, the shop's first."""
    rows = BuyingTerms.objects.order_by("of", "key")
    found = [
        Told(
            TermsOf(row.of),
            row.key,
            {n: getattr(row, n) for n in (*EVERYWHERE, *SHOP_ALONE) if getattr(row, n) is not None},
        )
        for row in rows
    ]
    order = [TermsOf.SHOP, TermsOf.VENDOR, TermsOf.VARIANT]
    return sorted(found, key=lambda each: order.index(each.of))


def whole(told: Sequence[Told]) -> dict[str, float]:
    """The shop's own terms, with what stands in for what was not said."""
    shop = next((each.values for each in told if each.of is TermsOf.SHOP), {})
    return {**DEFAULTS, **shop}


def arrays(
    told: Sequence[Told], variants: Sequence[int], vendors: Sequence[str], classes: Sequence[Importance]
) -> Terms:
    """The terms of each variant."""
    shop = whole(told)
    by_vendor = {each.key: each.values for each in told if each.of is TermsOf.VENDOR}
    by_variant = {each.key: each.values for each in told if each.of is TermsOf.VARIANT}
    rows = {name: np.full(len(variants), int(shop[name]), np.int64) for name in EVERYWHERE}
    if by_vendor or by_variant:
        for place, (variant, vendor) in enumerate(zip(variants, vendors, strict=True)):
            for values in (by_vendor.get(vendor), by_variant.get(str(variant))):
                for name in EVERYWHERE if values else ():
                    if values and name in values:
                        rows[name][place] = int(values[name])
    fill = {each: float(shop[f"fill_{each.value.lower()}"]) for each in Importance}
    return Terms(
        lead=rows["lead_days"],
        # A shorter lead time that was said of one thing alone makes a late one of the wider terms no nonsense.
        late=np.maximum(rows["late_days"], rows["lead_days"]),
        review=int(shop["review_days"]),
        minimum=rows["minimum"],
        pack=rows["pack"],
        fill=np.array([fill[each] for each in classes], np.float64),
    )


@scoped
def say(
    shop: Shop, of: TermsOf, key: str, values: Mapping[str, float | None], *, actor: str, now: datetime
) -> None:
    """Change what is said; null takes it back, and what is not named stays.

    Raises:
        Refused: it cannot be; nothing was changed.
    """
    for name, value in values.items():
        _possible(of, name, value)
    if (of is TermsOf.SHOP) == bool(key) or len(key) > 255:
        raise Refused("name a vendor or a variant, and nothing for the shop", field="key")
    if of is TermsOf.VARIANT and not (key.isascii() and key.isdecimal() and len(key) <= 18):
        raise Refused("a variant is named by its number", field="key")
    with transaction.atomic():
        lock(shop, LockKind.SLOTS, wait_s=10.0)
        row = BuyingTerms.objects.filter(of=of, key=key).first()
        if row is None:
            if BuyingTerms.objects.count() >= MOST:
                raise Refused(f"a shop has terms of its own for at most {MOST} vendors and variants")
            row = BuyingTerms(shop=shop, of=of, key=key)
        before = {name: getattr(row, name) for name in values}
        for name, value in values.items():
            setattr(row, name, value)
        shop_terms = whole(every(shop))
        after: dict[str, float] = {
            name: getattr(row, name) if getattr(row, name) is not None else DEFAULTS[name] if of is TermsOf.SHOP else shop_terms[name]
            for name in ("lead_days", "late_days")
        }  # fmt: skip
        if row.late_days is not None and after["late_days"] < after["lead_days"]:
            raise Refused("a late delivery takes at least as long as one on time", field="late_days")
        row.changed_at = now
        if all(getattr(row, name) is None for name in (*EVERYWHERE, *SHOP_ALONE)):
            if row.pk is not None:
                row.delete()
        else:
            row.save()
        data: dict[str, Any] = {"of": of.value, "key": key, "before": before, "after": dict(values)}
        audit.record(shop, actor=actor, action="terms.changed", now=now, data=data)


def _possible(of: TermsOf, name: str, value: float | None) -> None:
    if name not in (*EVERYWHERE, *SHOP_ALONE) or (of is not TermsOf.SHOP and name in SHOP_ALONE):
        raise Refused(f"{name} cannot be said of a {of.value}", field=name)
    if value is None:
        return
    if name.startswith("fill_"):
        if not 0.5 <= value <= 0.999:
            raise Refused("a fill rate is between 50 % and 99.9 %", field=name)
        return
    least, most = {"minimum": (0, LARGEST_ORDER), "pack": (1, LARGEST_ORDER)}.get(name, (1, LONGEST_DAYS))
    if value != int(value) or not least <= value <= most:
        raise Refused(f"{name} is a whole number from {least} to {most}", field=name)
