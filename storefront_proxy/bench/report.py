"""What a measurement says, as figures, as a table for the terminal and as one for the documentation. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storefront_proxy.bench.load import Measured

FLOOR = "constant view"
VERIFIED = "verified constant"
FULL = "recommendations"
# No list of these is kept: a customer's is private, and each session is another.
CUSTOMER = "of a customer"
SESSION = "of a session"
ANSWERS = (FULL, CUSTOMER, SESSION)
BEGIN, END = "<!-- bench-serving: begin -->", "<!-- bench-serving: end -->"


@dataclass(frozen=True, slots=True)
class Row:
    """One window.

    Args:
        of_floor: requests/s as a share of the constant view's at the same concurrency.
        cpu_us: CPU time of the web workers per request; None where the system does not tell.
        failed: answers that were not a 200 with the body they should have, and lost connections.
    """

    clients: int
    path: str
    requests_per_s: float
    of_floor: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_us: float | None
    failed: int


@dataclass(frozen=True, slots=True)
class Targets:
    """Latencies that the full path must keep with eight clients, milliseconds."""

    clients: int = 8
    p50_ms: float = 8.0
    p95_ms: float = 25.0
    p99_ms: float = 45.0

    def missed(self, rows: Sequence[Row]) -> list[str]:
        return [
            f"{name} {getattr(row, name):.1f} > {getattr(self, name):g}"
            for row in rows
            if row.path == FULL and row.clients == self.clients
            for name in ("p50_ms", "p95_ms", "p99_ms")
            if getattr(row, name) > getattr(self, name)
        ]


def row(
    path: str, clients: int, found: Measured, *, floor_per_s: float | None, cpu_s: float | None, answered: int
) -> Row:
    """Args:
    floor_per_s: requests/s of the constant view; None when this is it.
    cpu_s: CPU seconds of the web workers while they gave `answered` answers.
    """
    ordered = sorted(found.latencies_us)

    def percentile(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000 if ordered else float("inf")

    per_s = len(ordered) / found.seconds
    return Row(
        clients=clients,
        path=path,
        requests_per_s=per_s,
        of_floor=1.0 if floor_per_s is None else per_s / max(floor_per_s, 1e-9),
        p50_ms=percentile(0.50),
        p95_ms=percentile(0.95),
        p99_ms=percentile(0.99),
        cpu_us=None if cpu_s is None or not answered else cpu_s / answered * 1e6,
        failed=sum(found.failed.values()),
    )


_HEADS = ("clients", "path", "requests/s", "of floor", "p50 ms", "p95 ms", "p99 ms", "CPU us", "failed")
_WIDTHS = (7, 17, 10, 8, 7, 7, 7, 7, 6)


def head() -> str:
    return _line(_HEADS)


def line(row: Row) -> str:
    return _line(_cells(row))


def markdown(rows: Sequence[Row], about: Sequence[str]) -> str:
    """The table with what it was measured on, and how to read it."""
    table = ["| " + " | ".join(_HEADS) + " |", "|" + " ---: | --- |" + " ---: |" * (len(_HEADS) - 2)]
    table += ["| " + " | ".join(_cells(each)) + " |" for each in rows]
    return "\n".join([*about, "", *table, ""])


def replaced(text: str, part: str) -> str:
    """The text with the part between the marks replaced.

    Raises:
        ValueError: it does not have both marks, once each and in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the page must have the lines {BEGIN} and {END} once each, in this order")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{part}{END}{rest.partition(END)[2]}"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        str(row.clients),
        row.path,
        f"{row.requests_per_s:,.0f}",
        f"{row.of_floor:.2f}",
        f"{row.p50_ms:.2f}",
        f"{row.p95_ms:.2f}",
        f"{row.p99_ms:.2f}",
        "-" if row.cpu_us is None else f"{row.cpu_us:.0f}",
        str(row.failed),
    )


def _line(cells: Sequence[str]) -> str:
    return "  ".join(
        f"{cell:<{width}}" if at == 1 else f"{cell:>{width}}"
        for at, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    ).rstrip()
