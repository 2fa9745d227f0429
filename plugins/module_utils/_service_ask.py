# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a running service how it is and lets it transcribe one recording; it is left as it was."""

from __future__ import annotations

import http.client
import json
import secrets
import unicodedata
from dataclasses import dataclass
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._service import Service

HEALTH = "/health"
TRANSCRIBE = "/transcribe"
SHOWN_CHARACTERS = 200


# As much as two decoders of one model may differ, where no closer limit was sealed.
AGREEMENT = 0.2


@dataclass(frozen=True)
class Recording:
    """A recording, and the text that the sealed release's own service gave for it, if any."""

    name: str
    content: bytes
    text: str = ""
    limit: float = AGREEMENT


@dataclass(frozen=True)
class Answer:
    """What a service said; status 0 stands for no answer."""

    status: int
    body: dict[str, Any]
    said: str

    @property
    def sentence(self) -> str:
        """The answer in few words."""
        return f"{self.status or 'no answer'}: {self.said}" if self.said else str(self.status)


def asked(
    service: Service, recording: Recording | None, digest: str, timeout: float
) -> dict[str, Any]:
    """What a service says of itself and of a recording, and each thing that is not right."""
    if not service.address:
        return _told([f"{service.name} has no address that this host reaches"])
    health = _ask(service.address, "GET", HEALTH, timeout)
    loaded = health.body.get("model")
    model = loaded if isinstance(loaded, dict) else {}
    problems = [] if health.status == 200 else [f"{HEALTH} gives {health.sentence}"]
    # Another engine than the collection's own may say of its health what it likes.
    told = model.get("digest")
    if told and digest and told != f"sha256:{digest}":
        problems.append(f"{HEALTH} names the model {told}")
    if recording is None:
        return _told(problems, model)
    given = _transcribed(service, recording, timeout)
    text = str(given.body.get("text") or "")
    if given.status != 200 or given.body.get("success", True) is not True:
        problems.append(f"{TRANSCRIBE} gives {given.sentence} for {recording.name}")
    elif not letters(text) or _differs(recording, text):
        problems.append(f"{TRANSCRIBE} gives {text!r} for {recording.name}")
    return _told(problems, model, text)


def _differs(recording: Recording, text: str) -> bool:
    return bool(recording.text) and error_rate(recording.text, text) > recording.limit


def _told(
    problems: list[str], model: dict[str, Any] | None = None, text: str = ""
) -> dict[str, Any]:
    known = {key: str((model or {}).get(key) or "") for key in ("device", "compute_type", "digest")}
    return {"problems": problems, "text": text, **known}


def _transcribed(service: Service, recording: Recording, timeout: float) -> Answer:
    boundary = secrets.token_hex(16)
    head = (
        f"--{boundary}\r\nContent-Disposition: form-data; "
        f'name="file"; filename="{recording.name}"\r\n\r\n'
    )
    body = head.encode() + recording.content + f"\r\n--{boundary}--\r\n".encode()
    form = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return _ask(service.address, "POST", TRANSCRIBE, timeout, body, form)


def _ask(
    address: str,
    method: str,
    path: str,
    timeout: float,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    host, _colon, port = address.rpartition(":")
    # Asked directly, whatever proxy the host's environment names.
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        said = response.read().decode("utf-8", "replace")
        status = response.status
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, {}, f"{address} {error!r}")
    finally:
        connection.close()
    try:
        content = json.loads(said)
    except ValueError:
        content = {}
    return Answer(status, content if isinstance(content, dict) else {}, said[:SHOWN_CHARACTERS])


def letters(text: str) -> str:
    """Letters and digits alone, in lower case: neither marks nor spacing count."""
    composed = unicodedata.normalize("NFC", text).lower()
    return "".join(one for one in composed if one.isalnum())


def error_rate(wanted: str, found: str) -> float:
    """The share of letters and digits in which two texts differ."""
    one, other = letters(wanted), letters(found)
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, 1):
        before, row[0] = row[0], number
        for place, given in enumerate(other, 1):
            changed = before + (letter != given)
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, changed)
    return row[-1] / max(len(one), 1)
