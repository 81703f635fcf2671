"""Numbers for Prometheus: counters that all processes share, and values read when somebody asks.

A counter is a field of one Redis hash, so that every process adds to the same number; when Redis forgets it, it starts
again from zero, as Prometheus expects of counters. A value (a lag, a ratio) is read from its source at scrape time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis.client import Pipeline

from tenancy.errors import Transient
from tenancy.outages import AWAY
from tenancy.redis import client, key

PREFIX = "shelfwise_"


@dataclass(frozen=True, slots=True)
class Counter:
    """A number that only grows, one per set of label values."""

    name: str
    told: str
    labels: tuple[str, ...]

    def add(self, by: float = 1.0, *, to: Pipeline | None = None, **labels: str | int) -> None:
        """Add to the number. A Redis that is away loses the addition, never the work that is counted.

        Args:
            to: a pipeline that is on its way anyhow; the addition travels with it.
        """
        values = [str(labels[name]) for name in self.labels]
        field = json.dumps([self.name, *values], separators=(",", ":"))
        try:
            (client() if to is None else to).hincrbyfloat(key("counters"), field, by)
        except AWAY:
            return


Reader = Callable[[], Iterable[Metric]]
_counters: dict[str, Counter] = {}
_readers: dict[str, Reader] = {}


def counter(name: str, told: str, labels: Iterable[str] = ()) -> Counter:
    """Declare a counter once, at import. `name` is without prefix and ends in `_total`."""
    made = Counter(name, told, tuple(labels))
    if _counters.setdefault(name, made) != made:
        raise ValueError(f"the counter {name} is declared twice, differently")
    return made


def register(name: str, read: Reader) -> None:
    """Have `read` called at every scrape. It opens the scopes that it needs itself; repeated calls replace it."""
    _readers[name] = read


def gauge(name: str, told: str, values: Mapping[tuple[str, ...], float], labels: Iterable[str]) -> Metric:
    """One family of values, for a reader to give: label values to number."""
    family = GaugeMetricFamily(PREFIX + name, told, labels=list(labels))
    for each, value in sorted(values.items()):
        family.add_metric(list(each), value)
    return family


def exposition() -> bytes:
    """Everything in Prometheus' text format.

    A source that does not answer is left out and named in `shelfwise_scrape_failed`; the others are still told.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Everything())
    return generate_latest(registry)


class _Everything(Collector):
    def collect(self) -> Iterator[Metric]:
        failed: dict[tuple[str, ...], float] = {}
        sources: dict[str, Reader] = {"counters": _counted, **_readers}
        for name, read in sources.items():
            try:
                found = list(read())
            except (Transient, *AWAY):
                failed[(name,)] = 1.0
            else:
                failed[(name,)] = 0.0
                yield from found
        yield gauge("scrape_failed", "1: this source did not answer", failed, ["source"])


def _counted() -> Iterable[Metric]:
    families = {
        each.name: CounterMetricFamily(
            PREFIX + each.name.removesuffix("_total"), each.told, labels=each.labels
        )
        for each in _counters.values()
    }
    for field, value in sorted(client().hgetall(key("counters")).items()):
        name, *values = json.loads(field)
        declared = _counters.get(name)
        if declared is not None and len(values) == len(declared.labels):
            families[name].add_metric(values, float(value))
    return families.values()
