# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure, or run what plants faults: `python -m tests.bench model`, `... image`, `... faults`."""

from __future__ import annotations

import argparse
import sys

from tests.bench import faults, flips, image, model, service

COMMANDS = {
    "faults": faults,
    "flips": flips,
    "image": image,
    "model": model,
    "service": service,
}


def main() -> int:
    """Run one of them and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=module.__doc__))
    options = parser.parse_args()
    status: int = COMMANDS[options.command].main(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
