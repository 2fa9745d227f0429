# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium, asked over its DevTools pipe: no port, no driver, no further package."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# The browser reads commands from its descriptor 3 and answers on 4.
START = 'exec "$0" "$@" 3<&"$STT_COMMANDS" 4>&"$STT_ANSWERS"'
ANSWER_SECONDS = 60.0

Message = dict[str, Any]


class Chromium:
    """One browser with one page."""

    def __init__(self, profile: Path) -> None:
        program = shutil.which("chromium")
        if program is None:
            raise FileNotFoundError(
                "chromium: found no such program; needed to look at the pages as people do; "
                "fix: scripts/setup.sh test, or apt-get install chromium fonts-nanum"
            )
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self._log = (profile.parent / "chromium.log").open("wb")
        environment = {**os.environ, "STT_COMMANDS": str(commands), "STT_ANSWERS": str(answers)}
        self._process = subprocess.Popen(
            ["bash", "-c", START, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(commands, answers),
            env=environment,
            stdout=self._log,
            stderr=self._log,
        )
        os.close(commands)
        os.close(answers)
        self._numbers = itertools.count(1)
        self._rest = b""
        self.events: list[Message] = []
        self._session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(timeout=30)
        os.close(self._commands)
        os.close(self._answers)
        self._log.close()

    def call(self, method: str, **parameters: Any) -> Message:
        """Give a command and wait for its answer; what is told meanwhile is kept as events."""
        number = next(self._numbers)
        message: Message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda told: told.get("id") == number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: Message = answer["result"]
        return result

    def _until(self, wanted: Callable[[Message], bool]) -> Message:
        """The next message that is wanted; every other one is an event."""
        limit = time.monotonic() + ANSWER_SECONDS
        while True:
            while b"\0" in self._rest:
                line, _end, self._rest = self._rest.partition(b"\0")
                message: Message = json.loads(line)
                if wanted(message):
                    return message
                self.events.append(message)
            left = limit - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise TimeoutError(f"chromium said nothing for {ANSWER_SECONDS:.0f} s")
            part = os.read(self._answers, 1 << 20)
            if not part:
                raise RuntimeError(f"chromium ended; its last words are in {self._log.name}")
            self._rest += part

    def open(self, page: Path, width: int, *, phone: bool = False, medium: str = "") -> None:
        """Show a file at a width; a medium of its own is how the page looks on paper."""
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=1000,
            deviceScaleFactor=1,
            mobile=phone,
        )
        self.call("Emulation.setEmulatedMedia", media=medium)
        self.call("Page.navigate", url=page.as_uri())
        if not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._until(lambda told: told.get("method") == "Page.loadEventFired")
        self.evaluate("document.fonts.ready.then(() => true)")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def told(self, *methods: str) -> list[Message]:
        """The events of these kinds since the page was opened."""
        return [event["params"] for event in self.events if event.get("method") in methods]

    def picture(self, path: Path, *, scale: float = 1.0, height: int | None = None) -> None:
        """Keep the page, from its top, as a PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"]}
        answer = self.call(
            "Page.captureScreenshot",
            clip={**clip, "scale": scale},
            captureBeyondViewport=True,
        )
        path.write_bytes(base64.b64decode(answer["data"]))

    def paper(self) -> bytes:
        """The page as a PDF, on the paper that its style asks for."""
        answer = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(answer["data"])
