"""Which versions learnt from somebody who was erased since, and artefacts that named them.

Who was erased is taken out of every artefact that names them, which gives it another digest; what was learnt from many stays in
it until the version is replaced, and that is told beside it (`Version.redacted_at`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from mlops.features import sealed
from mlops.predictors import artefact
from mlops.predictors.recommend.forget import without
from mlops.predictors.recommend.shop import ShopRecommender
from mlops.registry import loader
from mlops.registry.models import Version
from tenancy.models import Shop


def flag(
    *, snapshots: Iterable[int], doubtful: Iterable[int], first_order_at: datetime | None, now: datetime
) -> int:
    """Flag the versions of the scope's shop that learnt from an erased customer; how many are flagged anew.

    Args:
        snapshots: those that held the customer.
        doubtful: those of which nobody can tell; a version counts if its data reaches past the first order.
    """
    learnt = Q(snapshot_id__in=list(snapshots))
    if first_order_at is not None:
        learnt |= Q(snapshot_id__in=list(doubtful), data_until__gt=first_order_at)
    return Version.objects.filter(learnt).update(redacted_at=now, unlearned_at=None)


def flagged() -> list[Version]:
    """The versions of the scope's shop with an erased customer in what they learnt, oldest first."""
    return list(Version.objects.filter(redacted_at__isnull=False).order_by("id"))


def settle(version_ids: Iterable[int], *, unlearned_at: datetime | None) -> None:
    """Say since when a version without the erased serves in their place; None when one of them serves again."""
    rows = Version.objects.filter(pk__in=list(version_ids), redacted_at__isnull=False)
    if unlearned_at is None:
        rows.update(unlearned_at=None)
    else:
        rows.filter(unlearned_at__isnull=True).update(unlearned_at=unlearned_at)


def rewrite(shop: Shop, customers: Sequence[int], *, snapshots: Iterable[int]) -> int:
    """Take these customers out of the artefacts of versions that were trained on these snapshots; how many changed.

    Call it in the transaction of the erasure; whoever serves such a version must be told its new digest after the commit. Safe
    to repeat: a new file is whole before a row names it, and the old one goes once the rows are committed. One that is
    missing or damaged names nobody to anyone: it is left as it is.

    Args:
        snapshots: those that held the customers, or may have.
    """
    versions = Version.objects.filter(snapshot_id__in=list(snapshots), kind=ShopRecommender.kind)
    changed = 0
    for digest in sorted(set(versions.values_list("artefact_digest", flat=True))):
        try:
            loaded = artefact.unpack(sealed.read(shop.pk, digest, kind=loader.KIND), digest=digest)
        except (sealed.FileUnusable, artefact.BadArtefact):
            continue
        left = without(loaded.predictor, customers) if isinstance(loaded.predictor, ShopRecommender) else None
        if left is None:
            continue
        content = artefact.pack(left, loaded.about)
        renamed = artefact.digest_of(content)
        again = artefact.unpack(content, digest=renamed)
        sealed.keep(shop.pk, renamed, content, kind=loader.KIND)
        Version.objects.filter(artefact_digest=digest).update(
            artefact_digest=renamed, artefact_bytes=len(content), manifest=dict(again.manifest)
        )
        path = sealed.path_of(shop.pk, digest, kind=loader.KIND)
        transaction.on_commit(lambda path=path: path.unlink(missing_ok=True))  # type: ignore[misc]
        changed += 1
    transaction.on_commit(lambda: loader.forget(shop.pk))
    return changed
