# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech to text with Whisper models in CTranslate2's format.

Importing this package imports nothing heavy: diagnose_faster_whisper_model() works wherever
Python does. The service is started with ``python -m stt_engine``.
"""

from __future__ import annotations

from stt_engine.diagnose import Diagnosis, diagnose_faster_whisper_model

__all__ = ["Diagnosis", "__version__", "diagnose_faster_whisper_model"]
__version__ = "0.1.0"
