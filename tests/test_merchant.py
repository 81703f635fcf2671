"""The merchant of local runs behaves as a browser in the admin does: a lapsed session token is replaced, not taken for a page."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shopify_app.local.merchant import MOST_BOUNCES, AnsweredBadly, Merchant


class Admin(BaseHTTPRequestHandler):
    """A store whose first tokens have lapsed when they reach the app, which bounces those."""

    lapsed = 0
    tokens = 0

    def do_GET(self) -> None:
        kind = type(self)
        path = self.path.partition("?")[0]
        headers, body = {}, b"page"
        if path.startswith("/_devstore/"):
            kind.tokens += 1
            body = json.dumps({"url": f"http://{self.headers['Host']}/?id_token={kind.tokens}"}).encode()
        elif path == "/" and int(self.path.rpartition("=")[2]) <= kind.lapsed:
            headers, body = {"Location": "/auth/bounce?shop=x"}, b""
        self.send_response(302 if headers else 200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def merchant(request: pytest.FixtureRequest) -> Iterator[Merchant]:
    Admin.lapsed, Admin.tokens = request.param, 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Admin) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        origin = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield Merchant(app_url=origin, devstore_url=origin, shop="x.myshopify.com")
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("merchant", [0, 1, MOST_BOUNCES - 1], indirect=True)
def test_a_lapsed_token_is_replaced_until_the_page_itself_answers(merchant: Merchant) -> None:
    assert merchant.open_app() == 200
    assert Admin.tokens == Admin.lapsed + 1


@pytest.mark.parametrize("merchant", [MOST_BOUNCES], indirect=True)
def test_an_app_that_takes_no_token_is_not_installed(merchant: Merchant) -> None:
    with pytest.raises(AnsweredBadly, match="session tokens"):
        merchant.open_app()
