"""Daily counts of judged rows, the pass ratio made of them, and both at /metrics."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Count, Max, Sum
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from mlops.validation.batches import Day
from mlops.validation.expectations import Suite
from mlops.validation.models import DailyCount, Halt, HeldRow, HeldState
from tenancy import measures
from tenancy.models import Shop
from tenancy.scope import scoped, unscoped

SCRAPED_DAYS = 7


@dataclass(slots=True)
class Tally:
    """Rows of one suite in one batch."""

    checked: int = 0
    warned: int = 0
    quarantined: int = 0
    halted: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    def fail(self, name: str, times: int = 1) -> None:
        self.failures[name] = self.failures.get(name, 0) + times


@dataclass(frozen=True, slots=True)
class Ratio:
    """Rows of one resource over some days. `ratio` is 1 when nothing was judged."""

    checked: int
    warned: int
    quarantined: int

    @property
    def ratio(self) -> float:
        return 1.0 if not self.checked else (self.checked - self.quarantined) / self.checked


def today(shop: Shop, now: datetime) -> date:
    """The day in the shop's zone."""
    return now.astimezone(ZoneInfo(shop.timezone)).date()


def so_far(shop: Shop, now: datetime) -> dict[str, Day]:
    """What today's rows came to, by resource, without batches that were held: those were judged as such. One query."""
    rows = DailyCount.objects.filter(shop=shop, day=today(shop, now)).values("resource")
    return {
        row["resource"]: Day(row["n"] - row["with_batch"], row["bad"] - row["with_batch"])
        for row in rows.annotate(n=Sum("checked"), bad=Sum("quarantined"), with_batch=Sum("halted"))
    }


@scoped
def add(shop: Shop, tallies: Mapping[tuple[str, int], Tally], now: datetime) -> None:
    """Add a batch to today's counts; in the batch's transaction, under its lock. One statement per suite."""
    day = today(shop, now)
    with connection.cursor() as cursor:
        for (resource, number), tally in sorted(tallies.items()):
            if not tally.checked:
                continue
            cursor.execute(
                "insert into validation_dailycount as c"
                " (shop_id, resource, suite_number, day, checked, warned, quarantined, halted,"
                " failures)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb)"
                " on conflict (shop_id, resource, suite_number, day) do update set"
                " checked = c.checked + excluded.checked, warned = c.warned + excluded.warned,"
                " quarantined = c.quarantined + excluded.quarantined, halted = c.halted + excluded.halted,"
                " failures = case when excluded.failures = '{}'::jsonb then c.failures else"
                " (select jsonb_object_agg(k, coalesce((c.failures->>k)::bigint, 0)"
                " + coalesce((excluded.failures->>k)::bigint, 0))"
                " from (select jsonb_object_keys(c.failures || excluded.failures)) as names(k)) end",
                [
                    shop.pk, resource, number, day, tally.checked, tally.warned, tally.quarantined,
                    tally.halted, json.dumps(tally.failures),
                ],
            )  # fmt: skip


def ratios(shop: Shop, *, since: date | None = None) -> dict[str, Ratio]:
    """By resource, over the days from `since` on; over all of them for None."""
    rows = DailyCount.objects.filter(shop=shop)
    if since is not None:
        rows = rows.filter(day__gte=since)
    summed = rows.values("resource").annotate(n=Sum("checked"), odd=Sum("warned"), bad=Sum("quarantined"))
    return {row["resource"]: Ratio(row["n"], row["odd"], row["bad"]) for row in summed}


def by_day(shop: Shop, *, since: date) -> dict[str, dict[date, Ratio]]:
    """By resource and day; days on which nothing was judged are left out."""
    rows = DailyCount.objects.filter(shop=shop, day__gte=since).values("resource", "day")
    found: dict[str, dict[date, Ratio]] = {}
    for row in rows.annotate(n=Sum("checked"), odd=Sum("warned"), bad=Sum("quarantined")):
        found.setdefault(row["resource"], {})[row["day"]] = Ratio(row["n"], row["odd"], row["bad"])
    return found


def held(shop: Shop) -> dict[str, int]:
    """Rows that wait for a decision, by resource."""
    rows = HeldRow.objects.filter(shop=shop, state=HeldState.HELD).values("resource")
    return {row["resource"]: row["n"] for row in rows.annotate(n=Count("pk"))}


def lineage(shop: Shop, suites: Mapping[str, Suite]) -> list[dict[str, Any]]:
    """Which suites the shop's data went through, and how much of it passed: what a training run keeps."""
    passed = ratios(shop)
    found = []
    for resource, suite in suites.items():
        each = passed.get(resource, Ratio(0, 0, 0))
        found.append(
            {
                "suite": resource,
                "version": suite.number,
                "digest": suite.digest,
                "checked": each.checked,
                "quarantined": each.quarantined,
                "pass_ratio": round(each.ratio, 6),
            }
        )
    return found


def publish() -> None:
    """Called once, when Django is ready."""
    measures.register("validation", _read)


def _read() -> Iterable[Metric]:
    """The newest day of each suite in the last week; a suite that judged nothing for a week is left out."""
    ratio = GaugeMetricFamily(
        "validation_pass_ratio",
        "Share of the rows of the suite's newest day that arrived, 0 to 1",
        labels=["suite", "tenant"],
    )
    held = GaugeMetricFamily(
        "validation_held_rows", "Rows in quarantine that nobody decided about", labels=["suite", "tenant"]
    )
    halted = GaugeMetricFamily(
        "validation_halted",
        "1: a batch was held as a whole and training is stopped",
        labels=["suite", "tenant"],
    )
    with unscoped(why="the scrape tells the pass ratio of every shop"):
        oldest = DailyCount.objects.aggregate(newest=Max("day"))["newest"]
        if oldest is None:
            return [ratio, held, halted]
        rows = (
            DailyCount.objects.filter(day__gte=oldest - timedelta(days=SCRAPED_DAYS))
            .values("shop_id", "resource", "day")
            .annotate(n=Sum("checked"), bad=Sum("quarantined"))
            .order_by("shop_id", "resource", "-day")
        )
        newest: dict[tuple[int, str], float] = {}
        for row in rows:
            one = Ratio(row["n"], 0, row["bad"]).ratio
            newest.setdefault((row["shop_id"], row["resource"]), one)
        domains = dict(Shop.objects.filter(pk__in={shop for shop, _ in newest}).values_list("pk", "domain"))
        open_rows = HeldRow.objects.filter(state=HeldState.HELD).values("shop_id", "resource")
        waiting = {(row["shop_id"], row["resource"]): row["n"] for row in open_rows.annotate(n=Count("pk"))}
        stopped = set(Halt.objects.filter(closed_at__isnull=True).values_list("shop_id", "resource"))
    for key, value in newest.items():
        labels = [key[1], domains[key[0]]]
        ratio.add_metric(labels, value)
        held.add_metric(labels, waiting.get(key, 0))
        halted.add_metric(labels, float(key in stopped))
    return [ratio, held, halted]
