"""The certificate of a search: what was looked at, what was found, when, by which build. It names nobody."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from mlops.training.revision import code_revision
from shopify_app.privacy import redact, search
from shopify_app.privacy.models import Redaction, RedactionState
from shopify_app.privacy.needles import Needles
from tenancy import audit, incidents, pseudonyms
from tenancy.models import Severity, Shop
from tenancy.scope import scope

log = logging.getLogger("shelfwise.privacy")
# What is on its way at the erasure arrives within seconds, an import's staged lines within the hour.
MOST_TRIES = 12
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(hours=1)
NOT_SEARCHED = (
    "Backups and replicas of the database, which age by their own rules.",
    "Pages on disk that Postgres and Redis have freed and not yet written over.",
    "Logs kept elsewhere than in the folders of LOG_DIRS: what a platform collects from the processes' output.",
    "Copies of an export that the shop's owner downloaded.",
)


def make(shop: Shop, needles: Needles, *, now: datetime, build: str = "") -> dict[str, Any]:
    """Search every store and say what was found."""
    began = time.monotonic()
    found = search.everywhere(needles)
    names = pseudonyms.of(shop)
    about = {
        "shop": shop.domain,
        "subject": [names.mark("certificate", each).hex() for each in needles.pseudonyms],
    }
    return written(about, needles, found, now=now, build=build, seconds=time.monotonic() - began)


def written(
    about: dict[str, Any],
    needles: Needles,
    found: search.Findings,
    *,
    now: datetime,
    seconds: float,
    build: str = "",
) -> dict[str, Any]:
    """The certificate of a search. `sha256` is over all the rest, keys sorted, no spaces."""
    certificate: dict[str, Any] = {
        "format": 1,
        **about,
        "searched_at": now.isoformat(),
        "build": build or code_revision(),
        "seconds": round(seconds, 2),
        "looked_for": needles.kinds(),
        "searched": {store: dict(sorted(counts.items())) for store, counts in sorted(found.searched.items())},
        "hits": {place: dict(kinds) for place, kinds in sorted(found.hits.items())},
        "unopened": found.unopened,
        "clean": found.clean,
        "not_searched": list(NOT_SEARCHED),
    }
    return {**certificate, "sha256": digest(certificate)}


def digest(certificate: dict[str, Any]) -> str:
    rest = {name: value for name, value in certificate.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def certify(redaction: Redaction, *, now: datetime) -> Redaction:
    """Search for an erased customer, and keep the certificate once nothing is found; else try again later.

    From the second try on, what is stuck in Redis and still names the customer is deleted. After `MOST_TRIES` the
    certificate says what is found, and an incident tells the merchant.
    """
    shop = redaction.shop
    if redaction.state != RedactionState.ERASED or redaction.needles_sealed is None:
        return redaction
    sealed = bytes(redaction.needles_sealed)
    needles = Needles.read(settings.KEYRING.open(sealed, context=f"redaction:{shop.pk}"))
    if redaction.tries:
        redact.sweep_redis(needles)
    certificate = make(shop, needles, now=now)
    tries = redaction.tries + 1
    with transaction.atomic(), scope(shop):
        if not certificate["clean"] and tries < MOST_TRIES:
            redaction.tries, redaction.next_try_at = tries, now + pause(tries)
            redaction.save(update_fields=["tries", "next_try_at"])
            # Places alone: a file that cannot be opened holds up the certificate until somebody looks after it.
            told = {"found_in": sorted(certificate["hits"]), "unopened": certificate["unopened"][:20]}
            log.warning("privacy.search_again", extra={"shop_id": shop.pk, "tries": tries, **told})
        else:
            keep(redaction, certificate, now=now)
    return redaction


def pause(tries: int) -> timedelta:
    """How long to wait after so many tries."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * int(2 ** (tries - 1)))


def keep(redaction: Redaction, certificate: dict[str, Any], *, now: datetime) -> None:
    """Store the certificate with its audit entry. Call it in a transaction and the shop's scope."""
    state = RedactionState.CERTIFIED if certificate["clean"] else RedactionState.FOUND
    redaction.state, redaction.certificate, redaction.certified_at = state, certificate, now
    redaction.needles_sealed, redaction.next_try_at = None, None
    redaction.save()
    audit.record(
        redaction.shop,
        actor="system:privacy",
        action="privacy.redaction_certified" if certificate["clean"] else "privacy.redaction_incomplete",
        now=now,
        reason="every store was searched for the erased customer",
        data={"redaction": redaction.pk, "hits": len(certificate["hits"]), "sha256": certificate["sha256"]},
    )
    if not certificate["clean"]:
        incidents.open_incident(
            redaction.shop,
            kind="redaction_incomplete",
            subject=str(redaction.pk),
            severity=Severity.CRITICAL,
            now=now,
            told="A customer was erased, but the search afterwards still found traces of them.",
            next_step="Open Privacy: the certificate names the places. Tell the operator of this app.",
            data={"redaction": redaction.pk},
        )


def due(now: datetime) -> list[Redaction]:
    """Redactions of all shops whose search is due. Call it unscoped."""
    waiting = Redaction.objects.filter(state=RedactionState.ERASED, next_try_at__lte=now)
    return list(waiting.select_related("shop").order_by("next_try_at")[:10])
