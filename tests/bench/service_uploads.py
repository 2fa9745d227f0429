# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads that a service must refuse, many kinds of them, the same ones for the same seed.

The standard library alone, because it is run on the build server.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import wave
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

OWN_ROUTE = "/transcribe"
OPENAI_ROUTE = "/v1/audio/transcriptions"
BOUNDARY = "stt-upload-7MA4YWxkTrZu0gW"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
Maker = Callable[[random.Random], bytes]


@dataclass(frozen=True)
class Upload:
    """One request: the kind of its fault, where it goes, its type and its body."""

    kind: str
    route: str
    content_type: str
    body: bytes


def part(name: str, content: bytes, file_name: str | None = None) -> bytes:
    """One part of a form; with a file's name it is a file."""
    named = "" if file_name is None else f'; filename="{file_name}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """A whole form."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def recording(content: bytes, file_name: str = "a.wav", **fields: str) -> bytes:
    """A form with a file and text fields."""
    texts = [part(name, value.encode()) for name, value in fields.items()]
    return form(part("file", content, file_name), *texts)


def malformed(seed: int, count: int, clip: bytes) -> Iterator[Upload]:
    """Uploads of every kind in turn, each with a fault; ``clip`` is a recording without one."""
    chance = random.Random(seed)
    makers = [
        *(_file(kind, make) for kind, make in bad_files().items()),
        *(_field(name, values) for name, values in BAD_FIELDS.items()),
        *_forms(),
    ]
    for number in range(count):
        yield makers[number % len(makers)](chance, clip)


# --- files that are no recording ------------------------------------------------------------------


def bad_files() -> dict[str, Maker]:
    """What makes the content of a bad file, by kind."""
    return {
        "nothing": lambda _chance: b"",
        "zeros": lambda chance: bytes(chance.randint(1, 50_000)),
        "noise": lambda chance: chance.randbytes(chance.randint(1, 50_000)),
        "text": lambda chance: b"This is no recording. " * chance.randint(1, 500),
        "html": lambda chance: b"<!DOCTYPE html><title>502</title>" * chance.randint(1, 50),
        "json": lambda chance: json.dumps({"audio": chance.random()}).encode(),
        "gzip": lambda chance: gzip.compress(chance.randbytes(500), mtime=0),
        "zip": _zip,
        "png": lambda chance: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + chance.randbytes(300),
        "pdf": lambda chance: b"%PDF-1.7\n1 0 obj\n" + chance.randbytes(300),
        "program": lambda chance: b"\x7fELF\x02\x01\x01" + chance.randbytes(500),
        "playlist": lambda _chance: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "concat": lambda _chance: b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "session": lambda _chance: b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nm=audio 5004 RTP/AVP 0\n",
        "wav_without_samples": lambda _chance: _wav(b""),
        "wav_cut_in_its_header": lambda chance: _wav(bytes(900))[: chance.randint(4, 40)],
        "wav_without_channels": lambda _chance: _patched(22, "<H", 0),
        "wav_without_rate": lambda _chance: _patched(24, "<I", 0),
        "wav_of_another_codec": lambda chance: _patched(20, "<H", chance.randint(0x8000, 0xF000)),
        "flac_without_frames": lambda chance: b"fLaC\0\0\0\x22" + chance.randbytes(34),
        "ogg_without_streams": lambda chance: b"OggS\0\x02" + chance.randbytes(200),
        "mp3_tag_alone": lambda chance: b"ID3\x04\0\0\0\0\x02\0" + bytes(chance.randint(9, 256)),
        "mp4_without_index": lambda chance: b"\0\0\0\x18ftypM4A \0\0\0\0" + chance.randbytes(400),
        "webm_head_alone": lambda chance: b"\x1a\x45\xdf\xa3\x9f\x42\x86" + chance.randbytes(200),
        "amr_head_alone": lambda _chance: b"#!AMR\n",
    }


def _zip(chance: random.Random) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.wav"), chance.randbytes(500))
    return buffer.getvalue()


def _wav(samples: bytes) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setparams((1, 2, 16000, 0, "NONE", "NONE"))
        writer.writeframes(samples)
    return buffer.getvalue()


def _patched(at: int, kind: str, value: int) -> bytes:
    data = bytearray(_wav(bytes(32_000)))
    struct.pack_into(kind, data, at, value)
    return bytes(data)


Make = Callable[[random.Random, bytes], Upload]


def _route(chance: random.Random) -> str:
    return chance.choice((OWN_ROUTE, OPENAI_ROUTE))


def _file(kind: str, make: Maker) -> Make:
    def upload(chance: random.Random, _clip: bytes) -> Upload:
        name = chance.choice(("a.wav", "a.mp3", "a", "../../a.flac", "\u97f3.ogg", "a" * 300))
        return Upload(f"file: {kind}", _route(chance), FORM, recording(make(chance), name))

    return upload


# --- fields that mean nothing ---------------------------------------------------------------------

BAD_FIELDS = {
    (OWN_ROUTE, "language"): ("xx", "english", "en-US", "\u82f1", "e" * 999),
    (OWN_ROUTE, "task"): ("summarize", "TRANSCRIBE", "0"),
    (OWN_ROUTE, "beam_size"): ("0", "-1", "17", "1e3", "five", "9" * 99),
    (OPENAI_ROUTE, "language"): ("xx", "korean"),
    (OPENAI_ROUTE, "response_format"): ("xml", "JSON", "verbose"),
    (OPENAI_ROUTE, "temperature"): ("-1", "1.1", "nan", "inf", "warm"),
    (OPENAI_ROUTE, "timestamp_granularities[]"): ("word", "line"),
    (OPENAI_ROUTE, "stream"): ("true", "1"),
    (OPENAI_ROUTE, "prompt"): ("<|endoftext|>", "a <|nospeech|> b"),
}


def _field(name: tuple[str, str], values: tuple[str, ...]) -> Make:
    route, field = name

    def upload(chance: random.Random, clip: bytes) -> Upload:
        body = form(
            part("file", clip, "a.flac"), part(field, chance.choice(values).encode("utf-8"))
        )
        return Upload(f"field: {field}", route, FORM, body)

    return upload


# --- forms that are none --------------------------------------------------------------------------


def _forms() -> list[Make]:
    """What makes a request whose form is wrong around a good recording."""

    def make(
        kind: str, body: Callable[[random.Random, bytes], bytes], content_type: str = FORM
    ) -> Make:
        def upload(chance: random.Random, clip: bytes) -> Upload:
            return Upload(f"form: {kind}", _route(chance), content_type, body(chance, clip))

        return upload

    def whole(_chance: random.Random, clip: bytes) -> bytes:
        return recording(clip)

    def cut(chance: random.Random, clip: bytes) -> bytes:
        data = recording(clip)
        return data[: chance.randint(1, len(data) - len(BOUNDARY) - 8)]

    def many_fields(_chance: random.Random, clip: bytes) -> bytes:
        return recording(clip, **{f"field{number}": "x" for number in range(99)})

    def no_name(_chance: random.Random, clip: bytes) -> bytes:
        return recording(clip).replace(b' name="file";', b"")

    return [
        make("cut", cut),
        make("empty", lambda _chance, _clip: b""),
        make("noise", lambda chance, _clip: chance.randbytes(2000)),
        make("no_file", lambda _chance, _clip: form(part("language", b"en"))),
        make("file_as_text", lambda _chance, clip: form(part("file", clip))),
        make("other_name", lambda _chance, clip: form(part("audio", clip, "a.flac"))),
        make("two_files", lambda _chance, clip: form(*[part("file", clip, "a.flac")] * 2)),
        make("many_fields", many_fields),
        make("huge_field", lambda _chance, clip: recording(clip, prompt="x" * 200_000)),
        make("part_without_name", no_name),
        make("no_boundary", whole, "multipart/form-data"),
        make("other_boundary", whole, "multipart/form-data; boundary=other"),
        make("not_a_form", lambda _chance, clip: clip, "audio/flac"),
        make("json", lambda _chance, _clip: b'{"file": "a"}', "application/json"),
        make("url_encoded", lambda _chance, _clip: b"file=a", "application/x-www-form-urlencoded"),
        make("no_type", whole, ""),
    ]
