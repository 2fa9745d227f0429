# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the service: ``python -m stt_engine``; with --diagnose DIR, judge a model instead."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import logging
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

from stt_engine import __version__, diagnose_faster_whisper_model
from stt_engine.config import ConfigError, Settings, unknown_variables
from stt_engine.logs import configure, log

if TYPE_CHECKING:
    from stt_engine.server import Server

LIBRARIES = (
    "faster-whisper",
    "ctranslate2",
    "fastapi",
    "uvicorn",
    "python-multipart",
    "prometheus-client",
    "av",
    "numpy",
)
EXIT_NOT_STARTED = 1
EXIT_BAD_SETTINGS = 2
EXIT_ABANDONED = 3


def serve() -> int:
    """Serve until a signal; 0 after a drained stop, otherwise non-zero with the reason logged."""
    stopper = Stopper()
    try:
        settings = Settings.from_environment(os.environ)
    except ConfigError as error:
        configure("info")
        log(logging.ERROR, "bad settings", reason=str(error))
        return EXIT_BAD_SETTINGS
    configure(settings.log_level)
    for sentence in unknown_variables(os.environ):
        log(logging.WARNING, "unknown setting", reason=sentence)

    # Heavy, and of no use before the settings are known to be good.
    from stt_engine.engine import Engine
    from stt_engine.server import Server
    from stt_engine.service import Service

    engine = Engine(settings)
    service = Service(settings, engine, stopper.stop)
    server = stopper.server = Server(settings, service)
    server.run()
    if engine.failure is not None:
        return EXIT_NOT_STARTED
    if engine.facts is None:
        log(logging.INFO, "stopped before the model was loaded")
        sys.stdout.flush()
        # The library aborts the process when the interpreter ends below its load.
        os._exit(0)
    if server.abandoned:
        log(logging.ERROR, "stopped before these were done", requests=server.abandoned)
        sys.stdout.flush()
        # A normal exit would wait for the workers, and the time for that is over.
        os._exit(EXIT_ABANDONED)
    log(logging.INFO, "stopped")
    return 0


class Stopper:
    """Turns signals and failures into an orderly stop before and after the server runs.

    While it runs, the server has its own signal handlers.
    """

    def __init__(self) -> None:
        self.server: Server | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def stop(self) -> None:
        """Let the server drain and end."""
        if self.server is not None:
            self.server.should_exit = True

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.server is None:
            raise SystemExit(0)
        self.stop()


def versions() -> str:
    """Return the versions of the service and of the libraries it stands on."""
    # Proves that the service's own modules import; nothing of them is needed here.
    importlib.import_module("stt_engine.server")
    found = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    return ", ".join([f"stt_engine {__version__}", *found])


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m stt_engine", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--version", action="store_true", help="print versions and exit")
    what.add_argument("--diagnose", metavar="DIR", help="judge a model directory and exit")
    options = parser.parse_args()
    if options.version:
        print(versions())
        return 0
    if options.diagnose:
        diagnosis = diagnose_faster_whisper_model(options.diagnose)
        print(json.dumps(diagnosis, indent=2, ensure_ascii=False))
        return 0 if diagnosis["valid"] else 1
    return serve()


if __name__ == "__main__":
    sys.exit(main())
