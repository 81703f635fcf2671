"""What Prometheus is told of the bus: how far each group is behind, and what each topic refused, lost or gave up."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric

from tenancy import measures
from tenancy.bus.opened import open_bus
from tenancy.bus.topics import every

# Named even while they are zero: a rule on something absent never fires.
_COUNTED = ("published", "refused", "lost", "dead", "dead_dropped")


def connect() -> None:
    """Called once, when Django is ready."""
    measures.register("bus", read)


def read() -> Iterable[Metric]:
    """
    Raises:
        BusAway: the bus does not answer.
    """
    bus = open_bus()
    lags = {(topic.name, group): bus.lag(topic.name, group) for topic in every() for group in topic.groups}
    labels = ("topic", "group")
    yield measures.gauge(
        "bus_lag_messages",
        "Messages a consumer group has not finished",
        {at: lag.messages for at, lag in lags.items()},
        labels,
    )
    yield measures.gauge(
        "bus_pending",
        "Messages in the hands of a group's consumers",
        {at: lag.pending for at, lag in lags.items()},
        labels,
    )
    yield measures.gauge(
        "bus_dead", "Dead letters kept for a group", {at: lag.dead for at, lag in lags.items()}, labels
    )
    yield measures.gauge(
        "bus_oldest_seconds",
        "Age of the oldest message a group has not finished",
        {at: lag.oldest_s for at, lag in lags.items()},
        labels,
    )
    totals = CounterMetricFamily(
        measures.PREFIX + "bus_messages",
        "Messages of a topic by what became of them",
        labels=["topic", "outcome"],
    )
    for topic in every():
        counts = bus.counts(topic.name)
        for outcome in _COUNTED:
            totals.add_metric([topic.name, outcome], counts.get(outcome, 0))
    yield totals
