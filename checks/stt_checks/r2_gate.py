# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every gate of R2.5 begins with: the image's description, and what it adds to its base."""

from __future__ import annotations

import functools
from collections.abc import Callable

from .image_facts import Base, Image
from .image_files import AddedFiles, kept_files
from .outcome import Outcome, failed, skipped
from .registry import Body, Progress
from .settings import Settings

STEP = "R2.5"
# One container reads every file of the image, the other runs as production will.
FILES = "files"
ENGINE = "engine"
SURVEY = "added_files"
NOT_CONTAINED = "not run in a container"
NO_DESCRIPTION = "the caller described no image"
LOCK = "build the image again from its package lock"


def of_image(body: Callable[[Settings, Progress, Image], Outcome]) -> Body:
    """A gate that gets the image's description."""

    @functools.wraps(body)
    def run(settings: Settings, progress: Progress) -> Outcome:
        if not settings.container:
            return skipped(NOT_CONTAINED)
        if settings.image is None:
            return failed(NO_DESCRIPTION, fix="run the checks by stt_image_verify")
        return body(settings, progress, settings.image)

    return run


def of_base(body: Callable[[Settings, Progress, Image, Base], Outcome]) -> Body:
    """A gate that also gets what is known of the base."""

    @of_image
    def run(settings: Settings, progress: Progress, image: Image) -> Outcome:
        if settings.base is None:
            return failed("the caller described no base image", fix="run them by stt_image_verify")
        return body(settings, progress, image, settings.base)

    return functools.wraps(body)(run)


def of_added(body: Callable[[Settings, AddedFiles], Outcome]) -> Body:
    """A gate that judges what an earlier check of this run has found."""

    @functools.wraps(body)
    def run(settings: Settings, _progress: Progress) -> Outcome:
        if not settings.container:
            return skipped(NOT_CONTAINED)
        added = kept_files(settings.scratch)
        if added is None:
            return failed(
                f"{STEP} {SURVEY} left no list of the added files",
                fix=f"mend what {STEP} {SURVEY} says, then run the checks again",
            )
        return body(settings, added)

    return run
