"""Which errors mean that a service behind us is away for the moment: the caller may try again, and nothing is broken."""

from __future__ import annotations

from django.db.utils import InterfaceError, OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

# Postgres was killed, restarts, or ended our statement for a lock or a deadlock; Redis does not answer or still loads.
AWAY = (OperationalError, InterfaceError, RedisConnectionError, RedisTimeoutError)
