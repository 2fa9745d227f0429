# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of the input digest: it moves with every counted input, and with nothing else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.stt.engine.plugins.module_utils._build_dockerfile import (
    read_dockerfile,
)
from ansible_collections.stt.engine.plugins.module_utils._build_inputs import (
    BuildRequest,
    compare,
    context_lines,
    copy_context,
    current_entries,
    input_digest,
    make_document,
    make_request,
    read_text,
)
from ansible_collections.stt.engine.plugins.module_utils._dockerignore import walk

Value = TypeVar("Value")
ARGUMENTS = ("CUDA", "VERSION", "VARIANT", "LATER")
DOCKERFILE = """\
ARG BASE_IMAGE
ARG GPU_IMAGE
FROM ${GPU_IMAGE:-nowhere.invalid/gpu} AS gpu
ARG GPU
FROM ${BASE_IMAGE} AS one
ARG\tCUDA  VERSION
FROM one AS two
ONBUILD ARG LATER
FROM two
ARG VARIANT=full
"""


@dataclass
class World:
    """Everything that a build is asked for: what counts, and below it what does not."""

    files: dict[str, tuple[int, bytes]]
    links: dict[str, str]
    dockerfile: str
    arguments: dict[str, str]
    labels: dict[str, str]
    secrets: list[str]
    target: str = ""
    platform: str = "linux/amd64"
    base: str = "sha256:1"
    images: dict[str, str] = field(default_factory=dict)
    secret_content: bytes = b"one"
    ignored: dict[str, bytes] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    time: int = 1_000_000_000
    turned: bool = False

    def request(self, root: Path) -> BuildRequest:
        """Write the world below a directory and ask for its image."""
        context = root / "context"
        context.mkdir()
        for name, (mode, content) in self._ordered(self.files).items():
            _write(context / name, content, mode)
        for name, target in self._ordered(self.links).items():
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            (context / name).symlink_to(target)
        for name, content in self.ignored.items():
            _write(context / "ignored" / name, content, 0o600)
        (context / ".dockerignore").write_text("ignored\nDockerfile\n")
        (context / "Dockerfile").write_text(self.dockerfile)
        for path in (context, *context.rglob("*")):
            os.utime(path, (self.time, self.time), follow_symlinks=False)
            if os.geteuid() == 0:
                os.chown(path, self.time % 3000, self.time % 2000, follow_symlinks=False)
        for name in self.secrets:
            _write(root / "secrets" / name, self.secret_content, 0o600)
        return make_request(
            context=str(context),
            dockerfile="Dockerfile",
            platform=self.platform,
            target=self.target,
            build_args=self._ordered({**self.arguments, **self.unused}),
            labels=self._ordered(self.labels),
            secrets=self._ordered({name: root / "secrets" / name for name in self.secrets}),
        )

    def document(self, root: Path) -> dict[str, Any]:
        """The document of the world's inputs."""
        asked = self.request(root)
        lines = context_lines(asked.context, current_entries(asked))
        base = self._ordered({"reference": "a", "digest": self.base})
        found = read_dockerfile(read_text(asked.dockerfile), asked.build_args, asked.target)
        return make_document(
            asked,
            lines,
            base=base,
            images=self._ordered(self.images),
            declared=found.arguments,
        )

    def digest(self) -> str:
        """The input digest, from a directory of its own."""
        with tempfile.TemporaryDirectory() as folder:
            return input_digest(self.document(Path(folder)))

    def _ordered(self, values: Mapping[str, Value]) -> dict[str, Value]:
        return dict(reversed(values.items()) if self.turned else values.items())


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


modes = st.sampled_from([0o644, 0o755, 0o600, 0o664])
contents = st.binary(max_size=30)
words = st.text("abc 나/=.-", max_size=8)
names = st.sampled_from(["a", "b", "dir/c", "dir/d", "dir/sub/e", "나", "f g", "#h"])
worlds = st.builds(
    World,
    files=st.dictionaries(names, st.tuples(modes, contents), min_size=1, max_size=6),
    links=st.dictionaries(st.sampled_from(["l", "dir.l"]), st.sampled_from(["a", "/nowhere"])),
    dockerfile=st.sampled_from(["", "RUN true\n", "RUN <<EOF\n# kept\nEOF\n"]).map(
        DOCKERFILE.__add__
    ),
    arguments=st.dictionaries(st.sampled_from(ARGUMENTS), words),
    labels=st.dictionaries(st.sampled_from(["x", "y"]), words),
    secrets=st.lists(st.sampled_from(["ca", "netrc", "proxy"]), unique=True),
    images=st.dictionaries(st.sampled_from(["i:1", "j:1"]), st.just("sha256:3")),
)


def _file(world: World, draw: st.DataObject) -> str:
    return draw.draw(st.sampled_from(sorted(world.files)))


def _change_content(world: World, draw: st.DataObject) -> None:
    name = _file(world, draw)
    mode, content = world.files[name]
    world.files[name] = (mode, draw.draw(contents.filter(lambda other: other != content)))


def _change_mode(world: World, draw: st.DataObject) -> None:
    name = _file(world, draw)
    mode, content = world.files[name]
    world.files[name] = (draw.draw(modes.filter(lambda other: other != mode)), content)


def _rename(world: World, draw: st.DataObject) -> None:
    name = _file(world, draw)
    world.files[f"{name}-renamed"] = world.files.pop(name)


def _remove(world: World, draw: st.DataObject) -> None:
    del world.files[_file(world, draw)]


def _add_file(world: World, draw: st.DataObject) -> None:
    world.files["new"] = (0o644, draw.draw(contents))


def _retarget(world: World, draw: st.DataObject) -> None:
    name = draw.draw(st.sampled_from(["l", "dir.l"]))
    world.links[name] = world.links.get(name, "") + "x"


def _link_instead(world: World, draw: st.DataObject) -> None:
    name = _file(world, draw)
    del world.files[name]
    world.links[name] = "elsewhere"


def _edit_dockerfile(world: World, draw: st.DataObject) -> None:
    line = draw.draw(st.sampled_from(["RUN a", "ENV A=1", "LABEL a=b", "COPY a /a"]))
    world.dockerfile += f"{line}\n"


def _argument(world: World, draw: st.DataObject) -> None:
    name = draw.draw(st.sampled_from([*ARGUMENTS, "SOURCE_DATE_EPOCH"]))
    before = world.arguments.get(name)
    world.arguments[name] = "7" if before is None else f"{before}7"


def _label(world: World, draw: st.DataObject) -> None:
    name = draw.draw(st.sampled_from(["x", "y", "z"]))
    world.labels[name] = world.labels.get(name, "") + "x"


def _secret_id(world: World, draw: st.DataObject) -> None:
    name = draw.draw(st.sampled_from(["ca", "netrc", "other"]))
    world.secrets = sorted({*world.secrets} ^ {name})


def _target(world: World, draw: st.DataObject) -> None:
    world.target = draw.draw(st.sampled_from(["one", "two"]))


def _platform(world: World, draw: st.DataObject) -> None:
    world.platform = draw.draw(st.sampled_from(["linux/arm64", "linux/amd64/v2"]))


def _base(world: World, draw: st.DataObject) -> None:
    world.base = f"sha256:{draw.draw(st.integers(2, 9))}"


def _image(world: World, draw: st.DataObject) -> None:
    name = draw.draw(st.sampled_from(["i:1", "j:1", "k:1"]))
    world.images[name] = world.images.get(name, "") + "9"


COUNTED: list[Callable[[World, st.DataObject], None]] = [
    *(_change_content, _change_mode, _rename, _remove, _add_file, _retarget, _link_instead),
    *(_edit_dockerfile, _argument, _label, _secret_id, _target, _platform, _base, _image),
]


def _comment(world: World, draw: st.DataObject) -> None:
    lines = world.dockerfile.split("\n")
    before = draw.draw(st.integers(1, 4))
    lines.insert(before, draw.draw(st.sampled_from(["# a comment", "", "  ", "\t# FROM x"])))
    world.dockerfile = "\n".join(lines)


def _touch(world: World, draw: st.DataObject) -> None:
    world.time = draw.draw(st.integers(1, 2_000_000_000))


def _ignored(world: World, draw: st.DataObject) -> None:
    world.ignored = {draw.draw(names): draw.draw(contents)}


def _secret_content(world: World, draw: st.DataObject) -> None:
    world.secret_content = draw.draw(contents)


def _unused(world: World, draw: st.DataObject) -> None:
    names = ("NOBODY_ASKS", "GPU", "GPU_IMAGE")
    world.unused = {name: draw.draw(words) for name in names}
    world.unused["HTTP_PROXY"] = "http://p:3128"


def _order(world: World, draw: st.DataObject) -> None:
    world.turned = draw.draw(st.booleans())


UNCOUNTED: list[Callable[[World, st.DataObject], None]] = [
    *(_comment, _touch, _ignored, _secret_content, _unused, _order),
]


@settings(max_examples=150, deadline=None)
@given(world=worlds, change=st.sampled_from(COUNTED), data=st.data())
def test_any_single_change_of_a_counted_input_changes_the_digest(
    world: World, change: Callable[[World, st.DataObject], None], data: st.DataObject
) -> None:
    other = deepcopy(world)
    change(other, data)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        before, after = world.document(Path(one)), other.document(Path(two))
    assert input_digest(before) != input_digest(after)
    # And the diff names it, so that nobody has to guess.
    assert compare(before, after)


@settings(max_examples=100, deadline=None)
@given(world=worlds, changes=st.lists(st.sampled_from(UNCOUNTED), max_size=6), data=st.data())
def test_nothing_else_changes_it_wherever_the_context_lies(
    world: World, changes: list[Callable[[World, st.DataObject], None]], data: st.DataObject
) -> None:
    other = deepcopy(world)
    for change in changes:
        change(other, data)
    assert other.digest() == world.digest()


@settings(max_examples=60, deadline=None)
@given(world=worlds)
def test_the_copy_that_the_engine_gets_has_the_digest_of_the_original(world: World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        asked = world.request(root)
        entries = current_entries(asked)
        copy_context(asked.context, entries, root / "copy", asked.epoch)
        original = context_lines(asked.context, entries)
        copied = context_lines(root / "copy", walk(root / "copy", []))

        def digest(lines: dict[str, str]) -> str:
            return input_digest(make_document(asked, lines, base={}, images={}, declared=()))

        assert digest(copied) == digest(original)
        assert set(copied) == {".dockerignore", *original}


blanks = st.text(" \t\v\f", min_size=1, max_size=3)
separators = st.one_of(blanks, blanks.map("{}\\ \n# between\n\n".format), st.just("\\\n\t"))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_words_may_be_set_apart_by_any_blanks(data: st.DataObject) -> None:
    lines = [line.split() for line in DOCKERFILE.splitlines()]
    lines += [["COPY", "--from=i:1", "/x", "/x"], ["RUN", "--mount=from=j:1,target=/x", "true"]]
    text = ""
    for first, *others in lines:
        text += data.draw(st.sampled_from(["", " ", "\t"])) + first
        text += "".join(data.draw(separators) + word for word in others)
        text += data.draw(st.sampled_from(["\n", " \n", "\r\n", "\n\n"]))
    plain = "".join(f"{' '.join(line)}\n" for line in lines)
    for arguments in ({}, {"BASE_IMAGE": "b:1"}):
        one, two = read_dockerfile(plain, arguments), read_dockerfile(text, arguments)
        assert (one.base, one.base_argument) == (two.base, two.base_argument)
        assert one.images == two.images == ("i:1", "j:1")
        assert one.arguments == two.arguments == {*ARGUMENTS, "BASE_IMAGE"}


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_images_and_arguments_count_exactly_when_the_target_needs_them(data: st.DataObject) -> None:
    """Any graph of stages; a stage may have the name of the image that it is made of."""
    count = data.draw(st.integers(1, 6))
    text, names = "", []
    needs: list[set[int]] = []
    rooted: list[bool] = []
    for index in range(count):
        earlier = st.sampled_from(range(index)) if index else st.nothing()
        parent = data.draw(st.none() | earlier)
        copied = data.draw(st.sets(earlier, max_size=2 if index else 0))
        names.append(data.draw(st.sampled_from([f"image{index}", f"stage{index}"])))
        base = f"image{index}" if parent is None else names[parent]
        text += f"FROM {base} AS {names[index]}\nARG A{index}\n"
        for other in sorted(copied):
            place = data.draw(st.sampled_from([names[other], names[other].upper(), str(other)]))
            text += f"COPY --from={place} /x /x\n"
        needs.append(copied | (set() if parent is None else {parent}))
        rooted.append(parent is None)
    target = data.draw(st.sampled_from(range(count)))
    reached: set[int] = set()
    waiting = {target}
    while waiting:
        reached |= waiting
        waiting = {need for index in waiting for need in needs[index]} - reached
    found = read_dockerfile(text, {}, names[target])
    assert {found.base, *found.images} == {f"image{index}" for index in reached if rooted[index]}
    assert found.arguments == {f"A{index}" for index in reached}
