"""A closed-loop load generator over keep-alive connections: each one sends its next request when it has the answer.

`python -m storefront_proxy.bench.load` reads a plan as JSON from standard input and writes what it measured to standard
output. It is a process of its own, so that its work is not mistaken for the server's.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
LOST = "connection lost"
WRONG_BODY = "wrong body"


@dataclass(frozen=True, slots=True)
class Plan:
    """Args:
    targets: paths with query, asked in turn.
    part: text that occurs in the body of every good answer,
    times: exactly so often.
    warm_s: seconds that are not measured, before `measure_s` that are.
    """

    port: int
    targets: list[str]
    part: str
    times: int
    connections: int
    warm_s: float
    measure_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Args:
    latencies_us: of every good answer in the measured time.
    failed: what went wrong, warming included: a status that is not 200, `LOST` or `WRONG_BODY`, and how often.
    good: all good answers, warming included.
    """

    latencies_us: list[int]
    failed: dict[str, int]
    good: int
    seconds: float


class _Connection(asyncio.Protocol):
    def __init__(self, plan: Plan, offset: int, begin: float, end: float) -> None:
        self._requests = [
            f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() for target in plan.targets
        ]
        self._part, self._times = plan.part.encode(), plan.times
        self._next = offset
        self._begin, self._end = begin, end
        self._received = b""
        self._sent_at = 0.0
        self._waiting = False
        self._transport: asyncio.Transport | None = None
        self.latencies_us: list[int] = []
        self.failed: Counter[str] = Counter()
        self.good = 0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._received, 0, head)
        assert length is not None, "an answer without Content-Length"
        if len(self._received) < head + 4 + int(length[1]):
            return
        self._answered(self._received[9:12], self._received[head + 4 :])
        if time.perf_counter() < self._end:
            self._send()
        elif self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting:
            self.failed[LOST] += 1
        if not self.closed.done():
            self.closed.set_result(None)

    def _answered(self, status: bytes, body: bytes) -> None:
        now = time.perf_counter()
        self._waiting = False
        self._received = b""
        if status != b"200":
            self.failed[status.decode()] += 1
        elif body.count(self._part) != self._times:
            self.failed[WRONG_BODY] += 1
        else:
            self.good += 1
            if self._sent_at >= self._begin:
                self.latencies_us.append(int((now - self._sent_at) * 1e6))

    def _send(self) -> None:
        assert self._transport is not None
        self._waiting = True
        self._sent_at = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1


async def run(plan: Plan) -> Measured:
    """Ask as planned and return what was measured.

    Raises:
        OSError: nobody listens.
        TimeoutError: an answer did not come within 30 seconds.
    """
    loop = asyncio.get_running_loop()
    begin = time.perf_counter() + plan.warm_s
    end = begin + plan.measure_s
    made: list[_Connection] = []
    for number in range(plan.connections):
        make = functools.partial(_Connection, plan, number * 17, begin, end)
        _, connection = await loop.create_connection(make, "127.0.0.1", plan.port)
        made.append(connection)
    await asyncio.wait_for(asyncio.gather(*(each.closed for each in made)), plan.warm_s + plan.measure_s + 30)
    return Measured(
        latencies_us=[one for each in made for one in each.latencies_us],
        failed=dict(sum((each.failed for each in made), Counter())),
        good=sum(each.good for each in made),
        seconds=plan.measure_s,
    )


if __name__ == "__main__":
    json.dump(asdict(asyncio.run(run(Plan(**json.load(sys.stdin))))), sys.stdout)
