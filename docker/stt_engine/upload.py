# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read one multipart upload within its limits, and judge its fields."""

from __future__ import annotations

import asyncio
import errno
import importlib
from collections.abc import AsyncGenerator, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Literal, cast

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from stt_engine.engine import Options
from stt_engine.errors import RequestError

# Starlette does without it until the first upload, but a missing one must be a failed start.
importlib.import_module("python_multipart")

FIELDS = ("language", "task", "beam_size")
TASKS = ("transcribe", "translate")
MOST_FIELDS = 32
WIDEST_BEAM = 16
LARGEST_FIELD = 2**16
# How long the rest of an upload that is refused may still come in.
DISCARD_SECONDS = 5


@dataclass(frozen=True)
class Upload:
    """The file and the text fields of one request, the latter as often as they were given."""

    file: BinaryIO
    name: str
    size: int
    items: tuple[tuple[str, str], ...]

    @property
    def fields(self) -> dict[str, str]:
        """The text fields; of one that was given several times, the last."""
        return dict(self.items)

    def all(self, *names: str) -> list[str]:
        """Every value that was given under one of the names."""
        return [value for name, value in self.items if name in names]


async def read_upload(request: Request, limit: int, seconds: float) -> Upload:
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
        request.headers,
        _limited(request, limit),
        max_files=1,
        max_fields=MOST_FIELDS,
        max_part_size=LARGEST_FIELD,
    )
    try:
        async with asyncio.timeout(seconds):
            form = await parser.parse()
    except TimeoutError as error:
        raise RequestError(
            408, "upload_too_slow", f"the upload was not here within {seconds:g} seconds"
        ) from error
    except (MultiPartException, KeyError, ValueError) as error:
        reason = getattr(error, "message", None) or "no boundary, or not as multipart defines it"
        raise RequestError(400, "bad_form", f"the form cannot be read: {reason}") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RequestError(503, "no_space", "there is no space for the upload now") from error
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise RequestError(400, "no_file", "the form has no file in a part named file", "file")
    if not file.size:
        raise RequestError(400, "empty_file", "the file is empty", "file")
    items = tuple((name, value) for name, value in form.multi_items() if isinstance(value, str))
    return Upload(file.file, file.filename or "", file.size, items)


async def discard(request: Request, limit: int) -> None:
    """Read away what a refused client still sends: a connection closed on it loses the answer."""
    with suppress(RequestError, ClientDisconnect, TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            async for _chunk in _limited(request, limit):
                pass


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
    task = given.get("task", "transcribe")
    if task not in TASKS:
        raise RequestError(
            400, "unknown_task", f"task {task!r} is none of {', '.join(TASKS)}", "task"
        )
    text = given.get("beam_size", str(default_beam_size))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= WIDEST_BEAM):
        raise RequestError(
            400,
            "bad_beam_size",
            f"beam_size {text!r} is no whole number from 1 to {WIDEST_BEAM}",
            "beam_size",
        )
    return Options(
        read_language(given.get("language", ""), languages),
        cast(Literal["transcribe", "translate"], task),
        int(text),
    )


def read_language(text: str, languages: Collection[str]) -> str | None:
    """Return the language's code, None where none is given."""
    language = text.strip().lower() or None
    if language is not None and language not in languages:
        raise RequestError(
            400,
            "unknown_language",
            f"language {language!r} is unknown; this model has {', '.join(sorted(languages))}",
            "language",
        )
    return language


def unused_fields(fields: dict[str, str]) -> list[str]:
    """Return the names of fields that no option reads, sorted."""
    return sorted(set(fields) - set(FIELDS))
