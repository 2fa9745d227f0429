# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the checks: ``python checks.pyz --phase R5 --models DIR``, or ``python checks ...``."""

from __future__ import annotations

import sys

from stt_checks.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
