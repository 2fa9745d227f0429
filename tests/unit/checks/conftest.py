# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks are packed as they lie in ``checks/``; tests import them from there."""

from __future__ import annotations

import sys
from pathlib import Path

CHECKS = Path(__file__).resolve().parents[3] / "checks"
if str(CHECKS) not in sys.path:
    sys.path.insert(0, str(CHECKS))
