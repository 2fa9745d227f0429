# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may have changed since an image was built, and the table of what each module makes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ansible_collections.community.docker

CHECKOUT = Path(__file__).resolve().parents[2]
NAME = "image-truth"
# In the order of the columns: ours, and the peer's two ways to treat an image that is there.
TOOLS = ("ours", "never", "always")

# In place of SAME stands the name of an image of this row's own.
DOCKERFILE = """\
# A comment.
ARG BASE_IMAGE
FROM SAME AS SAME
FROM unused.invalid/image AS unused
FROM ${BASE_IMAGE} AS first
ARG LEVEL=1
ARG\tTABBED=1
ENV LEVEL=${LEVEL} TABBED=${TABBED}
USER 0
RUN --mount=type=secret,id=token true
COPY . /app
COPY --from=SAME /same /app/same
FROM first AS last
ENV STAGE=last
"""
CONTEXT = {
    "Dockerfile": DOCKERFILE,
    ".dockerignore": "# A comment.\nnotes\nDockerfile\n",
    "main.py": "print('one')\n",
    "other.py": "",
    "notes/todo.md": "later\n",
}
OLD = "2001-02-03"


@dataclass(frozen=True)
class Row:
    """One edit after a build, and whether an image of these inputs is another one.

    ``edit`` is a script that runs in the context; $1 is the base image's name, the words after it
    are those of the three images, and $same is the image whose name a stage has. ``asked`` changes
    the arguments of the module: build_args, labels, target, secrets, base_digest or context.
    ``rebuilt`` is None where the image is there and lacks only its name.
    """

    name: str
    edit: str = "true"
    rebuilt: bool | None = True
    asked: dict[str, Any] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The row's name as a part of an image's name."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name.lower())


ROWS = (
    Row("nothing", rebuilt=False),
    Row("modification times only", "find . -exec touch {} +", rebuilt=False),
    Row("owner of a copied file", "chown 1234:1234 main.py", rebuilt=False),
    Row("an ignored file", "echo sooner > notes/todo.md", rebuilt=False),
    Row("a comment in the Dockerfile", "sed -i '1s/.*/# Another comment./' Dockerfile", False),
    Row("an argument that nothing asks for", rebuilt=False, asked={"build_args": {"UNUSED": "2"}}),
    Row("the content of a secret", "echo 'two' > ../token", rebuilt=False),
    Row("the same context elsewhere", "cp -a . ../moved", False, {"context": "moved"}),
    Row("the base's digest demanded as it is", rebuilt=False, asked={"base_digest": True}),
    Row("a copied file", "echo 'print(2)' > main.py"),
    Row("a copied file, same size and time", f"sed -i s/one/two/ main.py; touch -d {OLD} main.py"),
    Row("a new file", "echo new > new.py"),
    Row("a file less", "rm other.py"),
    Row("a file's name", "mv other.py another.py"),
    Row("a file's mode", "chmod 755 main.py"),
    Row("a link's target", "ln -sfn other.py link"),
    Row("what .dockerignore lets in", "printf 'Dockerfile\\n' > .dockerignore"),
    Row("an instruction of the Dockerfile", "echo 'ENV MORE=1' >> Dockerfile"),
    Row("a build argument", asked={"build_args": {"LEVEL": "2"}}),
    Row("a build argument, declared with a tab", asked={"build_args": {"TABBED": "2"}}),
    Row("a label", asked={"labels": {"kind": "two"}}),
    Row("the target", asked={"target": "first"}),
    Row("the id of a secret", asked={"secrets": ("token", "netrc")}),
    Row(
        "the base, moved behind the same tag",
        'printf "FROM %s\\nENV BASE=moved\\n" "$1" | docker build -q -t "$1" - >/dev/null',
    ),
    Row(
        "an image that a stage is named after, moved",
        'echo two > ../same/same && tar -C ../same -c same | docker import - "$same" >/dev/null',
    ),
    Row("the image removed", 'shift; for image; do docker image rm "$image"; done', True),
    Row(
        "the image's tag removed",
        'shift; for image; do docker tag "$image" "$image-kept"; docker rmi "$image"; done',
        rebuilt=None,
    ),
    Row(
        "the image's tag on another image",
        'base=$1; shift; for image; do docker tag "$image" "$image-kept"; '
        'docker tag "$base" "$image"; done',
        rebuilt=None,
    ),
)

# Prints one JSON object for each image: what was copied into it and what its configuration says.
FINGERPRINT = """
import hashlib, io, json, subprocess, sys, tarfile

def run(*words):
    return subprocess.run(["docker", *words], check=True, capture_output=True).stdout

for image in sys.argv[1:]:
    config = json.loads(run("image", "inspect", image))[0]["Config"]
    labels = config["Labels"] or {}
    container = run("create", image, "x").decode().strip()
    try:
        copied = subprocess.run(["docker", "cp", container + ":/app", "-"], capture_output=True)
    finally:
        run("rm", container)
    entries = {}
    if copied.returncode == 0:
        with tarfile.open(fileobj=io.BytesIO(copied.stdout)) as archive:
            for one in archive:
                data = archive.extractfile(one).read() if one.isreg() else b""
                entries[one.name] = [oct(one.mode), one.linkname, one.uid, data.decode()]
    ours = {name: labels[name] for name in sorted(labels) if not name.startswith("stt.engine.")}
    print(json.dumps([entries, sorted(config["Env"]), ours], sort_keys=True))
"""


@dataclass(frozen=True)
class Answer:
    """What a module said after the edit, and whether its image is what these inputs make."""

    changed: bool
    right: bool

    def __str__(self) -> str:
        words = "rebuilt" if self.changed else "unchanged"
        return words if self.right else f"{words}, **stale image**"


def peer_version() -> str:
    """The pinned version of the peer's collection."""
    places = list(ansible_collections.community.docker.__path__)
    manifest = json.loads((Path(places[0]) / "MANIFEST.json").read_text(encoding="utf-8"))
    return str(manifest["collection_info"]["version"])


def markdown(found: Sequence[tuple[Row, dict[str, Answer]]]) -> str:
    """The table for people."""
    lines = [
        "| what changed | is it another image? | stt_image_build | docker_image_build | "
        "docker_image_build, rebuild: always |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row, answers in found:
        truth = {True: "yes", False: "no", None: "only its name"}[row.rebuilt]
        ours = str(answers["ours"])
        if row.rebuilt is None:
            ours = ours.replace("rebuilt", "tag set again")
        peers = [str(answers[tool]) for tool in TOOLS[1:]]
        lines.append(f"| {row.name} | {truth} | {ours} | {' | '.join(peers)} |")
    return "\n".join(lines)


def write(found: Sequence[tuple[Row, dict[str, Answer]]], seen: dict[str, str]) -> Path:
    """Write results/image-truth.json and .md; returns the first."""
    right = {
        tool: sum(
            answers[tool].right and (answers[tool].changed is (row.rebuilt is not False))
            for row, answers in found
        )
        for tool in TOOLS
    }
    document = {
        "name": NAME,
        "passed": right["ours"],
        "failed": len(found) - right["ours"],
        "figures": {f"right_{tool}": count for tool, count in right.items()},
        "ratios": {},
        "facts": {"community.docker": peer_version(), "ansible": version("ansible"), **seen},
        "rows": [
            {
                "changed": row.name,
                "another_image": row.rebuilt,
                **{
                    tool: {"changed": answers[tool].changed, "right": answers[tool].right}
                    for tool in TOOLS
                },
            }
            for row, answers in found
        ],
    }
    folder = CHECKOUT / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{NAME}.md").write_text(f"{markdown(found)}\n", encoding="utf-8")
    path = folder / f"{NAME}.json"
    path.write_text(f"{json.dumps(document, indent=2)}\n", encoding="utf-8")
    return path
