"""The measuring instrument: what it counts, what it calls a failure, and what it writes."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from mlops.predictors import artefact
from mlops.predictors.protocols import Query, Spoke
from storefront_proxy.bench import recommender, report
from storefront_proxy.bench.load import LOST, WRONG_BODY, Measured, Plan, run
from storefront_proxy.bench.report import BEGIN, END, FLOOR, FULL, Row, Targets

Answer = Callable[[int], bytes | None]


def http(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def measure(answer: Answer, *, connections: int = 2, measure_s: float = 0.2) -> Measured:
    """A load on a server that gives `answer(number of the request)`, in two pieces; None hangs up."""
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                served += 1
                found = answer(served)
                if found is None:
                    break
                for piece in (found[:25], found[25:]):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.001)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def both() -> Measured:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await run(Plan(port, ["/a", "/b"], "item", 2, connections, 0.05, measure_s))

    # In a thread of its own: a browser of an earlier test leaves its event loop running in this one.
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, both()).result()


def test_good_answers_are_timed_and_counted() -> None:
    found = measure(lambda number: http(200, b"item item"))
    assert found.failed == {}
    assert 20 < len(found.latencies_us) <= found.good
    assert min(found.latencies_us) >= 1000  # the server waits a millisecond between its two pieces


@pytest.mark.parametrize(
    "bad, name",
    [(http(500, b"item item"), "500"), (http(200, b"item"), WRONG_BODY), (http(200, b""), WRONG_BODY)],
)
def test_anything_but_a_good_answer_is_a_failure(bad: bytes, name: str) -> None:
    found = measure(lambda number: bad if number % 5 == 0 else http(200, b"item item"))
    assert set(found.failed) == {name}
    assert found.failed[name] == pytest.approx(found.good / 4, abs=3)


def test_a_connection_that_is_lost_is_a_failure() -> None:
    found = measure(lambda number: None if number >= 10 else http(200, b"item item"))
    assert found.failed == {LOST: 2}


def row(path: str, clients: int, **changes: float) -> Row:
    found = Measured([1000] * 90 + [20_000] * 9 + [50_000], {}, 100, 2.0)
    made = report.row(path, clients, found, floor_per_s=100.0, cpu_s=0.02, answered=100)
    return Row(**{**{name: getattr(made, name) for name in Row.__slots__}, **changes})


def test_a_row_says_what_was_measured() -> None:
    made = row(FULL, 8)
    assert (made.requests_per_s, made.of_floor) == (50.0, 0.5)
    assert made.cpu_us == pytest.approx(200.0)
    assert (made.p50_ms, made.p95_ms, made.p99_ms) == (1.0, 20.0, 50.0)
    assert report.line(made).split() == ["8", FULL, "50", "0.50", "1.00", "20.00", "50.00", "200", "0"]


def test_targets_speak_of_the_full_path_with_eight_clients() -> None:
    rows = [row(FLOOR, 8), row(FULL, 1), row(FULL, 8), row(FULL, 32)]
    assert Targets().missed(rows) == ["p99_ms 50.0 > 45"]
    assert Targets().missed([row(FULL, 8, p99_ms=45.0)]) == []


def test_the_page_keeps_all_but_the_part_between_the_marks() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    part = report.markdown([row(FULL, 8)], ["On a machine."])
    written = report.replaced(page, part)
    assert written.startswith(f"before\n{BEGIN}\nOn a machine.\n\n| clients |")
    assert written.endswith(f"| 0 |\n{END}\nafter\n")
    assert report.replaced(written, part) == written
    columns = {line.count("|") for line in written.splitlines() if line.startswith("|")}
    assert len(columns) == 1
    for broken in ("no marks", f"{END}\n{BEGIN}", page + page):
        with pytest.raises(ValueError):
            report.replaced(broken, part)


@pytest.mark.parametrize(
    "arguments",
    [["--seconds", "0"], ["--seconds", "900"], ["--concurrency", "0,8"], ["--concurrency", "many"]],
)
def test_arguments_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("bench_serving", *arguments, stdout=io.StringIO())


def test_the_made_up_version_loads_and_its_rankers_answer() -> None:
    content = artefact.pack(recommender.made(products=60, kept=20), {})
    found = artefact.unpack(content, digest=artefact.digest_of(content)).predictor
    for query in (
        Query(recommender.NOW, (7,)),
        Query(recommender.NOW, (7, 8), customer=3),
        Query(0, customer=3),
    ):
        assert found.recommend(query, 10).by == Spoke.RANKER
