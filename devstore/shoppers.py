"""Simulated shoppers: they reach the storefront over HTTP as browsers do, and know nothing of who serves it.

A shopper has a taste (a kind of product and a tag they like), looks at pages, sees what the theme's block
would show, clicks more often on what fits, and carries the exposure id into the cart as the block does.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from devstore.shopper_tally import Tally

PROXY = "/apps/shelfwise"
PAGE_SIZE, MAX_PAGES = 250, 8
TIMEOUT_S = 10.0
LIMIT = 8  # products in one block, as the theme asks for
IN_FLIGHT = 16
CLICK_FITTING, CLICK_OTHER, POSITION_DECAY = 0.22, 0.05, 0.85
ADD_AFTER_CLICK, ADD_VIEWED, CHECKOUT = 0.55, 0.12, 0.75
COMES_BACK = 0.2


class StorefrontError(Exception):
    """The storefront cannot be used at all; the message says what was tried."""


@dataclass(frozen=True, slots=True)
class Product:
    """What a shopper can see of a product."""

    id: int
    handle: str
    kind: str
    tags: frozenset[str]
    variant_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Taste:
    kind: str
    tag: str

    def fits(self, product: Product | None) -> bool:
        return product is not None and (product.kind == self.kind or self.tag in product.tags)


@dataclass(frozen=True, slots=True)
class Plan:
    """How many shoppers, how fast, for how long."""

    seconds: float
    rate: float
    seed: int
    most: int | None = None


async def run_shoppers(
    url: str,
    plan: Plan,
    *,
    host: str | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    say: Callable[[str], None] | None = None,
) -> Tally:
    """Send shoppers until time or number is up; each ends by itself within a few requests.

    `host`: the shop's domain when `url` is not it. Raises StorefrontError when no product can be read.
    """
    tally = Tally()
    started = time.monotonic()
    headers = {"Host": host} if host else {}
    pool = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    shared = transport or httpx.AsyncHTTPTransport(limits=pool)

    def client() -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=url, headers=headers, timeout=TIMEOUT_S, transport=_Borrowed(shared)
        )

    rng = random.Random(plan.seed)
    async with shared, client() as reader:
        catalogue = await read_catalogue(reader)
        gate = asyncio.Semaphore(IN_FLIGHT)
        running: set[asyncio.Task[None]] = set()
        visitors: list[tuple[str, Taste]] = []
        said = started
        count = 0
        while (plan.most is None or count < plan.most) and time.monotonic() - started < plan.seconds:
            visitor, taste = _visitor(rng, visitors, catalogue)
            shopper = Shopper(client(), catalogue, tally, random.Random(rng.random()), visitor, taste)
            task = asyncio.create_task(_send(shopper, gate))
            running.add(task)
            task.add_done_callback(running.discard)
            count += 1
            if say and time.monotonic() - said >= 5:
                said = time.monotonic()
                say(tally.line(said - started))
            next_at = started + count / plan.rate
            await asyncio.sleep(max(0.0, min(next_at, started + plan.seconds) - time.monotonic()))
        if running:
            await asyncio.wait(running, timeout=TIMEOUT_S * 2)
            for task in list(running):
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
    tally.seconds = time.monotonic() - started
    if say:
        say(tally.line(tally.seconds))
    return tally


async def read_catalogue(client: httpx.AsyncClient) -> dict[int, Product]:
    """All products on the storefront by id, in pages of 250. Raises StorefrontError."""
    found: dict[int, Product] = {}
    try:
        for page in range(1, MAX_PAGES + 1):
            answer = await client.get("/products.json", params={"limit": PAGE_SIZE, "page": page})
            answer.raise_for_status()
            products = answer.json()["products"]
            for row in products:
                tags = row.get("tags") or []
                tags = tags.split(", ") if isinstance(tags, str) else tags
                variants = tuple(int(v["id"]) for v in row["variants"] if v.get("available", True))
                kind = row.get("product_type") or row.get("type") or ""
                found[int(row["id"])] = Product(
                    int(row["id"]), row["handle"], kind, frozenset(tags), variants
                )
            if len(products) < PAGE_SIZE:
                break
    except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
        raise StorefrontError(f"{client.base_url}products.json cannot be read: {error!r}") from error
    if not found:
        raise StorefrontError(f"{client.base_url}products.json lists no products")
    return found


class Shopper:
    """One visit. Each step counts itself; a failed request ends the step, not the visit."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        catalogue: Mapping[int, Product],
        tally: Tally,
        rng: random.Random,
        visitor: str,
        taste: Taste,
    ) -> None:
        self.client = client
        self._catalogue = catalogue
        self._tally = tally
        self._rng = rng
        self._visitor = visitor
        self._taste = taste
        self._cart: dict[int, str | None] = {}  # product id -> exposure that led to it

    async def visit(self) -> None:
        """Home, one to three product pages, perhaps the cart and the checkout."""
        self._tally.sessions += 1
        await self._page("home", "/")
        await self._look_at_block("home", {})
        for _ in range(self._rng.randint(1, 3)):
            product = self._next_product()
            await self._view(product)
        if self._cart:
            await self._page("cart", "/cart")
            await self._look_at_block("cart", {"cart": ",".join(map(str, self._cart))})
            if self._rng.random() < CHECKOUT:
                await self._check_out()

    def _next_product(self) -> Product:
        some = self._rng.choices(list(self._catalogue.values()), k=6)
        return next((product for product in some if self._taste.fits(product)), some[0])

    async def _view(self, product: Product) -> None:
        if not await self._page("product", f"/products/{product.handle}"):
            return
        clicked = await self._look_at_block("product_page", {"product_id": str(product.id)})
        if not clicked and self._rng.random() < ADD_VIEWED:
            await self._add(product.id, None, None)

    async def _look_at_block(self, slot: str, context: dict[str, str]) -> bool:
        """Ask as the block does, perhaps follow one of its products. Whether one was followed."""
        params = {"slot": slot, "visitor": self._visitor, "limit": str(LIMIT), **context}
        begin = time.perf_counter()
        answer = await self._get(f"{PROXY}/recommendations", params=params)
        milliseconds = (time.perf_counter() - begin) * 1000
        body = _json(answer)
        products = body.get("products")
        shown = [row for row in products if isinstance(row, dict)] if isinstance(products, list) else []
        served_by = str(body.get("served_by")) if "served_by" in body else None
        self._tally.answer(slot, answer.status_code if answer else 0, served_by, len(shown), milliseconds)
        exposure = str(body.get("exposure") or "")
        for position, row in enumerate(shown):
            try:
                product_id, variant_id = int(row["product_id"]), int(row["variant_id"])
            except (KeyError, TypeError, ValueError):
                self._tally.errors["recommendation without ids"] += 1
                continue
            fits = self._taste.fits(self._catalogue.get(product_id))
            chance = (CLICK_FITTING if fits else CLICK_OTHER) * POSITION_DECAY**position
            if exposure and self._rng.random() < chance:
                await self._follow(exposure, product_id, variant_id, str(row.get("url") or ""))
                return True
        return False

    async def _follow(self, exposure: str, product_id: int, variant_id: int, url: str) -> None:
        click = {"exposure": exposure, "product_id": product_id, "visitor": self._visitor}
        answer = await self._post(f"{PROXY}/clicks", click)
        self._tally.clicks[answer.status_code if answer else 0] += 1
        if url.startswith("/"):
            await self._page("product", url)
        if self._rng.random() < ADD_AFTER_CLICK:
            await self._add(product_id, variant_id, exposure)

    async def _add(self, product_id: int, variant_id: int | None, exposure: str | None) -> None:
        if variant_id is None:
            variants = self._catalogue[product_id].variant_ids
            if not variants:
                return
            variant_id = self._rng.choice(variants)
        item: dict[str, Any] = {"id": variant_id, "quantity": 1 if self._rng.random() < 0.85 else 2}
        if exposure:
            item["properties"] = {"_ml_rec": exposure}
        answer = await self._post("/cart/add.js", {"items": [item]})
        if answer is not None and answer.is_success:
            self._tally.adds += 1
            self._tally.recommended_adds += int(exposure is not None)
            self._cart[product_id] = exposure or self._cart.get(product_id)
        elif answer is not None and answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            self._tally.sold_out += 1
        else:
            self._tally.errors[f"add to cart {answer.status_code if answer else 'failed'}"] += 1

    async def _check_out(self) -> None:
        await self._post("/cart/update.js", {"attributes": {"_ml_visitor": self._visitor}})
        answer = await self._post("/checkout", {})
        body = _json(answer)
        order = body.get("order", body)
        order_id, name = (order.get("id", order.get("order_id")), order.get("name", order.get("order_name")))
        if answer is not None and answer.is_success and order_id is not None:
            exposures = [exposure for exposure in self._cart.values() if exposure]
            self._tally.order(int(order_id), str(name), exposures, self._visitor)
        elif answer is not None and answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            self._tally.sold_out += 1
        else:
            self._tally.errors[f"checkout {answer.status_code if answer else 'failed'}"] += 1

    async def _page(self, kind: str, path: str) -> bool:
        answer = await self._get(path)
        status = answer.status_code if answer else 0
        self._tally.pages[kind] += 1
        if status != httpx.codes.OK:
            self._tally.errors[f"{kind} page {status or 'failed'}"] += 1
        return status == httpx.codes.OK

    async def _get(self, path: str, params: dict[str, str] | None = None) -> httpx.Response | None:
        try:
            return await self.client.get(path, params=params)
        except httpx.HTTPError as error:
            self._tally.errors[type(error).__name__] += 1
            return None

    async def _post(self, path: str, body: Mapping[str, Any]) -> httpx.Response | None:
        try:
            return await self.client.post(path, json=body)
        except httpx.HTTPError as error:
            self._tally.errors[type(error).__name__] += 1
            return None


class _Borrowed(httpx.AsyncBaseTransport):
    """One pool of connections for many shoppers: closing a shopper's client leaves it open."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.handle_async_request(request)


async def _send(shopper: Shopper, gate: asyncio.Semaphore) -> None:
    async with gate, shopper.client:
        await shopper.visit()


def _visitor(
    rng: random.Random, visitors: list[tuple[str, Taste]], catalogue: Mapping[int, Product]
) -> tuple[str, Taste]:
    """Somebody new, or one who was here before and comes back."""
    if visitors and rng.random() < COMES_BACK:
        return rng.choice(visitors)
    liked = rng.choice(list(catalogue.values()))
    taste = Taste(liked.kind, rng.choice(sorted(liked.tags)) if liked.tags else "")
    visitors.append((f"v-{rng.getrandbits(80):020x}", taste))
    return visitors[-1]


def _json(answer: httpx.Response | None) -> dict[str, Any]:
    if answer is None:
        return {}
    try:
        body = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return body if isinstance(body, dict) else {}
