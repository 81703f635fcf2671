"""Measures what computing a shop's feature vectors costs: all of them, and those that an order changes. Prints JSON."""

from __future__ import annotations

import json
import os
import resource
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from mlops.feature_store import refresh
from mlops.feature_store.refresh import Refreshed
from tenancy.models import Shop
from tenancy.reading import Purpose, reading
from tenancy.scope import scope

PATIENCE_S = 600.0


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("shop", help="domain of the shop")
        parser.add_argument("--products", type=int, default=25, help="products of the order that comes in")
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        shop = Shop.objects.filter(domain=options["shop"]).first()
        if shop is None:
            raise CommandError(f"there is no shop {options['shop']}", returncode=2)
        draw = np.random.default_rng(options["seed"])
        with scope(shop), reading(actor="system:features", purpose=Purpose.FEATURES):
            products = self._ids("select product_id from features_product where deleted_at is null", draw)
            customers = self._ids(
                "select distinct customer_id from features_order where customer_id is not null", draw
            )

        def changed() -> Refreshed | None:
            some = products[: options["products"]]
            return refresh.update(shop, products=some, customers=customers[:1], now=timezone.now())

        before = _peak_mib()
        found = {
            "process before, MiB": {"peak_mib": before},
            "everything": _measured(lambda: refresh.refresh(shop, now=timezone.now())),
            "an order": _measured(changed),
        }
        self.stdout.write(json.dumps(found))

    def _ids(self, query: str, draw: np.random.Generator) -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute(query)
            rows = sorted(row[0] for row in cursor.fetchall())
        return [rows[each] for each in draw.permutation(len(rows)).tolist()]


def _measured(work: Callable[[], Refreshed | None]) -> dict[str, Any]:
    """CPU seconds of this process and of its server process in Postgres, as far as it runs on this machine."""
    until = time.monotonic() + PATIENCE_S
    while True:
        began, cpu, theirs = time.monotonic(), time.process_time(), _postgres_s()
        done = work()
        if done is not None:
            break
        if time.monotonic() > until:
            raise CommandError("another process computes this shop's features", returncode=1)
        time.sleep(1.0)
    after = _postgres_s()
    return {
        "cpu_s": round(time.process_time() - cpu, 2),
        "postgres_cpu_s": None if theirs is None or after is None else round(after - theirs, 2),
        "wall_s": round(time.monotonic() - began, 2),
        "peak_mib": _peak_mib(),
        "vectors": done.entities,
    }


def _postgres_s() -> float | None:
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        row = cursor.fetchone()
    try:
        # The name in parentheses may hold anything, spaces too.
        fields = Path(f"/proc/{row[0]}/stat").read_text().rpartition(")")[2].split()
    except (OSError, TypeError):
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mib() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
