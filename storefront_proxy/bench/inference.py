"""What a version costs a serving process: time to load, memory, and CPU time of one query by kind, on one core.

`python -m storefront_proxy.bench.inference FILE` loads the artefact in a process of its own and writes JSON, so that nothing
else is mistaken for it.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mlops.predictors import artefact
from mlops.predictors.protocols import Query
from mlops.predictors.recommend.shop import ShopRecommender
from storefront_proxy.bench.recommender import NOW

CANDIDATES = 200
WARM, MEASURED = 20, 200


@dataclass(frozen=True, slots=True)
class Cost:
    """Args:
    load_s: CPU seconds from bytes to a recommender, all checks made.
    memory_mb: resident memory that the process has gained.
    kinds: CPU milliseconds of a query by kind: median and 99th percentile.
    """

    products: int
    artefact_mb: float
    load_s: float
    memory_mb: float
    kinds: dict[str, tuple[float, float]]


def measure(path: Path) -> Cost:
    """Load the artefact in this file and ask it."""
    artefact.digest_of(b"")
    before = _resident_mb()
    content = path.read_bytes()
    began = time.process_time()
    found = artefact.unpack(content, digest=artefact.digest_of(content)).predictor
    load_s = time.process_time() - began
    size = len(content)
    del content
    gc.collect()
    memory = _resident_mb() - before
    assert isinstance(found, ShopRecommender)
    return Cost(len(found.product_ids_), size / 2**20, load_s, memory, _kinds(found))


def _kinds(found: ShopRecommender) -> dict[str, tuple[float, float]]:
    draw = np.random.default_rng(5)

    def some(count: int) -> tuple[int, ...]:
        return tuple(int(each) for each in draw.choice(found.product_ids_, count, replace=False))

    def who() -> int:
        return int(draw.choice(found.customers_))

    day = NOW + 0.5
    kinds: dict[str, Callable[[], Query]] = {
        "page, nobody known": lambda: Query(day, some(1)),
        "page, customer": lambda: Query(day, some(1), customer=who()),
        "cart of 4, nobody known": lambda: Query(day, some(4)),
        "cart of 4, customer": lambda: Query(day, some(4), customer=who()),
        "home, customer": lambda: Query(day, customer=who()),
        "home, customer, nothing bought before": lambda: Query(day, customer=who(), exclude_owned=True),
        "home, session of 3": lambda: Query(day, recent=some(3)),
        "page, session of 3": lambda: Query(day, some(1), recent=some(3)),
    }
    return {name: _timed(found, [make() for _ in range(WARM + MEASURED)]) for name, make in kinds.items()}


def _timed(found: ShopRecommender, queries: Sequence[Query]) -> tuple[float, float]:
    spent = []
    for query in queries:
        began = time.process_time()
        found.recommend(query, CANDIDATES)
        spent.append(time.process_time() - began)
    low, high = np.percentile(np.array(spent[WARM:]) * 1e3, [50, 99])
    return float(low), float(high)


def _resident_mb() -> float:
    """Resident memory; 0 where /proc does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * 4096 / 2**20


def markdown(costs: Sequence[Cost]) -> str:
    """A table of the versions and one of the queries."""
    lines = ["| products | artefact MB | load CPU s | memory MB |", "| ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {each.products:,} | {each.artefact_mb:.0f} | {each.load_s:.2f} | {each.memory_mb:.0f} |"
        for each in costs
    ]
    lines += ["", "| query | products | p50 CPU ms | p99 CPU ms |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {kind} | {each.products:,} | {low:.2f} | {high:.2f} |"
        for each in costs
        for kind, (low, high) in each.kinds.items()
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    json.dump(asdict(measure(Path(sys.argv[1]))), sys.stdout)
