# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of a running service, and what they saw: `python3 -m tests.bench.service_client ORDER`.

Runs on the build server, beside the service's container, with the standard library alone. ORDER is
one JSON object; one JSON object is printed.
"""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.service_uploads import FORM, OPENAI_ROUTE, OWN_ROUTE, malformed, recording

PATIENCE_SECONDS = 120.0
PORT = 8003


@dataclass(frozen=True)
class Answer:
    """Status, headers and body of one response; status 0 when there was none."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    problem: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """The body as JSON; empty when it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class Service:
    """The service at an address, a connection for each request."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> Answer:
        """Send one request."""
        connection = http.client.HTTPConnection(self.address, PORT, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, body or None, {"Content-Type": kind} if body else {})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, problem=f"{type(error).__name__}: {error}")
        finally:
            connection.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, content)

    def health(self) -> Answer:
        """Ask /health."""
        return self.ask("GET", "/health")

    def inside(self) -> int:
        """How many requests are accepted and not finished; -1 when it does not say."""
        return int(self.health().document.get("requests", {}).get("inside", -1))

    def counted(self) -> dict[str, float]:
        """What the service itself has counted of the two routes, by status."""
        found: Counter[str] = Counter()
        for line in self.ask("GET", "/metrics").body.decode().splitlines():
            name, _unused, value = line.rpartition(" ")
            if name.startswith("stt_requests_total") and any(
                f'route="{route}"' in name for route in (OWN_ROUTE, OPENAI_ROUTE)
            ):
                found[name.partition('status="')[2].partition('"')[0]] += int(float(value))
        return dict(found)


@dataclass(frozen=True)
class Clip:
    """A recording with the text that must come back."""

    name: str
    data: bytes
    text: str


class Work:
    """What one order needs: the service, the clips, the container."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.service = Service(order["address"])
        place = Path(order["clips"])
        entries = json.loads((place / "clips.json").read_text(encoding="utf-8"))
        self.clips = [
            Clip(one["file"], (place / one["file"]).read_bytes(), one["text"] or "")
            for one in entries
        ]

    def wait_until_ready(self) -> dict[str, Any]:
        """Wait until the service is healthy; returns what it says it has loaded."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        process = Path(f"/proc/{self.order['pid']}")
        while (answer := self.service.health()).status != 200:
            if time.monotonic() > deadline or not process.exists():
                raise SystemExit(f"not healthy: {answer.status} {answer.body!r} {answer.problem}")
        return dict(answer.document["model"])

    def send(self, clip: Clip, route: str = OWN_ROUTE) -> Answer:
        """Send a recording."""
        return self.service.ask("POST", route, recording(clip.data, clip.name), FORM)

    # --- clients for a while ----------------------------------------------------------------------

    def load(self) -> dict[str, Any]:
        """Let clients send one recording after another; a refused one is sent again when told."""
        clients = int(self.order["clients"])
        before = self.service.counted()
        ends = time.monotonic() + float(self.order["seconds"])
        began = time.monotonic()
        with ThreadPoolExecutor(clients) as pool:
            seen = list(pool.map(lambda number: self._client(number, ends), range(clients)))
        seconds = time.monotonic() - began
        after = self.service.counted()
        told: Counter[str] = Counter()
        for one in seen:
            told.update(one.statuses)
        waits = sorted(wait for one in seen for wait in one.waits)
        return {
            "seconds": seconds,
            "begun": sum(one.begun for one in seen),
            "answered": sum(one.answered for one in seen),
            "statuses": dict(told),
            "counted_by_service": {
                status: after[status] - before.get(status, 0)
                for status in after
                if after[status] != before.get(status, 0)
            },
            "problems": [problem for one in seen for problem in one.problems][:20],
            "by_client": [one.answered for one in seen],
            "wait_median_seconds": waits[len(waits) // 2] if waits else None,
            "wait_p95_seconds": waits[len(waits) * 95 // 100] if waits else None,
            "health_after": self.service.health().status,
        }

    def _client(self, number: int, ends: float) -> Seen:
        seen = Seen()
        chance = random.Random(number)
        while time.monotonic() < ends:
            clip = chance.choice(self.clips)
            route = chance.choice((OWN_ROUTE, OPENAI_ROUTE))
            seen.begun += 1
            began = time.monotonic()
            while True:
                answer = self.send(clip, route)
                seen.statuses[str(answer.status)] += 1
                if answer.status != 429:
                    break
                # What the service asks of its clients; it is obeyed, not guessed.
                time.sleep(int(answer.headers["retry-after"]))
            seen.waits.append(time.monotonic() - began)
            if answer.status == 200 and answer.document.get("text") == clip.text:
                seen.answered += 1
            else:
                said = answer.problem or answer.body[:200].decode("utf-8", "replace")
                seen.problems.append(f"{clip.name}: {answer.status} {said}")
        return seen

    # --- many requests ----------------------------------------------------------------------------

    def repeat(self) -> dict[str, Any]:
        """Send many recordings and read the memory of the service's process in between."""
        count, step = int(self.order["count"]), int(self.order["step"])
        start = int(self.order.get("start", 0))
        resident: dict[str, int] = {}
        wrong = 0
        began = time.monotonic()
        for number in range(start + 1, start + count + 1):
            clip = self.clips[number % len(self.clips)]
            answer = self.send(clip)
            wrong += answer.status != 200 or answer.document.get("text") != clip.text
            if number % step == 0:
                resident[str(number)] = self._resident()
        return {
            "count": count,
            "wrong": wrong,
            "seconds": time.monotonic() - began,
            "resident_bytes": resident,
            "peak_bytes": _memory(self.order["pid"], "VmHWM"),
        }

    def _resident(self) -> int:
        return _memory(self.order["pid"], "VmRSS")

    # --- what must be refused ---------------------------------------------------------------------

    def malformed(self) -> dict[str, Any]:
        """Send uploads with a fault; every one must get 4xx with a reason."""
        clip = next(one for one in self.clips if one.name == "en-greeting.flac")
        kinds: dict[str, Counter[str]] = {}
        wrong: list[str] = []
        count = 0
        for upload in malformed(int(self.order["seed"]), int(self.order["count"]), clip.data):
            count += 1
            answer = self.service.ask("POST", upload.route, upload.body, upload.content_type)
            kinds.setdefault(upload.kind, Counter())[str(answer.status)] += 1
            error = answer.document.get("error")
            reason = error.get("message") if isinstance(error, dict) else None
            reason = reason or answer.document.get("message")
            if not 400 <= answer.status < 500 or answer.status == 429 or not reason:
                wrong.append(
                    f"{upload.kind} to {upload.route}: {answer.status} {answer.body[:150]!r}"
                )
        good = self.send(clip)
        return {
            "count": count,
            "refused": count - len(wrong),
            "wrong": wrong,
            "kinds": {kind: dict(found) for kind, found in sorted(kinds.items())},
            "health_after": self.service.health().status,
            "text_after": good.document.get("text"),
            "text_expected": clip.text,
        }

    # --- a stop in mid-flight ---------------------------------------------------------------------

    def stop(self) -> dict[str, Any]:
        """End the container by SIGTERM while requests are inside; none of these may be lost."""
        count, container = int(self.order["count"]), str(self.order["container"])
        clip = next(one for one in self.clips if one.name == "long-en.mp3")
        with ThreadPoolExecutor(count) as pool:
            accepted = [pool.submit(self.send, clip) for _number in range(count)]
            self._wait_for(lambda: self.service.inside() == count)
            began = time.monotonic()
            _docker("kill", "--signal", "TERM", container)
            self._wait_for(lambda: self.service.health().status != 200)
            late = [self.send(clip) for _number in range(3)]
            answers = [future.result() for future in accepted]
        status = _docker("wait", container)
        texts = Counter(answer.document.get("text") == clip.text for answer in answers)
        return {
            "accepted": count,
            "statuses": dict(Counter(str(answer.status) for answer in answers)),
            "right_texts": texts[True],
            "problems": [answer.problem for answer in answers if answer.problem],
            "late": [
                [one.status, one.headers.get("connection", ""), one.headers.get("retry-after", "")]
                for one in late
            ],
            "exit_status": int(status),
            "seconds": time.monotonic() - began,
        }

    def _wait_for(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not happened():
            if time.monotonic() > deadline:
                raise SystemExit("what was waited for did not happen")

    def one(self) -> dict[str, Any]:
        """Send one recording: of so many bytes, from that path, or the clip of that name."""
        order = self.order
        if "path" in order:
            path = Path(order["path"])
            clip = Clip(path.name, path.read_bytes(), "")
        elif "bytes" in order:
            clip = Clip("a.wav", b"RIFF" + bytes(int(order["bytes"])), "")
        else:
            clip = next(one for one in self.clips if one.name == order["clip"])
        body = recording(clip.data, clip.name, **order.get("fields", {}))
        answer = self.service.ask("POST", order.get("route", OWN_ROUTE), body, FORM)
        return {
            "status": answer.status,
            "headers": answer.headers,
            "body": answer.body.decode("utf-8", "replace"),
            "expected": clip.text,
            "health_after": self.service.health().status,
        }

    def metrics(self) -> dict[str, Any]:
        """Return the page of metrics."""
        return {"text": self.service.ask("GET", "/metrics").body.decode()}


@dataclass
class Seen:
    """What one client saw."""

    begun: int = 0
    answered: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def _memory(pid: int, name: str) -> int:
    """A figure of a process in bytes, as the kernel has it."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"process {pid}: found no {name}")


def _docker(*arguments: str) -> str:
    done = subprocess.run(
        ["docker", *arguments], check=True, capture_output=True, text=True, timeout=300
    )
    return done.stdout.strip()


ORDERS: dict[str, Callable[[Work], dict[str, Any]]] = {
    "ready": Work.wait_until_ready,
    "load": Work.load,
    "repeat": Work.repeat,
    "malformed": Work.malformed,
    "stop": Work.stop,
    "one": Work.one,
    "metrics": Work.metrics,
}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(ORDERS[given["do"]](Work(given))))
