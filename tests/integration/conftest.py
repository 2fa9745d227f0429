# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests inside an engine image share: a corner of the build server, image, conversion."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.verify_host import VerifyHost


@pytest.fixture(scope="module")
def host() -> Iterator[VerifyHost]:
    """A directory on the lab's build server with the checks, the clips and the tiny model."""
    host = VerifyHost()
    try:
        host.carry()
        yield host
    finally:
        host.clean()


@pytest.fixture(scope="module")
def image(host: VerifyHost) -> str:
    """The newest full engine image there, or the one that STT_TEST_ENGINE_IMAGE names."""
    named = os.environ.get("STT_TEST_ENGINE_IMAGE")
    if named:
        return named
    filters = "--filter label=stt.engine.owner=stt.engine --filter label=stt.engine.variant=full"
    names = "--format '{{.Repository}}:{{.Tag}}'"
    listed = host.ssh(f"docker image ls {names} {filters}").split()
    # A name, because FROM takes no id; and no image that a test has derived from one of ours.
    found = [name for name in listed if name.startswith("stt-engine:") and "<none>" not in name]
    if not found:
        pytest.skip("no engine image on the lab's build server: `make release` builds one")
    return found[0]


@pytest.fixture(scope="module")
def converted(host: VerifyHost, image: str) -> dict[str, Any]:
    """The tiny model's conversion to int8_float16."""
    done = host.convert(image)
    assert not done.get("failed"), done["msg"]
    return done
