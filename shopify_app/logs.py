"""JSON log lines: a code plus ids. Never a payload, a token or an address."""

from __future__ import annotations

import json
import logging
import re

_STANDARD = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "data",
}
_SECRET = re.compile(r"shp(?:at|ca|pa|ss|rt)_[0-9a-zA-Z]+|eyJ[\w-]+\.[\w-]+\.[\w-]+")


class JsonFormatter(logging.Formatter):
    """One object a line; anything that looks like a Shopify token is replaced."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        for key, value in record.__dict__.items():
            if key not in _STANDARD and isinstance(value, (str, int, float, bool, type(None))):
                line[key] = value  # type: ignore[assignment]
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return _SECRET.sub("[redacted]", json.dumps(line, ensure_ascii=False, default=str))
