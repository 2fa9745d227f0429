# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed, and is the image rebuilt: ours and community.docker's module on a real engine.

After every edit the images are compared with one that docker builds without any cache.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.build_host import BASE, TIMEOUT, BuildHost
from tests.integration.image_truth import (
    CONTEXT,
    FINGERPRINT,
    OLD,
    ROWS,
    TOOLS,
    Answer,
    Row,
    write,
)

pytestmark = pytest.mark.long


class Corner:
    """One row's context, base and images on the build server, and the arguments for them."""

    def __init__(self, host: BuildHost, row: Row) -> None:
        self._row = row
        # A directory's name of its own: BuildKit remembers files by it.
        self.folder = f"{host.directory}/{row.slug}"
        self.base = f"{host.prefix}-base:{row.slug}"
        self.repository = f"{host.prefix}-ours-{row.slug}"
        self.names = {tool: f"{host.prefix}-{tool}:{row.slug}" for tool in ("never", "always")}
        self.same = f"{host.prefix}-same-{row.slug}".rstrip("-")
        self.fresh = f"{host.prefix}-fresh:{row.slug}"
        self._host = host

    def prepare(self) -> None:
        """Write the context, every file with an old time, and give the base a name of its own."""
        where = f"{self._row.slug}/{self._row.slug}"
        files = {name: text.replace("SAME", self.same) for name, text in CONTEXT.items()}
        self._host.put(files, where)
        self._host.ssh(
            f"cd {self.folder}/{self._row.slug} && ln -s main.py link && echo one > ../token && "
            f"mkdir ../same && echo one > ../same/same && "
            f"tar -C ../same -c same | docker import - {self.same} >/dev/null && "
            f"find . -exec touch -h -d {OLD} {{}} + && docker tag {BASE} {self.base}"
        )

    def ours(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The task with our module."""
        arguments: dict[str, Any] = {
            "context": self._context(asked),
            "base": self.base,
            "repository": self.repository,
            "jobs_root": f"{self.folder}/jobs",
            "timeout": TIMEOUT,
            "build_args": {"LEVEL": "1", **asked.get("build_args", {})},
            "labels": asked.get("labels", {"kind": "one"}),
            "target": asked.get("target", "last"),
            "secrets": dict.fromkeys(asked.get("secrets", ["token"]), f"{self.folder}/token"),
        }
        if "base_digest" in asked:
            script = f"docker image inspect --format '{{{{.Id}}}}' {self.base}"
            arguments["base_digest"] = self._host.ssh(script).strip()
        return {"stt.engine.stt_image_build": arguments}

    def peer(self, tool: str, asked: dict[str, Any]) -> dict[str, Any]:
        """The task with the peer's module."""
        secrets = [
            {"id": name, "type": "file", "src": f"{self.folder}/token"}
            for name in asked.get("secrets", ["token"])
        ]
        name, _colon, tag = self.names[tool].partition(":")
        arguments = {
            "name": name,
            "tag": tag,
            "rebuild": tool,
            "path": self._context(asked),
            "args": {"BASE_IMAGE": self.base, "LEVEL": "1", **asked.get("build_args", {})},
            "labels": asked.get("labels", {"kind": "one"}),
            "target": asked.get("target", "last"),
            "secrets": secrets,
        }
        return {"community.docker.docker_image_build": arguments}

    def edit(self, tag: str) -> dict[str, Any]:
        """The task that gives the peer's other way its image, and then makes the row's edit."""
        images = " ".join([self.base, tag, *self.names.values()])
        script = (
            f"docker tag {self.names['never']} {self.names['always']} && "
            f"cd {self.folder}/{self._row.slug} && same={self.same} && set -- {images} && "
            f"{{ {self._row.edit}; }}"
        )
        return {"ansible.builtin.shell": {"cmd": script}}

    def judge(self, tag: str) -> list[str]:
        """What is in our image, in the peer's two, and in one that docker builds from nothing."""
        asked = self._row.asked
        context = self._context(asked)
        words = [f"--build-arg BASE_IMAGE={self.base}", f"--target {asked.get('target', 'last')}"]
        arguments = {"LEVEL": "1", **asked.get("build_args", {})}
        words += [f"--build-arg {name}={value}" for name, value in arguments.items()]
        words += [f"--label kind={asked.get('labels', {'kind': 'one'})['kind']}"]
        # From a directory that no build has seen.
        copy = f"{self.folder}/fresh-{self._row.slug}"
        images = " ".join([tag, *self.names.values(), self.fresh])
        said = self._host.ssh(
            f"cp -a {context} {copy} && "
            f"docker build -q --no-cache -t {self.fresh} {' '.join(words)} {copy} >/dev/null && "
            f"python3 - {images}",
            FINGERPRINT.encode(),
        )
        return said.splitlines()

    def _context(self, asked: dict[str, Any]) -> str:
        return f"{self.folder}/{asked.get('context', self._row.slug)}"


@pytest.fixture(scope="module")
def host() -> Iterator[BuildHost]:
    host = BuildHost()
    try:
        yield host
    finally:
        host.clean()


@pytest.fixture(scope="module")
def table(host: BuildHost) -> Iterator[dict[str, dict[str, Answer]]]:
    """The answers by row; written when all rows were asked."""
    answers: dict[str, dict[str, Answer]] = {}
    yield answers
    found = [(row, answers[row.name]) for row in ROWS if row.name in answers]
    if len(found) == len(ROWS):
        engine = host.ssh("docker version --format '{{.Server.Version}}'").strip()
        buildx = host.ssh("docker buildx version").split()[1]
        print(f"written: {write(found, {'engine': engine, 'buildx': buildx})}")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.slug)
def test_what_changed_and_is_it_rebuilt(
    host: BuildHost, table: dict[str, dict[str, Answer]], row: Row
) -> None:
    corner = Corner(host, row)
    corner.prepare()
    built, peer = host.play([corner.ours({}), corner.peer("never", {})])
    assert (built.get("status"), peer["changed"]) == ("built", True), (built, peer)
    ours = corner.ours(row.asked)
    edit, predicted, after, again, never, always = host.play(
        [
            corner.edit(built["tag"]),
            {**ours, "check_mode": True},
            ours,
            ours,
            corner.peer("never", row.asked),
            corner.peer("always", row.asked),
        ]
    )
    assert edit["rc"] == 0, edit
    *images, fresh = corner.judge(after["tag"])
    answers = {
        tool: Answer(bool(result["changed"]), image == fresh)
        for tool, result, image in zip(TOOLS, (after, never, always), images, strict=True)
    }
    table[row.name] = answers

    # Ours tells the truth, in check mode too, and holds what these inputs make.
    assert answers["ours"] == Answer(row.rebuilt is not False, True), json.dumps(after)
    assert after["status"] == ("built" if row.rebuilt else "present")
    assert (predicted["changed"], predicted["reason"]) == (after["changed"], after["reason"])
    assert (again["changed"], again["image_id"]) == (False, after["image_id"])
    if row.rebuilt is False:
        assert after["image_id"] == built["image_id"]
    # The peer, as its documentation says: it asks for the name alone, or builds every time.
    gone = row.name in ("the image removed", "the image's tag removed")
    assert (answers["never"].changed, answers["always"].changed) == (gone, True)
