# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request can be refused with."""

from __future__ import annotations


class RequestError(Exception):
    """A refusal: HTTP status, a short code for the reason, and the field it is about if any."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        self.status = status
        self.code = code
        self.field = field
        super().__init__(message)


class AudioError(RequestError):
    """Audio that cannot be transcribed."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message, "file")
