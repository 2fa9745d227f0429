# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure, or run what plants faults: `python -m tests.bench model`, `... faults`."""

from __future__ import annotations

import argparse
import sys

from tests.bench import faults, model


def main() -> int:
    """Run one of them and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    model.add_arguments(commands.add_parser("model", help=model.__doc__))
    faults.add_arguments(commands.add_parser("faults", help=faults.__doc__))
    options = parser.parse_args()
    return model.main(options) if options.command == "model" else faults.main(options)


if __name__ == "__main__":
    sys.exit(main())
