# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our reading of .dockerignore against the engine's own: the same files, or both refuse."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._build_inputs import ignore_patterns
from ansible_collections.stt.engine.plugins.module_utils._dockerignore import parse, walk
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from tests.integration.build_host import BuildHost

FILES = (
    "Dockerfile",
    "README.md",
    "a.txt",
    "app/main.py",
    "app/main.pyc",
    "app/sub/deep/x.py",
    "app/sub/deep/y.txt",
    "app/sub/z.txt",
    "app.d/conf",
    "docs/a.txt",
    "docs/build/index.html",
    "docs/readme.md",
    "foo",
    "barfoo",
    "logs/2024/app.log",
    "logs/app.log",
    "my file.txt",
    "node_modules/x/index.js",
    "sub/foo/inner",
    "sub/docs/a.txt",
    "weird[1].txt",
    "weird1.txt",
    "star*name",
    "tmp/.gitkeep",
    ".env",
    ".hidden/secret",
    "한글/파일.txt",
)
# What people write, and what is easy to get wrong.
WRITTEN = (
    "",
    "*",
    "**",
    "*.txt",
    "**/*.txt",
    "/a.txt",
    "docs/",
    "docs",
    "./docs",
    "app/../docs",
    "docs/*",
    "docs/**",
    "**/docs",
    "**/foo",
    "**foo",
    "foo",
    "*/*/x.py",
    "app/**/deep",
    "app/**/*.txt",
    "**/sub/**",
    "*\n!app",
    "*\n!app/sub/deep/x.py",
    "*\n!app/main.py\napp/main.pyc",
    "**\n!**/*.py",
    "*\n!**/*.txt\ndocs",
    "!app\napp",
    "app\n!app/sub\napp/sub/deep",
    "app\n!app/sub/*",
    "*.md\n!README.md\nREADME.*",
    "# docs\n#app",
    " docs \n\t app/sub ",
    "  # not a comment",
    "?oo",
    "weird[1].txt",
    "weird[0-9].txt",
    "weird[^2].txt",
    "weird\\[1\\].txt",
    "star\\*name",
    "star*",
    "\ufeffdocs",
    "my file.txt",
    ".*",
    "**/.*",
    "Dockerfile\n.dockerignore",
    "app.d",
    "app?d",
    "/",
    ".",
    "//docs",
    "한글",
    "**/*.py*\n!**/main.py",
    "logs\n!logs/2024\n!logs/app.log\nlogs/2024/*",
    "!\u0020foo\nfoo",
    "*\n!/docs/readme.md",
    "*\n!docs/",
    "**/deep/**\n!**/y.txt",
)
REFUSED = ("[", "a[", "!", "a\n![", "[]", "a[^]", "docs\\")


def _written_at_random() -> Iterator[str]:
    """Lines made of the tree's own words and the pattern language's signs."""
    chance = random.Random(20240229)
    words = ["app", "sub", "deep", "docs", "foo", "*.txt", "*.py", "*", "**", "?oo", "logs", "x.py"]
    for _case in range(25):
        lines = []
        for _line in range(chance.randint(1, 5)):
            line = "/".join(chance.choice(words) for _part in range(chance.randint(1, 3)))
            line = chance.choice(["", "", "", "/", "**/", "./"]) + line
            line += chance.choice(["", "", "", "/", "/**", "/*"])
            lines.append(chance.choice(["", "", "!"]) + line)
        yield "\n".join(lines)


CASES = (*WRITTEN, *_written_at_random())


def _make_tree(root: Path) -> Path:
    for name in FILES:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
        file.chmod(0o640 if name.endswith("z.txt") else 0o644)
    (root / "app/main.py").chmod(0o755)
    (root / "docs").chmod(0o750)
    (root / "empty").mkdir()
    (root / "app/link").symlink_to("main.py")
    (root / "outside").symlink_to("/etc/hostname")
    return root


def _pack(root: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(root, ".")
    return packed.getvalue()


def _ours(root: Path, text: str) -> set[str]:
    return {
        f"{entry.path} {entry.kind} {entry.mode:o} {entry.target}"
        for entry in walk(root, parse(text))
    }


def _engines(archive: bytes) -> set[str]:
    found = set()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            kind = "directory" if member.isdir() else "link" if member.issym() else "file"
            name = member.name.strip("/")
            if name:
                found.add(f"{name} {kind} {member.mode & 0o7777:o} {member.linkname}")
    return found


@pytest.fixture
def host() -> Iterator[BuildHost]:
    host = BuildHost()
    try:
        yield host
    finally:
        host.clean()


# One session builds every case, each with a Dockerfile whose own ignore file is the case.
BUILD_ALL = """
cd {directory}/cases
build() {{
  docker buildx build --builder default --provenance=false --quiet --file $1 \
    --output type=tar,dest=$1.tar {directory}/context >/dev/null 2>$1.err || rm -f $1.tar
}}
running=0
for case in *.Dockerfile; do
  build $case &
  running=$((running + 1))
  if [ $running = 8 ]; then wait; running=0; fi
done
wait
tar -cf - --ignore-failed-read *.tar
"""


def _build_all(host: BuildHost, tree: Path, cases: tuple[str, ...]) -> dict[int, bytes]:
    host.unpack(_pack(tree), "context")
    files = {}
    for number, text in enumerate(cases):
        files[f"{number:03}.Dockerfile"] = "FROM scratch\nCOPY . /\n"
        files[f"{number:03}.Dockerfile.dockerignore"] = text + "\n"
    host.put(files, "cases")
    answer = host.ssh_bytes(BUILD_ALL.format(directory=host.directory))
    results = {}
    with tarfile.open(fileobj=io.BytesIO(answer)) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            results[int(member.name[:3])] = content.read()
    return results


def test_every_case_gives_the_engines_own_files(host: BuildHost, tmp_path: Path) -> None:
    tree = _make_tree(tmp_path / "tree")
    results = _build_all(host, tree, CASES)
    different = []
    for number, text in enumerate(CASES):
        assert number in results, f"the engine refused {text!r}"
        ours, engines = _ours(tree, text), _engines(results[number])
        if ours != engines:
            different.append((text, sorted(ours - engines), sorted(engines - ours)))
    assert different == []


def test_what_we_refuse_the_engine_refuses(host: BuildHost, tmp_path: Path) -> None:
    tree = _make_tree(tmp_path / "tree")
    for text in REFUSED:
        with pytest.raises(SttError, match="needed a pattern as Docker documents it"):
            parse(text)
    # One good case keeps the answer an archive when all others are refused.
    assert set(_build_all(host, tree, ("*.md", *REFUSED))) == {0}


def test_the_dockerfiles_own_ignore_file_comes_first(host: BuildHost, tmp_path: Path) -> None:
    tree = _make_tree(tmp_path / "tree")
    (tree / ".dockerignore").write_text("docs\n")
    (tree / "other.Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (tree / "other.Dockerfile.dockerignore").write_text("app\n")
    (tree / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    host.unpack(_pack(tree), "context")
    for name in ("Dockerfile", "other.Dockerfile"):
        context = f"{host.directory}/context"
        archive = host.ssh_bytes(
            f"docker buildx build --builder default --provenance=false --quiet "
            f"--file {context}/{name} --output type=tar,dest=- {context}"
        )
        patterns = ignore_patterns(tree, tree / name)
        ours = {
            f"{entry.path} {entry.kind} {entry.mode:o} {entry.target}"
            for entry in walk(tree, patterns)
        }
        assert ours == _engines(archive)
        assert ("docs directory 750 " in ours) is (name != "Dockerfile")
