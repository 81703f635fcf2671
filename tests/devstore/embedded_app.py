"""An app that only exercises the local Shopify's pages: embedded screens, an API, and proxy answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from devstore.server import listen

EXPOSURE = "exposure_of_the_test_1"
GIVEN_VISITOR = "visitor_given_by_the_server_1234"
SCREEN = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="shopify-api-key" content="5f2c0d1e8a7b4c3d9e6f">
<script src="{cdn}/app-bridge.js"></script><script src="{cdn}/polaris.js"></script>
<style>body {{ margin: 0 }}</style></head><body>
<s-app-nav><s-link href="/" rel="home">Home</s-link><s-link href="/versions">Versions</s-link>
<s-link href="/alerts">Alerts</s-link></s-app-nav>
<s-page heading="{title}">
 <s-button slot="primary-action" variant="primary" id="say">Say hello</s-button>
 <s-button slot="secondary-actions" commandFor="ask" command="--show" id="open">Roll back</s-button>
 <s-banner heading="Import running" tone="info" dismissible><s-paragraph>12,000 of 20,000 orders.</s-paragraph></s-banner>
 <s-grid gridTemplateColumns="@container (inline-size > 500px) 1fr 1fr 1fr, 1fr" gap="base">
  <s-section heading="Revenue"><s-heading>£1,204.00</s-heading><s-text color="subdued">last 30 days</s-text></s-section>
  <s-section heading="Requests"><s-heading>48,210</s-heading><s-badge tone="success">Healthy</s-badge></s-section>
  <s-section heading="Orders"><s-heading>96</s-heading><s-badge tone="warning" icon="alert-triangle">Check</s-badge></s-section>
 </s-grid>
 <s-section heading="Versions" padding="none"><s-table id="table" paginate hasNextPage>
  <s-table-header-row><s-table-header listSlot="primary">Slot</s-table-header><s-table-header listSlot="inline">State</s-table-header>
  <s-table-header format="numeric">Requests</s-table-header><s-table-header format="currency">Revenue</s-table-header></s-table-header-row>
  <s-table-body><s-table-row><s-table-cell>product_page</s-table-cell><s-table-cell><s-badge tone="success">Live</s-badge></s-table-cell>
  <s-table-cell>41,210</s-table-cell><s-table-cell>£1,100.00</s-table-cell></s-table-row><s-table-row><s-table-cell>cart</s-table-cell>
  <s-table-cell><s-badge>Draft</s-badge></s-table-cell><s-table-cell>7,000</s-table-cell><s-table-cell>£104.00</s-table-cell></s-table-row></s-table-body></s-table></s-section>
 <s-section heading="Settings"><form data-save-bar id="settings"><s-stack gap="base">
  <s-text-field label="Name" name="name" value="Birch" required details="Shown to staff."></s-text-field>
  <s-number-field label="Limit" name="limit" value="8" min="1" max="24" suffix="products"></s-number-field>
  <s-select label="Slot" name="slot" value="cart"><s-option value="home">Home</s-option><s-option value="cart">Cart</s-option></s-select>
  <s-checkbox label="Show prices" name="prices" checked></s-checkbox><s-switch label="Active" name="active"></s-switch>
  <s-choice-list label="Speed" name="speed"><s-choice value="slow" selected>Slow</s-choice><s-choice value="fast">Fast</s-choice></s-choice-list>
  <s-text-area label="Reason" name="reason" error="Say why."></s-text-area></s-stack></form></s-section>
 <s-section slot="aside" heading="Next steps"><s-unordered-list><s-list-item>Train a model</s-list-item><s-list-item>Place the block</s-list-item></s-unordered-list>
  <s-button icon="refresh" accessibilityLabel="Refresh"></s-button> <s-spinner accessibilityLabel="Working"></s-spinner>
  <s-progress value="0.6" accessibilityLabel="Import"></s-progress></s-section>
</s-page>
<s-modal id="ask" heading="Roll back product_page?"><s-paragraph>Version 1 takes over at once.</s-paragraph>
 <s-text-field label="Why" id="why"></s-text-field>
 <s-button slot="secondary-actions" commandFor="ask" command="--hide">Cancel</s-button>
 <s-button slot="primary-action" variant="primary" tone="critical" id="sure">Roll back</s-button></s-modal>
<script>
 document.getElementById('say').addEventListener('click', async () => {{
   const answer = await (await fetch('/api/echo')).json(); shopify.toast.show('Hello ' + answer.staff); }});
 document.getElementById('settings').addEventListener('submit', (event) => {{
   event.preventDefault(); window.saved = Object.fromEntries(new FormData(event.target)); }});
 document.addEventListener('shopify:navigate', (event) => {{
   event.preventDefault(); history.pushState(null, '', event.target.getAttribute('href'));
   document.querySelector('s-page').heading = location.pathname; }});
</script></body></html>"""


@dataclass
class EmbeddedApp:
    """`seen` collects what reached it: (path, query or body). `products` is what the proxy answers with."""

    url: str = ""
    cdn: str = ""
    seen: list[tuple[str, Any]] = field(default_factory=list)
    products: list[dict[str, Any]] = field(default_factory=list)
    slow_s: float = 0.0
    refuse_once: bool = False

    def routes(self) -> list[Route]:
        return [
            Route("/api/echo", self.echo),
            Route("/proxy/recommendations", self.recommendations),
            Route("/proxy/clicks", self.clicks, methods=["POST"]),
            Route("/proxy/withdraw", self.withdraw, methods=["POST"]),
            Route("/bounce", self.screen),
            Route("/{path:path}", self.screen),
        ]

    async def screen(self, request: Request) -> Response:
        self.seen.append((request.url.path, dict(request.query_params)))
        title = "Overview" if request.url.path == "/" else request.url.path
        return HTMLResponse(SCREEN.format(title=title, cdn=self.cdn))

    async def echo(self, request: Request) -> Response:

        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.seen.append(("/api/echo", token))
        if self.refuse_once:
            self.refuse_once = False
            return Response(status_code=401, headers={"X-Shopify-Retry-Invalid-Session-Request": "1"})
        claims = jwt.decode(token, options={"verify_signature": False})
        return JSONResponse({"staff": claims["sub"]})

    async def recommendations(self, request: Request) -> Response:
        self.seen.append(("/proxy/recommendations", dict(request.query_params)))
        time.sleep(self.slow_s)
        found = {"slot": "product_page", "served_by": "item_to_item", "version": "1", "exposure": EXPOSURE}
        if request.query_params.get("visitor") == "new":
            found["visitor"] = GIVEN_VISITOR
        return JSONResponse({**found, "products": self.products})

    async def withdraw(self, request: Request) -> Response:
        self.seen.append(("/proxy/withdraw", await request.json()))
        return JSONResponse({"accepted": True}, status_code=202)

    async def clicks(self, request: Request) -> Response:
        self.seen.append(("/proxy/clicks", await request.json()))
        return JSONResponse({"accepted": True}, status_code=202)


@contextmanager
def embedded_app(app: EmbeddedApp | None = None) -> Iterator[EmbeddedApp]:
    app = app or EmbeddedApp()
    listener = listen("127.0.0.1", 0)
    app.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(
        uvicorn.Config(Starlette(routes=app.routes()), log_level="warning", lifespan="off")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="embedded app")
    thread.start()
    try:
        yield app
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
