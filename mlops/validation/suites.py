"""The suites of a shop and their versions: read, changed, never overwritten."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from mlops.validation import expectations
from mlops.validation.defaults import LARGEST_AMOUNT, RESOURCES, default
from mlops.validation.expectations import BadBounds, Change, Check, Expectation, Severity, Suite
from mlops.validation.models import SuiteVersion
from tenancy import audit
from tenancy.errors import NotFound, Refused, UserFixable
from tenancy.models import Shop

DEFAULT_AUTHOR = "system:default"
DEFAULT_REASON = "what every shop begins with"
# Versions never change, so a process reads each once.
MOST_READ = 1_000
_read: dict[int, Suite] = {}


class SuiteMoved(UserFixable):
    code = "suite_moved"


def current(shop: Shop, *, now: datetime) -> dict[str, Suite]:
    """The suite of every resource that holds now; the defaults become version 1 when there is none. One query."""
    rows = SuiteVersion.objects.filter(shop=shop).order_by("resource", "-number").distinct("resource")
    ids = dict(rows.values_list("resource", "pk"))
    unknown = [pk for pk in ids.values() if pk not in _read]
    for row in SuiteVersion.objects.filter(pk__in=unknown) if unknown else ():
        if len(_read) >= MOST_READ:
            _read.clear()
        _read[row.pk] = suite(row)
    found = {resource: _read[pk] for resource, pk in ids.items()}
    for resource in RESOURCES:
        if resource not in found:
            found[resource] = _begin(shop, resource, now)
    return found


def version(shop: Shop, resource: str, number: int | None = None) -> SuiteVersion:
    """One version, the newest for None. Before the first row came it is the default, not stored yet.

    Raises:
        NotFound: there is none of this number, or no such resource.
    """
    found = [each for each in versions(shop, resource) if number is None or each.number == number]
    if not found:
        raise NotFound(
            "There is no such version of this suite.", code="suite_not_found", next_step="Reload the page."
        )
    return found[0]


def versions(shop: Shop, resource: str) -> list[SuiteVersion]:
    """All versions, newest first; none of what is no resource. Writes nothing."""
    if resource not in RESOURCES:
        return []
    stored = list(SuiteVersion.objects.filter(shop=shop, resource=resource).order_by("-number"))
    return stored or [_unsaved(shop, default(resource), 1, DEFAULT_AUTHOR, DEFAULT_REASON, shop.installed_at)]


def suite(row: SuiteVersion) -> Suite:
    return expectations.read(row.resource, row.content, row.number)


def differences(shop: Shop, resource: str, before: int, after: int) -> list[Change]:
    """What changed between two versions.

    Raises:
        NotFound: one of them does not exist.
    """
    return expectations.diff(suite(version(shop, resource, before)), suite(version(shop, resource, after)))


def change(
    shop: Shop,
    resource: str,
    name: str,
    *,
    severity: str | None,
    bounds: Mapping[str, Any],
    base: int,
    actor: str,
    reason: str,
    now: datetime,
) -> SuiteVersion:
    """A person changes one expectation: a new version, with an audit entry. The same content again changes nothing.

    Args:
        base: the version that the person was looking at.

    Raises:
        NotFound: no such resource or expectation.
        Refused: a bound that cannot be.
        SuiteMoved: somebody else changed the suite in between.
    """
    row = version(shop, resource)
    if row.number != base:
        raise _moved(row.number)
    before = suite(row)
    expectation = before.find(name)
    if expectation is None:
        raise NotFound(
            "There is no such expectation.", code="expectation_not_found", next_step="Reload the page."
        )
    try:
        wanted = expectations.edited(expectation, severity=severity, bounds=bounds)
        _refuse_unstorable(before, wanted)
    except BadBounds as error:
        raise Refused(
            f"{str(error).capitalize()}. Nothing was changed.", code="bad_bounds", field="bounds"
        ) from None
    with transaction.atomic():
        if row._state.adding:
            _begin(shop, resource, now)
        saved = save(shop, before.with_changed([wanted]), author=actor, reason=reason, now=now)
        if saved.number != before.number:
            audit.record(
                shop,
                actor=actor,
                action="validation.suite_changed",
                now=now,
                reason=reason,
                data={
                    "resource": resource,
                    "from": before.number,
                    "to": saved.number,
                    "expectation": name,
                    "before": expectation.plain(),
                    "after": wanted.plain(),
                },
            )
    return saved


def save(shop: Shop, wanted: Suite, *, author: str, reason: str, now: datetime) -> SuiteVersion:
    """Keep the suite as the next version, unless the newest one is the same.

    Raises:
        SuiteMoved: another process kept one in the same moment.
    """
    newest = SuiteVersion.objects.filter(shop=shop, resource=wanted.resource).order_by("-number").first()
    if newest is not None and newest.digest == wanted.digest:
        return newest
    number = 1 if newest is None else newest.number + 1
    try:
        with transaction.atomic():
            saved = _unsaved(shop, wanted, number, author, reason, now)
            saved.save(force_insert=True)
            return saved
    except IntegrityError:
        raise _moved(number) from None


def _refuse_unstorable(suite: Suite, wanted: Expectation) -> None:
    """What no column can hold is never let in, whatever a person sets: it would stop the import instead of one row."""
    if wanted.check is Check.TYPE and wanted.severity is Severity.WARN:
        raise BadBounds("a value of another kind cannot be kept, so it cannot be let in with a warning")
    kind = next(
        (e.bounds["type"] for e in suite.expectations if e.field == wanted.field and e.check is Check.TYPE),
        "",
    )
    if wanted.check is not Check.RANGE or kind not in ("integer", "decimal"):
        return
    if wanted.field.endswith("_id"):
        raise BadBounds("numbers of things have no bounds of your own")
    if kind == "decimal":
        low, high = wanted.bounds.get("min"), wanted.bounds.get("max")
        if wanted.severity is Severity.WARN:
            raise BadBounds(
                "an amount beyond all columns cannot be kept; widen the bounds instead of warning"
            )
        if low is None or high is None or low < -LARGEST_AMOUNT or high > LARGEST_AMOUNT:
            raise BadBounds(f"amounts lie between -{LARGEST_AMOUNT} and {LARGEST_AMOUNT}")


def _begin(shop: Shop, resource: str, now: datetime) -> Suite:
    try:
        row = save(shop, default(resource), author=DEFAULT_AUTHOR, reason=DEFAULT_REASON, now=now)
    except SuiteMoved:  # another process began at the same moment
        row = version(shop, resource)
    return suite(row)


def _unsaved(shop: Shop, suite: Suite, number: int, author: str, reason: str, at: datetime) -> SuiteVersion:
    return SuiteVersion(
        shop=shop, resource=suite.resource, number=number, digest=suite.digest, content=suite.plain(), author=author,
        reason=reason, created_at=at,
    )  # fmt: skip


def _moved(number: int) -> SuiteMoved:
    return SuiteMoved(
        f"Somebody changed this suite a moment ago: version {number} holds now. Nothing was changed.",
        next_step="Reload the page and look at it again.",
    )
