# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI's interface for transcriptions: its fields, its answers, its errors.

The field ``model`` is taken and not looked at: one model is served, under whatever name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from starlette.responses import JSONResponse, Response

from stt_engine.engine import Options, Segment, Transcript
from stt_engine.errors import RequestError
from stt_engine.languages import NAMES
from stt_engine.subtitles import srt, vtt
from stt_engine.upload import Upload, read_language

ROUTE = "/v1/audio/transcriptions"
PREFIX = "/v1/"
Format = Literal["json", "text", "verbose_json", "srt", "vtt"]
FORMATS = get_args(Format)
GRANULARITIES = ("word", "segment")
GRANULARITY_FIELDS = ("timestamp_granularities[]", "timestamp_granularities")
FIELDS = (
    "model",
    "language",
    "prompt",
    "response_format",
    "temperature",
    "stream",
    *GRANULARITY_FIELDS,
)
# Such a token in a prompt would be read as a command to the model.
COMMAND = re.compile(r"<\|[^|]*\|>")


@dataclass(frozen=True)
class Wanted:
    """What one request asks for."""

    options: Options
    response_format: Format
    granularities: frozenset[str]


def read_wanted(upload: Upload, languages: Collection[str], beam_size: int) -> Wanted:
    """Turn the fields into what is wanted; raise RequestError that names the wrong one."""
    given = {name: value.strip() for name, value in upload.fields.items() if value.strip()}
    response_format = given.get("response_format", "json")
    if response_format not in FORMATS:
        raise _unknown("response_format", response_format, FORMATS)
    if given.get("stream", "false").lower() not in ("false", "0"):
        raise _bad("stream", "the transcript is not streamed here; leave stream out")
    granularities = _granularities(upload, response_format)
    options = Options(
        read_language(given.get("language", ""), languages),
        "transcribe",
        beam_size,
        prompt=_prompt(given.get("prompt", "")),
        temperature=_temperature(given.get("temperature", "0")),
        words="word" in granularities,
    )
    return Wanted(options, cast(Format, response_format), granularities)


def _granularities(upload: Upload, response_format: str) -> frozenset[str]:
    asked = [value.strip() for value in upload.all(*GRANULARITY_FIELDS) if value.strip()]
    for value in asked:
        if value not in GRANULARITIES:
            raise _unknown(GRANULARITY_FIELDS[0], value, GRANULARITIES)
    if asked and response_format != "verbose_json":
        raise _bad(GRANULARITY_FIELDS[0], "times need response_format verbose_json")
    return frozenset(asked or ["segment"])


def _prompt(text: str) -> str | None:
    if COMMAND.search(text):
        raise _bad("prompt", "prompt must be plain text, without tokens such as <|en|>")
    return text or None


def _temperature(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise _bad("temperature", f"temperature {text[:40]!r} is no number from 0 to 1")
    return value


def _unknown(field: str, value: str, known: Collection[str]) -> RequestError:
    return _bad(field, f"{field} {value[:40]!r} is none of {', '.join(known)}")


def _bad(field: str, message: str) -> RequestError:
    return RequestError(400, f"bad_{field.removesuffix('[]')}", message, field)


def answer(transcript: Transcript, wanted: Wanted) -> Response:
    """Return the transcript in the format that was asked for."""
    segments = transcript.segments
    if wanted.response_format == "text":
        return _plain(f"{transcript.text}\n", "text/plain")
    if wanted.response_format == "srt":
        return _plain(srt(segments), "text/plain")
    if wanted.response_format == "vtt":
        return _plain(vtt(segments), "text/vtt")
    usage = {"type": "duration", "seconds": math.ceil(transcript.duration)}
    if wanted.response_format == "json":
        return JSONResponse({"text": transcript.text, "usage": usage})
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": NAMES.get(transcript.language, transcript.language),
        "duration": transcript.duration,
        "text": transcript.text,
    }
    if "segment" in wanted.granularities:
        body["segments"] = [_segment(number, one) for number, one in enumerate(segments)]
    if "word" in wanted.granularities:
        body["words"] = [
            {"word": word.word, "start": word.start, "end": word.end}
            for segment in segments
            for word in segment.words
        ]
    return JSONResponse({**body, "usage": usage})


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    return {
        "id": number,
        "seek": segment.seek,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": segment.tokens,
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }


def _plain(text: str, kind: str) -> Response:
    return Response(text, media_type=f"{kind}; charset=utf-8")


def status_of(status: int) -> int:
    """Return the status that OpenAI's clients expect: a file that is no audio is a bad request."""
    return 400 if status == 422 else status


def error_body(status: int, code: str, message: str, field: str | None) -> dict[str, Any]:
    """Return a refusal in OpenAI's shape."""
    if status == 429:
        kind = "rate_limit_error"
    else:
        kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": field, "code": code}}


def unused_fields(upload: Upload) -> list[str]:
    """Return the names of fields that are not read here, sorted."""
    return sorted(set(upload.fields) - set(FIELDS))
