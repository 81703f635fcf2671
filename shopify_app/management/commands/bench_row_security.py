"""What row-level security costs: the same work with it and without, turn about, in a database of its own.

Prints a line per work: median seconds with, without, and their ratio over the rounds. Nothing of yours is touched.
"""

from __future__ import annotations

import statistics
import time
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection

from mlops.features import read, store, summary
from mlops.features.events import OrderLine, OrderPlaced, Source
from tenancy import row_security
from tenancy.models import Shop
from tenancy.scope import unscoped

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LINES = 3
PRODUCTS = 2_000


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--orders", type=int, default=10_000, help="per round; default: %(default)s")
        parser.add_argument("--rounds", type=int, default=6, help="of either kind; default: %(default)s")

    def handle(self, *args: Any, **options: Any) -> None:
        settings.DATABASES["default"]["TEST"]["NAME"] = "bench_row_security"
        connection.settings_dict["TEST"]["NAME"] = "bench_row_security"
        before = connection.settings_dict["NAME"]
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            taken = self._measure(options["orders"], options["rounds"])
        finally:
            connection.creation.destroy_test_db(before, verbosity=0)
        for work, (held, free) in taken.items():
            ratios = [a / b for a, b in zip(held, free, strict=True)]
            self.stdout.write(
                f"{work:<28} with {statistics.median(held):8.4f} s   without {statistics.median(free):8.4f} s"
                f"   ratio {statistics.median(ratios):.3f}"
            )

    def _measure(self, orders: int, rounds: int) -> dict[str, tuple[list[float], list[float]]]:
        taken: dict[str, tuple[list[float], list[float]]] = {}
        for number in range(rounds * 2):
            held = number % 2 == 0
            _switch(on=held)
            shop = _shop(number)
            batch = [_order(each) for each in range(1, orders + 1)]
            until = BEGIN + timedelta(days=400)
            works: dict[str, Callable[[], Any]] = {
                f"import of {orders} orders": partial(
                    store.append, shop, batch, source=Source.BACKFILL, now=BEGIN
                ),
                "counts (overview)": partial(read.counts, shop),
                "traffic of 28 days": partial(
                    summary.traffic, shop, since=date(2026, 1, 1), until=date(2026, 1, 28)
                ),
                "training frame": partial(read.order_frame, shop, until=until),
            }
            for work, do in works.items():
                repeats = 1 if work.startswith("import") else 7
                times = []
                for _ in range(repeats):
                    began = time.perf_counter()
                    do()
                    times.append(time.perf_counter() - began)
                # The first of either kind warms caches and is left out.
                if number > 1:
                    taken.setdefault(work, ([], []))[0 if held else 1].append(min(times))
        return taken


def _switch(*, on: bool) -> None:
    with unscoped(why="the bench changes tables of its own database"), connection.cursor() as cursor:
        for table in row_security.shop_tables():
            cursor.execute(f'alter table "{table}" {"enable" if on else "disable"} row level security')


def _shop(number: int) -> Shop:
    return Shop.objects.create(
        domain=f"bench-{number}.myshopify.com", currency="EUR", timezone="UTC", installed_at=BEGIN
    )


def _order(number: int) -> OrderPlaced:
    at = BEGIN + timedelta(minutes=number)
    lines = tuple(
        OrderLine(
            line_id=number * 10 + each,
            product_id=(number * 7 + each * 13) % PRODUCTS + 1,
            variant_id=None,
            sku=f"SKU-{each}",
            quantity=2,
            current_quantity=2,
            unit_price=Decimal("19.90"),
        )
        for each in range(LINES)
    )
    return OrderPlaced(
        order_id=number,
        version_at=at,
        ordered_at=at,
        currency="EUR",
        total=Decimal("119.40"),
        refunded=Decimal(0),
        lines=lines,
        customer_id=number % 3_000 + 1,
    )
