# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks are packed as they lie in ``checks/``; tests import them from there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).resolve().parents[3] / "checks"
if str(CHECKS) not in sys.path:
    sys.path.insert(0, str(CHECKS))

from stt_checks import r2_files, r2_secrets  # noqa: E402
from stt_checks.settings import Settings  # noqa: E402

from tests.unit.checks import image_gates  # noqa: E402


@pytest.fixture
def image_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image's files: so far those of its base."""
    root = tmp_path / "root"
    image_gates.write_base(root)
    for module in (r2_files, r2_secrets):
        monkeypatch.setattr(module, "ROOT", root)
    return root


@pytest.fixture
def image_settings(image_root: Path, tmp_path: Path) -> Settings:
    """What the checks are told of that image."""
    (tmp_path / "scratch").mkdir()
    return image_gates.image_settings(image_root, tmp_path / "scratch")
