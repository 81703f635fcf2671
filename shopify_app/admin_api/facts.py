"""What the admin API says about a shop, as frozen values. Serializers show exactly these fields.

Money is a decimal string in the shop's currency; instants are aware UTC; a `day` is a calendar day of the shop's zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Measure:
    """One quality number of a version, measured on orders it had not seen.

    Args:
        slot: the task it was measured on.
        name: `ndcg@10`, `recall@20` or `coverage@10`.
        value, low, high: estimate with its 95 % interval; the ends are None when no interval is known.
        baseline: the same number for plain popularity, on the same orders; None when not measured.
        ahead, ahead_low, ahead_high: value minus baseline, case by case, with its 95 % interval: what tells better
            from worse. None when not measured.
        cases: how many purchases it was measured on.
    """

    slot: str
    name: str
    value: float
    low: float | None
    high: float | None
    baseline: float | None
    ahead: float | None
    ahead_low: float | None
    ahead_high: float | None
    cases: int


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """A registered version: what it learnt from, how good it is, where it is live."""

    id: str
    number: int
    use_case: str
    state: str
    created_at: datetime
    data_from: datetime | None
    data_until: datetime | None
    orders: int | None
    duration_s: float | None
    measures: tuple[Measure, ...]
    live_in: tuple[str, ...]
    redacted_at: datetime | None = None
    unlearned_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VersionDetail:
    version: VersionFacts
    kind: str
    digest: str
    snapshot: str
    parameters: dict[str, Any]
    seed: int | None
    code_revision: str
    parent_number: int | None
    changes: tuple[SlotMove, ...]
    validation: tuple[dict[str, Any], ...]  # suites that its data went through


@dataclass(frozen=True, slots=True)
class SlotMove:
    """One change of a slot: never edited, only followed by the next."""

    at: datetime
    slot: str
    from_number: int | None
    to_number: int | None
    actor: str
    reason: str
    strategy: str


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """A place in the shop and the version that answers there.

    Args:
        previous_good: what Roll back would return to; None when there is nothing to return to.
    """

    slot: str
    version: VersionFacts | None
    since: datetime | None
    changed_by: str
    reason: str
    previous_good: VersionFacts | None


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    """How far one resource's import is.

    Args:
        state: `waiting`, `running`, `done` or `failed`.
        phase: while running: `exporting` (Shopify writes its file), `reading` or `writing`; else None.
        done, total: rows of the present phase; total is None while unknown.
        note: what the merchant should know though nothing is wrong.
        problem: what went wrong, in words.
        skipped: rows that were not understood and left out.
    """

    resource: str
    state: str
    phase: str | None
    done: int
    total: int | None
    per_second: float | None
    eta_s: float | None
    note: str
    problem: str
    skipped: int


@dataclass(frozen=True, slots=True)
class ImportFacts:
    """Args:
    state: `not_started`, `running`, `done` or `failed`, over all resources.
    """

    state: str
    resources: tuple[ResourceFacts, ...]


@dataclass(frozen=True, slots=True)
class DataFacts:
    orders: int
    order_lines: int
    customers: int
    products: int
    variants: int
    collections: int
    refunds: int


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """Args:
    state: `never`, `running`, `done` or `failed`.
    step: what the running one does now.
    step_number, steps: which step that is, of how many; None when none runs.
    eta_s: seconds that it may still take, as a guess; None when nothing is known to guess from.
    level, level_told, unlocks: how much the history can teach, and what the next level needs; empty while not known.
    """

    state: str
    step: str
    reason: str
    started_at: datetime | None
    finished_at: datetime | None
    problem: str
    step_number: int | None
    steps: int | None
    eta_s: float | None
    level: str = ""
    level_told: str = ""
    unlocks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShopFacts:
    domain: str
    name: str
    currency: str
    timezone: str
    state: str
    installed_at: datetime
    theme_editor_url: str


@dataclass(frozen=True, slots=True)
class You:
    user_id: int
    role: str
    may_operate: bool
    may_manage_team: bool


@dataclass(frozen=True, slots=True)
class Overview:
    at: datetime
    shop: ShopFacts
    you: You
    history_import: ImportFacts
    data: DataFacts
    training: TrainingFacts
    slots: tuple[SlotFacts, ...]
    attribution_window_hours: int


@dataclass(frozen=True, slots=True)
class Tiers:
    """Answers by the tier that spoke, best first."""

    item_to_item: int
    trending: int
    newest: int
    none: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficTotals:
    """Figures of a day or a period.

    Args:
        requests: answers given; `shown` of them had at least one product.
        attributed_orders: orders that followed, without those cancelled since.
        attributed_net_revenue: what their recommended lines came to, less `taken_back`.
        taken_back: refunds, removals and cancellations, positive, on the day they happened.
    """

    requests: int
    tiers: Tiers
    shown: int
    clicks: int
    attributed_orders: int
    attributed_net_revenue: Decimal
    taken_back: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficDay(TrafficTotals):
    day: date


@dataclass(frozen=True, slots=True)
class Traffic:
    since: date
    until: date
    timezone: str
    currency: str
    attribution_window_hours: int
    totals: TrafficTotals
    days: tuple[TrafficDay, ...]
