"""The one Redis connection of a process, and the one way to name a key.

Everything kept in Redis is either a copy of what Postgres holds or in flight for seconds; losing it all costs speed,
never facts.
"""

from __future__ import annotations

import os
import threading

from django.conf import settings
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

# A storefront answer is worthless after this long, so a hanging Redis must not hold a serving thread longer.
SOCKET_TIMEOUT_S = 2.0

_lock = threading.Lock()
_clients: dict[tuple[int, str], Redis] = {}


def client() -> Redis:
    """This process's client (thread safe, pooled, answers are bytes).

    A forked child gets its own: sockets are never shared between processes.
    """
    where = (os.getpid(), settings.REDIS_URL)
    found = _clients.get(where)
    if found is None:
        with _lock:
            found = _clients.get(where)
            if found is None:
                found = _clients[where] = connect()
    return found


def connect(*, socket_timeout_s: float | None = SOCKET_TIMEOUT_S) -> Redis:
    """A client of its own, for blocking reads and subscriptions. `None` waits without end."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=socket_timeout_s,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        # One quick repeat covers a server that was restarted between two requests.
        retry=Retry(ExponentialBackoff(cap=0.05, base=0.01), 1, supported_errors=(RedisConnectionError,)),
        health_check_interval=30,
    )


def key(*parts: str | int) -> str:
    """`<prefix>:<part>:<part>`; the prefix (REDIS_PREFIX) lets several installations share a server."""
    return ":".join([settings.REDIS_PREFIX, *map(str, parts)])
