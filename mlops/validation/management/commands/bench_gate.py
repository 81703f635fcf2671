"""Measures what the gate costs: the same orders appended with and without it. Everything is rolled back."""

from __future__ import annotations

import gc
import random
import statistics
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from mlops.features import store
from mlops.features.events import Event, OrderLine, OrderPlaced, ProductChanged, Source, VariantState
from mlops.validation import gate
from tenancy.models import Shop
from tenancy.scope import scope

VARIANTS = 5_000
ORDERS_PER_BATCH = 1_000


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--batches", type=int, default=10, help="of 1,000 orders, for each of the two ways"
        )
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        draw = random.Random(options["seed"])  # noqa: S311 - made-up orders, not secrets
        taken: dict[str, list[float]] = {"without": [], "with": []}
        spent: dict[str, list[float]] = {"without": [], "with": []}
        lines = 0
        gc.freeze()
        gc.set_threshold(100_000, 20, 20)  # as the workers do
        with transaction.atomic():
            shop = Shop.objects.create(
                domain="bench-gate.myshopify.com", currency="GBP", timezone="Europe/London", installed_at=now
            )
            with scope(shop):
                store.append(shop, _catalogue(now), source=Source.BACKFILL, now=now)
                for at in range(options["batches"] * 2 + 2):
                    batch = _orders(draw, at * ORDERS_PER_BATCH, now)
                    way = "with" if at % 2 else "without"
                    began, busy = time.perf_counter(), time.process_time()
                    if at % 2:
                        came = gate.admit(shop, batch, source=Source.BACKFILL, now=now)
                        assert came.held == 0
                    else:
                        store.append(shop, batch, source=Source.BACKFILL, now=now)
                    seconds, cpu = time.perf_counter() - began, time.process_time() - busy
                    if at >= 2:  # the first of each warms up
                        taken[way].append(seconds)
                        spent[way].append(cpu)
                        lines += sum(len(each.lines) for each in batch if isinstance(each, OrderPlaced))
            transaction.set_rollback(True)
        per_batch = lines / (2 * options["batches"])
        alone, gated = (statistics.median(taken[way]) for way in ("without", "with"))
        self.stdout.write(
            f"append alone: {per_batch / alone:,.0f} lines/s (median of {options['batches']} batches)"
        )
        self.stdout.write(f"through the gate: {per_batch / gated:,.0f} lines/s")
        idle, gate_cpu = (statistics.median(spent[way]) for way in ("without", "with"))
        self.stdout.write(
            f"processor time of this process: {(gate_cpu - idle) / per_batch * 1e6:.1f} us a line more"
        )
        self.stdout.write(f"the gate adds {gated / alone - 1:.1%} to appending")
        self.stdout.write(f"the gate: {(gated - alone) / per_batch * 1e6:.1f} us a line")
        self.stdout.write(f"of an import of 16,000 lines/s: {(gated - alone) / per_batch * 16_000:.1%}")


def _catalogue(now: datetime) -> Sequence[Event]:
    return [
        ProductChanged(
            product_id=each, version_at=now, handle=f"p-{each}", title="", product_type="", vendor="",
            status="active", tags=(), created_at=now, published_at=now, image_url=None, gift_card=False,
            variants=(VariantState(each * 10, "", "", Decimal("12.50"), None, 1, each, 5, continue_selling=False),),
        )
        for each in range(1, VARIANTS + 1)
    ]  # fmt: skip


def _orders(draw: random.Random, start: int, now: datetime) -> list[Event]:
    found: list[Event] = []
    for number in range(start + 1, start + ORDERS_PER_BATCH + 1):
        bought = [draw.randrange(1, VARIANTS + 1) for _ in range(draw.choice((1, 2, 3, 4, 5, 6)))]
        lines = tuple(
            OrderLine(number * 10 + at, each, each * 10, "", 1, 1, Decimal("12.50"))
            for at, each in enumerate(bought)
        )
        found.append(
            OrderPlaced(
                order_id=number, version_at=now, ordered_at=now - timedelta(minutes=number), currency="GBP",
                total=Decimal("12.50") * len(lines), refunded=Decimal(0), lines=lines, name=f"#{number}",
                customer_id=number % 700 + 1,
            )
        )  # fmt: skip
    return found
