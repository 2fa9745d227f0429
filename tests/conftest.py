# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout importable as ``ansible_collections.stt.engine``."""

from __future__ import annotations

import sys
from pathlib import Path

import ansible_collections

CHECKOUT = Path(__file__).resolve().parent.parent
COLLECTIONS = CHECKOUT / ".collections"


def _link_collection() -> None:
    """Make the link that the Makefile makes too, so that a bare ``pytest`` works."""
    link = COLLECTIONS / "ansible_collections" / "stt" / "engine"
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("../../..")


_link_collection()
for entry in (str(COLLECTIONS), str(CHECKOUT)):
    if entry not in sys.path:
        sys.path.insert(0, entry)
namespace = str(COLLECTIONS / "ansible_collections")
if namespace not in list(ansible_collections.__path__):
    ansible_collections.__path__.append(namespace)
