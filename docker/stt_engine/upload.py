# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read one multipart upload within its limits, and judge its fields."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from typing import BinaryIO, Literal, cast

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from stt_engine.engine import Options

FIELDS = ("language", "task", "beam_size")
TASKS = ("transcribe", "translate")
MOST_FIELDS = 32
WIDEST_BEAM = 16


class RequestError(Exception):
    """A request that is refused; carries the HTTP status and a short code for the reason."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(message)


@dataclass(frozen=True)
class Upload:
    """The file and the text fields of one request."""

    file: BinaryIO
    name: str
    size: int
    fields: dict[str, str]


async def read_upload(request: Request, limit: int) -> Upload:
    """Parse the body as a form with one file; raise RequestError as soon as it cannot be taken."""
    content_type = request.headers.get("content-type", "")
    if content_type.split(";")[0].strip().lower() != "multipart/form-data":
        raise RequestError(
            415, "not_multipart", "the body must be multipart/form-data with a part named file"
        )
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limit:
        raise _too_large(limit)
    parser = MultiPartParser(
        request.headers, _limited(request, limit), max_files=1, max_fields=MOST_FIELDS
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        reason = getattr(error, "message", None) or "no boundary, or not as multipart defines it"
        raise RequestError(400, "bad_form", f"the form cannot be read: {reason}") from error
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise RequestError(400, "no_file", "the form has no file in a part named file")
    if not file.size:
        raise RequestError(400, "empty_file", "the file is empty")
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    return Upload(file.file, file.filename or "", file.size, fields)


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """Yield the body and stop where it grows past the limit, whatever its headers said."""
    count = 0
    async for chunk in request.stream():
        count += len(chunk)
        if count > limit:
            raise _too_large(limit)
        yield chunk


def _too_large(limit: int) -> RequestError:
    return RequestError(413, "upload_too_large", f"the upload is larger than {limit} bytes")


def read_options(
    fields: dict[str, str], languages: Collection[str], default_beam_size: int
) -> Options:
    """Turn text fields into options; an empty field counts as not given."""
    given = {name: value.strip() for name, value in fields.items() if value.strip()}
    language = given.get("language", "").lower() or None
    if language is not None and language not in languages:
        raise RequestError(
            400,
            "unknown_language",
            f"language {language!r} is unknown; this model has {', '.join(sorted(languages))}",
        )
    task = given.get("task", "transcribe")
    if task not in TASKS:
        raise RequestError(400, "unknown_task", f"task {task!r} is none of {', '.join(TASKS)}")
    text = given.get("beam_size", str(default_beam_size))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= WIDEST_BEAM):
        raise RequestError(
            400, "bad_beam_size", f"beam_size {text!r} is no whole number from 1 to {WIDEST_BEAM}"
        )
    return Options(language, cast(Literal["transcribe", "translate"], task), int(text))


def unused_fields(fields: dict[str, str]) -> list[str]:
    """Return the names of fields that no option reads, sorted."""
    return sorted(set(fields) - set(FIELDS))
