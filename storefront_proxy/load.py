"""A closed-loop load generator over keep-alive connections: each one sends its next request when it has the answer.

`python -m storefront_proxy.load` reads a plan as JSON from standard input and writes what it measured to standard output.
It is a process of its own, so that its work is not mistaken for the server's.
"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
import time
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Args:
    targets: paths with query, asked in turn.
    warm_s: seconds that are not measured, before `measure_s` that are.
    """

    port: int
    targets: list[str]
    connections: int
    warm_s: float
    measure_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Args:
    latencies_us: of every measured answer.
    statuses: measured answers by status.
    answered: all answers, warming included.
    """

    latencies_us: list[int]
    statuses: dict[str, int]
    answered: int
    seconds: float


class _Connection(asyncio.Protocol):
    def __init__(self, plan: Plan, offset: int, begin: float, end: float) -> None:
        self._requests = [
            f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() for target in plan.targets
        ]
        self._next = offset
        self._begin, self._end = begin, end
        self._held = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.latencies_us: list[int] = []
        self.statuses: dict[str, int] = {}
        self.answered = 0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, found, body = self._held.partition(b"\r\n\r\n")
        if not found:
            return
        if b"transfer-encoding: chunked" in head.lower():
            if not body.endswith(b"0\r\n\r\n"):
                return
        else:
            at = head.lower().index(b"content-length:")
            if len(body) < int(head[at + 15 :].split(b"\r\n", 1)[0]):
                return
        now = time.perf_counter()
        self.answered += 1
        if self._sent_at >= self._begin:
            self.latencies_us.append(int((now - self._sent_at) * 1e6))
            status = head[9:12].decode()
            self.statuses[status] = self.statuses.get(status, 0) + 1
        self._held = b""
        if now < self._end:
            self._send()
        elif self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def _send(self) -> None:
        assert self._transport is not None
        self._sent_at = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1


async def run(plan: Plan) -> Measured:
    """Ask as planned and return what was measured."""
    loop = asyncio.get_running_loop()
    begin = time.perf_counter() + plan.warm_s
    end = begin + plan.measure_s
    made: list[_Connection] = []
    for number in range(plan.connections):
        make = functools.partial(_Connection, plan, number * 17, begin, end)
        _, connection = await loop.create_connection(make, "127.0.0.1", plan.port)
        made.append(connection)
    await asyncio.wait_for(asyncio.gather(*(each.closed for each in made)), plan.warm_s + plan.measure_s + 30)
    statuses: dict[str, int] = {}
    for each in made:
        for status, count in each.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    return Measured(
        latencies_us=[one for each in made for one in each.latencies_us],
        statuses=statuses,
        answered=sum(each.answered for each in made),
        seconds=plan.measure_s,
    )


if __name__ == "__main__":
    json.dump(asdict(asyncio.run(run(Plan(**json.load(sys.stdin))))), sys.stdout)
