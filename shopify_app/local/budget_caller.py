"""One process of `make bench-budget`: reads a `Plan` as JSON, calls the Admin API from some threads, prints what it saw."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import django

from shopify_app.graphql.throttle import Priority


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process does.

    Args:
        counter: Redis key that counts the calls of all processes, up to `calls`.
        documents: [name, variables] to draw from; serving draws from `quick`.
        threads: number of threads by class. Serving pauses around `serving_pause_s` between calls, the others never.
    """

    domain: str
    token: str
    counter: str
    calls: int
    documents: Sequence[tuple[str, dict[str, Any]]]
    quick: Sequence[tuple[str, dict[str, Any]]]
    threads: dict[str, int]
    serving_pause_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class Seen:
    """Seconds in the queue of each call, by class, and what was raised."""

    waits: dict[str, list[float]]
    errors: list[str]


def call(plan: Plan) -> Seen:
    """Call until the counter is full."""
    from shopify_app.graphql.client import AdminClient
    from tenancy import redis as shared_redis
    from tenancy.models import Shop

    shop = Shop(pk=1, domain=plan.domain)
    seen = Seen({each.value: [] for each in Priority}, [])

    def work(priority: Priority, seed: str) -> None:
        drawn = random.Random(seed)  # noqa: S311 not cryptography
        client = AdminClient(
            shop=shop,
            token=lambda _refused: plan.token,
            priority=priority,
            patience_s=300.0,
            on_wait=seen.waits[priority.value].append,
        )
        serving = priority is Priority.SERVING
        while int(shared_redis.client().incr(plan.counter)) <= plan.calls:
            name, variables = drawn.choice(plan.quick if serving else plan.documents)
            try:
                client.run(name, variables)
            except Exception as error:
                seen.errors.append(f"{priority} {name}: {type(error).__name__} {error}"[:200])
            if serving:
                time.sleep(drawn.uniform(0.5, 1.5) * plan.serving_pause_s)

    threads = [
        threading.Thread(target=work, args=(Priority(name), f"{plan.seed} {name} {number}"))
        for name, count in plan.threads.items()
        for number in range(count)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return seen


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shopify_app.settings")
    django.setup()
    json.dump(asdict(call(Plan(**json.load(sys.stdin)))), sys.stdout)
