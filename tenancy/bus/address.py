"""Which event bus a setting names. Pure: settings are read before Django is ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class BusAddress:
    """`redis`, or Kafka's servers with options for its client.

    Args:
        servers: `host:port,host:port`; empty for Redis.
    """

    servers: str = ""
    options: Mapping[str, str] = field(default_factory=dict, hash=False)


def address(url: str) -> BusAddress:
    """Read EVENT_BUS_URL: `redis`, or `kafka://host:port,host:port?security.protocol=SASL_SSL&…`.

    Raises:
        ValueError: it is neither, or Kafka's client library is not installed.
    """
    if url == "redis":
        return BusAddress()
    parts = urlsplit(url)
    if parts.scheme != "kafka" or not parts.netloc or "@" in parts.netloc or parts.path.strip("/"):
        raise ValueError("use redis, or kafka://host:port,host:port?option=value")
    if find_spec("confluent_kafka") is None:
        raise ValueError('Kafka\'s client is not installed: pip install "confluent-kafka>=2.16,<3"')
    return BusAddress(parts.netloc, dict(parse_qsl(parts.query)))
