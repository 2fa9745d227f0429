# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All checks, in the order in which they run."""

from __future__ import annotations

from . import (
    r2_files,
    r2_image,
    r2_inventory,
    r2_packages,
    r2_secrets,
    r4_container,
    r4_cuda,
    r4_models,
    r4_permissions,
    r4_torch,
    r5_accept,
    r5_audio,
    r5_encoder,
    r5_loads,
    r5_quantizations,
    r5_service,
    r5_speed,
    r5_structure,
    r5_transcripts,
)
from .registry import Check, Registry
from .settings import Settings

REGISTRIES: tuple[Registry, ...] = (
    r2_files.registry,
    r2_secrets.registry,
    r2_packages.registry,
    r2_image.registry,
    r2_inventory.registry,
    r4_container.registry,
    r4_models.registry,
    r4_torch.registry,
    r4_cuda.registry,
    r4_permissions.registry,
    r5_structure.registry,
    r5_loads.registry,
    r5_audio.registry,
    r5_accept.registry,
    r5_speed.registry,
    r5_transcripts.registry,
    r5_service.registry,
    r5_encoder.registry,
    r5_quantizations.registry,
)


# What is run when nobody names a phase: an image is judged from outside, models also in place.
WITH_MODELS = ("R4", "R5")


def checks(phase: str | None = None, settings: Settings | None = None) -> list[Check]:
    """The checks of one phase, or of all; with settings also those that only they call for."""
    everything = [
        check
        for registry in REGISTRIES
        for check in (registry.checks if settings is None else registry.planned(settings))
    ]
    part = settings.part if settings is not None else None
    return [
        check for check in everything if phase in (None, check.phase) and part in (None, check.part)
    ]
