"""The app's side of the wire: an HTTP server that keeps every request it is sent and answers as told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    """Names in lower case; a repeated one is joined with a comma."""
    body: bytes
    at: float


@dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"{}"
    after_s: float = 0.0


@dataclass
class ListeningApp:
    """`answer` decides what each request gets; `received` holds them in the order in which they came."""

    url: str
    received: list[Received] = field(default_factory=list)
    answer: Callable[[Received], Answer] = lambda _: Answer()
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> None:
        with self.lock:
            self.received = []
            self.answer = lambda _: Answer()

    def of_topic(self, topic: str) -> list[Received]:
        with self.lock:
            return [request for request in self.received if request.headers.get("x-shopify-topic") == topic]

    def wait_for(self, topic: str, count: int = 1, *, seconds: float = 5.0) -> list[Received]:
        """The webhooks of a topic once there are `count`. Raises AssertionError when they do not come in time."""
        until = time.monotonic() + seconds
        while len(found := self.of_topic(topic)) < count:
            assert time.monotonic() < until, f"{len(found)} of {count} {topic} came"
            time.sleep(0.01)
        return found


@contextmanager
def listening_app() -> Iterator[ListeningApp]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers: dict[str, str] = {}
            for key, value in self.headers.items():
                headers[key.lower()] = f"{headers[key.lower()]}, {value}" if key.lower() in headers else value
            request = Received(self.command, path, query, headers, body, time.monotonic())
            with app.lock:
                app.received.append(request)
                answer = app.answer(request)
            time.sleep(answer.after_s)
            try:
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PROPFIND"):
        setattr(Handler, f"do_{method}", Handler.handle_any)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    app = ListeningApp(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield app
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
