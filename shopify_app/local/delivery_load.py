"""One process of `make bench-webhooks`: reads a `Plan` as JSON, sends at a steady rate, prints the answers' latencies.

The rate is kept whatever the server does: a request is due at its time, and its latency counts from the moment it is
handed to the connections, also while all of them still wait for an answer.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
# Every so-manieth delivery is sent a second time, as Shopify does when an answer was lost on its way.
DOUBLED_EVERY = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send.

    Args:
        path: of a GET for a constant answer; empty for deliveries.
        number: of the first delivery. Those of another plan must have other numbers.
        products: ids to make order lines of.
        copies: so many of one delivery instead of different ones.
    """

    port: int
    path: str
    rate: float
    seconds: float
    connections: int
    shop: str
    secret: str
    number: int
    products: Sequence[int]
    copies: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """Args:
    latencies_us: of every answer 200.
    failed: other statuses and lost connections, and how often.
    distinct: different deliveries sent.
    """

    latencies_us: list[int]
    failed: dict[str, int]
    distinct: int


def requests(plan: Plan) -> tuple[list[bytes], int]:
    """All requests of the plan, whole, and how many different deliveries they are."""
    if plan.copies:
        return [_delivery(plan, plan.number)] * plan.copies, 1
    count = int(plan.rate * plan.seconds)
    if plan.path:
        return [f"GET {plan.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()] * count, 0
    made: list[bytes] = []
    distinct = 0
    while len(made) < count:
        request = _delivery(plan, plan.number + distinct)
        distinct += 1
        made += [request, request] if distinct % DOUBLED_EVERY == 0 else [request]
    return made[:count], distinct


def _delivery(plan: Plan, number: int) -> bytes:
    body = json.dumps(_order(plan, number)).encode()
    signature = base64.b64encode(hmac.digest(plan.secret.encode(), body, "sha256")).decode()
    head = [
        "POST /webhooks/shopify HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json",
        f"Content-Length: {len(body)}", "X-Shopify-Topic: orders/updated", f"X-Shopify-Shop-Domain: {plan.shop}",
        f"X-Shopify-Webhook-Id: bench-{number}", f"X-Shopify-Event-Id: event-{number}",
        f"X-Shopify-Triggered-At: {datetime.now(UTC).isoformat()}", f"X-Shopify-Hmac-Sha256: {signature}",
    ]  # fmt: skip
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def _order(plan: Plan, number: int) -> dict[str, Any]:
    """As long as Shopify's own: personal fields, addresses and many that nobody reads."""
    at = datetime.now(UTC).isoformat()
    person = {
        "first_name": "Ann",
        "last_name": "Archer",
        "address1": "1 Example Street",
        "phone": "+44 20 7946 0000",
    }
    lines = [
        {
            "id": 9_000_000_000_000 + number * 4 + place, "product_id": plan.products[(number + place) % len(plan.products)],
            "variant_id": None, "quantity": 1 + place, "current_quantity": 1 + place, "price": "12.50", "sku": "A-1",
            "title": "A candle of beeswax, hand made", "vendor": "Birch and Co", "taxable": True, "grams": 300,
            "discount_allocations": [], "properties": [], "tax_lines": [{"title": "VAT", "rate": 0.2, "price": "2.08"}],
        }
        for place in range(3)
    ]  # fmt: skip
    return {
        "id": 9_000_000_000_000 + number, "name": f"#B{number}", "created_at": at, "processed_at": at, "updated_at": at,
        "cancelled_at": None, "test": False, "currency": "GBP", "presentment_currency": "GBP", "source_name": "web",
        "total_price": "75.00", "customer": {"id": 8_000_000_000_000 + number % 500, "email": "ann@example.com", **person},
        "email": "ann@example.com", "billing_address": person, "shipping_address": person, "refunds": [],
        "note_attributes": [], "line_items": lines, "tags": "bench", "landing_site": "/products/candle?utm=" + "x" * 400,
    }  # fmt: skip


async def send(plan: Plan) -> Seen:
    """Send as planned.

    Raises:
        OSError: nobody listens.
    """
    made, distinct = requests(plan)
    due: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    latencies: list[int] = []
    failed: Counter[str] = Counter()

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", plan.port)
        while (taken := await due.get()) is not None:
            handed, request = taken
            try:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                await reader.readexactly(int(length[1]) if length else 0)
            except (OSError, asyncio.IncompleteReadError):
                failed["connection lost"] += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", plan.port)
                continue
            if head[9:12] == b"200":
                latencies.append(int((time.perf_counter() - handed) * 1e6))
            else:
                failed[head[9:12].decode(errors="replace")] += 1
        writer.close()

    connections = [asyncio.create_task(connection()) for _ in range(plan.connections)]
    began = time.perf_counter()
    for place, request in enumerate(made):
        pause = began + place / plan.rate - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        due.put_nowait((time.perf_counter(), request))
    for _ in connections:
        due.put_nowait(None)
    await asyncio.gather(*connections)
    return Seen(latencies, dict(failed), distinct)


if __name__ == "__main__":
    json.dump(asdict(asyncio.run(send(Plan(**json.load(sys.stdin))))), sys.stdout)
