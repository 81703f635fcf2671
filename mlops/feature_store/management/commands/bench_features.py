"""Measures reading the vectors of 200 products, beside a bare MGET of as many bytes on the same connection."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mlops.feature_store import online, packed
from mlops.feature_store.catalogue import EVERYWHERE, services
from mlops.feature_store.declared import Entity
from tenancy.redis import client, key

# A number that no shop has.
NOBODY = 0


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--items", type=int, default=200, help="products of one request")
        parser.add_argument("--requests", type=int, default=10_000)
        parser.add_argument(
            "--catalogue", type=int, default=10_000, help="products that vectors are stored of"
        )
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--most-ms", type=float, default=3.0, help="exit code 1 when the 99th percentile is above"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        items, requests, count = options["items"], options["requests"], options["catalogue"]
        if not 0 < items <= count or requests < 1:
            raise CommandError(
                "--items must be between 1 and --catalogue, --requests at least 1", returncode=2
            )
        draw = np.random.default_rng(options["seed"])
        service = services(EVERYWHERE)[Entity.PRODUCT]
        now = timezone.now()
        try:
            bare_keys = self._fill(service, count, now, draw)
            asked = [draw.choice(count, items, replace=False) + 1 for _ in range(min(requests, 200))]
            taken: dict[str, list[float]] = {"read": [], "bare": []}
            for number in range(requests):
                ids = asked[number % len(asked)].tolist()
                # In turn, so that whatever else the machine does meets both.
                began = time.perf_counter()
                found = online.read(NOBODY, service, ids, now=now)
                taken["read"].append(time.perf_counter() - began)
                names = [bare_keys[each - 1] for each in ids]
                began = time.perf_counter()
                client().mget(names)
                taken["bare"].append(time.perf_counter() - began)
                if not found.found.all() or found.degraded_features:
                    raise CommandError("a vector that was just written is missing", returncode=1)
        finally:
            online.forget(NOBODY)
            for start in range(0, count, 1_000):
                client().delete(*[key("bench-features", each) for each in range(start + 1, start + 1_001)])
        size = packed.layout(service).itemsize
        self.stdout.write(
            f"{requests:,} requests of {items} products, {len(service.features)} features, {size} bytes a vector"
        )
        self.stdout.write(f"{'':<12}{'p50':>9}{'p99':>9}{'mean':>9}  ms")
        middle: dict[str, Any] = {}
        for way, seconds in taken.items():
            middle[way] = [float(np.percentile(seconds, each)) * 1000 for each in (50, 99)] + [
                float(np.mean(seconds)) * 1000
            ]
            told = "".join(f"{each:>9.3f}" for each in middle[way])
            self.stdout.write(f"{'vectors' if way == 'read' else 'bare MGET':<12}{told}")
        ratios = "".join(
            f"{mine / bare:>9.2f}" for mine, bare in zip(middle["read"], middle["bare"], strict=True)
        )
        self.stdout.write(f"{'ratio':<12}{ratios}")
        if middle["read"][1] > options["most_ms"]:
            raise CommandError(
                f"the 99th percentile is above {options['most_ms']:g} ms; look at the ratio before you blame the code",
                returncode=1,
            )

    def _fill(self, service: Any, count: int, now: Any, draw: np.random.Generator) -> list[str]:
        ids = list(range(1, count + 1))
        moments = np.full((count, len(service.views)), packed.microseconds(now), dtype=np.int64)
        values = draw.normal(size=(count, len(service.features)))
        online.write(NOBODY, service, ids, moments, values)
        names = [key("bench-features", each) for each in ids]
        blank = bytes(packed.layout(service).itemsize)
        for start in range(0, count, 1_000):
            pipe = client().pipeline(transaction=False)
            for each in names[start : start + 1_000]:
                pipe.set(each, blank, ex=600)
            pipe.execute()
        return names
