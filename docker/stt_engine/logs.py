# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs as one JSON object a line on stdout."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

LOGGER = logging.getLogger("stt_engine")


class JsonFormatter(logging.Formatter):
    """Writes time, level, event and whatever fields the call gave."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; an exception becomes its own field, line breaks escaped."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        entry.update(getattr(record, "fields", {}))
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def log(level: int, event: str, *, exc_info: bool = False, **fields: Any) -> None:
    """Log one event of the service with its fields; exc_info adds the traceback."""
    LOGGER.log(level, event, exc_info=exc_info, extra={"fields": fields})


def configure(level: str) -> None:
    """Send every logger of the process to stdout as JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("faster_whisper", "httpx", "multipart", "python_multipart"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
