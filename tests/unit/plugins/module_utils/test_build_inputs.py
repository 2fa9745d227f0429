# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The input digest: what is refused, and that it changes exactly when an input does."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.stt.engine.plugins.module_utils._build_dockerfile import (
    declared_arguments,
)
from ansible_collections.stt.engine.plugins.module_utils._build_inputs import (
    BuildRequest,
    change_text,
    compare,
    context_lines,
    copy_context,
    current_entries,
    diff_text,
    input_digest,
    make_document,
    make_request,
    read_text,
)
from ansible_collections.stt.engine.plugins.module_utils._dockerignore import walk
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError


def make_tree(root: Path, files: Mapping[str, bytes] | None = None) -> Path:
    dockerfile = b"FROM a\nARG CUDA VERSION VARIANT OS\n"
    for name, content in (files or {"Dockerfile": dockerfile, "app/x.py": b"x"}).items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o644)
    return root


def request(root: Path, **overrides: Any) -> BuildRequest:
    arguments: dict[str, Any] = {
        "context": str(root),
        "dockerfile": "Dockerfile",
        "platform": "linux/amd64",
        "target": "",
        "build_args": {},
        "labels": {},
        "secrets": {},
        **overrides,
    }
    return make_request(**arguments)


def document(root: Path, base: str = "sha256:1", **overrides: Any) -> dict[str, Any]:
    asked = request(root, **overrides)
    lines = context_lines(asked.context, current_entries(asked))
    return make_document(
        asked,
        lines,
        base={"reference": "a", "digest": base},
        images={},
        declared=declared_arguments(read_text(asked.dockerfile)),
    )


def refused(root: Path, **overrides: Any) -> SttError:
    with pytest.raises(SttError) as caught:
        request(root, **overrides)
    return caught.value


def test_context_must_be_a_directory(tmp_path: Path) -> None:
    error = refused(tmp_path / "none")
    assert str(error) == (
        f"build context {tmp_path}/none: found nothing there; needed a directory; "
        "fix: give the directory with the engine's source in context"
    )
    (tmp_path / "file").touch()
    assert refused(tmp_path / "file").found == "a file"


def test_dockerfile_must_be_there(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert (error.object, error.found) == (f"Dockerfile {tmp_path}/Dockerfile", "nothing there")


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("A B", "1", "a name that no ARG can have"),
        ("SOURCE_DATE_EPOCH", "yesterday", "'yesterday'"),
        ("INDEX", "https://u:p@h/simple", "a URL with a user name or password in it"),
        ("INDEX", "https://token@h/simple", "a URL with a user name or password in it"),
        ("X", "hf_abcdefghijklmnopqrstuvwx", "what looks like a token or password"),
        ("HF_TOKEN", "whatever", "what looks like a token or password"),
        ("db-password", "x", "what looks like a token or password"),
        ("API_KEY", "x", "what looks like a token or password"),
        ("PIP_PASS", "hunter2", "what looks like a token or password"),
        ("PASS", "hunter2", "what looks like a token or password"),
        ("AUTH", "dXNlcjpwYXNz", "what looks like a token or password"),
        ("BASIC_AUTH", "u:p-word", "what looks like a token or password"),
        ("npm.auth", "hunter2", "what looks like a token or password"),
        ("DB_PWD", "hunter2", "what looks like a token or password"),
        ("PGPASSWORD", "hunter2", "what looks like a token or password"),
        ("SSH_KEY", "hunter2", "what looks like a token or password"),
        ("HEADER", "Bearer abcdefghijkl", "what looks like a token or password"),
        ("FILE", "-----BEGIN OPENSSH PRIVATE KEY-----", "what looks like a token or password"),
        ("X", f"gho_{'a' * 20}", "what looks like a token or password"),
        ("URL", "https://h/x?token=abc", "a URL with a token or password in its query"),
        ("URL", "https://h/x?a=b&access_token=abc", "a URL with a token or password in its query"),
        ("URL", "https://h/x?X-Amz-Signature=abc", "a URL with a token or password in its query"),
        ("URL", "https://h/x?sv=1&sig=abc", "a URL with a token or password in its query"),
        ("URL", "https://h/x?private_token=abc", "a URL with a token or password in its query"),
    ],
)
def test_build_arguments_that_are_refused(
    tmp_path: Path, name: str, value: str, found: str
) -> None:
    error = refused(make_tree(tmp_path), build_args={name: value})
    assert error.found == found
    assert value not in str(error) or name == "SOURCE_DATE_EPOCH" or len(value) < 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZER", "fast"),
        ("HF_TOKEN", ""),
        ("KEYWORD", "a"),
        ("URL", "https://example.com/a@b"),
        ("EMAIL", "someone@example.com"),
        ("BYPASS_CACHE", "1"),
        ("BYPASS", "all"),
        ("COMPASS_VERSION", "1.2"),
        ("COMPASS", "north"),
        ("PASSES", "3"),
        ("PASS_ONE", "fast"),
        ("AUTHOR", "someone"),
        ("AUTHORS", "all"),
        ("OAUTH_ISSUER", "https://id.example.com"),
        ("AUTH_URL", "https://id.example.com"),
        ("USE_AUTH", "true"),
        ("TWO_PASS", "1"),
        ("NOPASSWD", "true"),
        ("PWD", "/app"),
        ("CUPWD", "x"),
        ("GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D"),
        ("URL", "https://h/x?tokenizer=fast&author=a&signed=1&token="),
        ("URL", "https://h/x?page=token"),
        ("MODE", "basic"),
    ],
)
def test_build_arguments_that_only_look_secret(tmp_path: Path, name: str, value: str) -> None:
    assert request(make_tree(tmp_path), build_args={name: value}).build_args == {name: value}


def test_secrets_that_are_refused(tmp_path: Path) -> None:
    make_tree(tmp_path)
    assert refused(tmp_path, secrets={"a": f"{tmp_path}/none"}).found == (
        f"no readable file at {tmp_path}/none"
    )
    (tmp_path / "a,b").touch()
    assert refused(tmp_path, secrets={"a": f"{tmp_path}/a,b"}).found == f"a comma in {tmp_path}/a,b"
    assert refused(tmp_path, secrets={"a,src=b": "/etc/hostname"}).object == "secret 'a,src=b'"


def test_own_labels_are_refused(tmp_path: Path) -> None:
    error = refused(make_tree(tmp_path), labels={"stt.engine.input-digest": "x"})
    assert error.object == "label stt.engine.input-digest"


def test_special_files_and_strange_names(tmp_path: Path) -> None:
    make_tree(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SttError, match="found a device or named pipe"):
        document(tmp_path)
    (tmp_path / ".dockerignore").write_text("pipe\n")
    document(tmp_path)
    (tmp_path / os.fsdecode(b"bad\xff")).touch()
    with pytest.raises(SttError, match="found a name that is not UTF-8"):
        document(tmp_path)


def test_malformed_ignore_file_names_its_line(tmp_path: Path) -> None:
    make_tree(tmp_path)
    (tmp_path / ".dockerignore").write_text("# one\n\nfine\n[\n")
    with pytest.raises(SttError) as caught:
        document(tmp_path)
    assert caught.value.object == f"{tmp_path}/.dockerignore line 4"


names = st.sampled_from(["a", "b", "dir/c", "dir/d", "dir/sub/e", "나", "f g"])
contents = st.binary(max_size=40)
trees = st.dictionaries(names, contents, min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(files=trees, data=st.data())
def test_every_single_change_changes_the_digest(
    files: dict[str, bytes], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = make_tree(Path(folder), {"Dockerfile": b"FROM a\n", **files})
        before = input_digest(document(root))
        assert input_digest(document(root)) == before
        file = root / data.draw(st.sampled_from(sorted(files)))
        change = data.draw(
            st.sampled_from(["byte", "append", "mode", "rename", "remove", "link", "add", "dir"])
        )
        content = file.read_bytes()
        if change == "byte" and content:
            index = data.draw(st.integers(0, len(content) - 1))
            bit = 1 << data.draw(st.integers(0, 7))
            flipped = bytes([content[index] ^ bit])
            file.write_bytes(content[:index] + flipped + content[index + 1 :])
        elif change in ("append", "byte"):
            file.write_bytes(content + data.draw(st.binary(min_size=1, max_size=2)))
        elif change == "mode":
            file.chmod(data.draw(st.sampled_from([0o755, 0o600, 0o664, 0o4755])))
        elif change == "rename":
            file.rename(file.with_name("renamed"))
        elif change == "remove":
            file.unlink()
        elif change == "link":
            file.unlink()
            file.symlink_to("elsewhere")
        elif change == "add":
            (root / "new").touch()
        else:
            (root / "new").mkdir()
        assert input_digest(document(root)) != before


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="@"), max_size=12)
argument_names = st.sampled_from(["CUDA", "VERSION", "VARIANT", "OS"])
arguments = st.dictionaries(argument_names, texts, max_size=4)


@settings(max_examples=60, deadline=None)
@given(one=arguments, two=arguments)
def test_arguments_and_labels_count_and_their_order_does_not(
    one: dict[str, str], two: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = make_tree(Path(folder))
        for kind in ("build_args", "labels"):

            def digest(values: dict[str, str], kind: str = kind) -> str:
                chosen: dict[str, Any] = {kind: values}
                return input_digest(document(root, **chosen))

            first, second = digest(one), digest(two)
            assert (first == second) is (one == two)
            turned = dict(reversed(list(one.items())))
            assert digest(turned) == first
        if one:
            as_args = input_digest(document(root, build_args=one))
            assert as_args != input_digest(document(root, labels=one))


def test_each_other_input_counts(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "context")
    (root / "Other").write_text("FROM b\n")
    key, other = tmp_path / "key", tmp_path / "other"
    key.write_text("1")
    other.write_text("2")
    digests = {
        input_digest(document(root)),
        input_digest(document(root, base="sha256:2")),
        input_digest(document(root, target="x")),
        input_digest(document(root, platform="linux/arm64")),
        input_digest(document(root, dockerfile="Other")),
        input_digest(document(root, secrets={"a": str(key)})),
        input_digest(document(root, secrets={"b": str(key)})),
        input_digest(document(root, secrets={"a": str(key), "b": str(key)})),
    }
    assert len(digests) == 8
    # A secret counts by its id alone.
    with_key = document(root, secrets={"a": str(key)})
    assert document(root, secrets={"a": str(other)}) == with_key
    assert str(key) not in str(with_key)


def test_times_and_owners_do_not_count(tmp_path: Path) -> None:
    root = make_tree(tmp_path)
    before = document(root)
    os.utime(root / "app/x.py", (1, 1))
    os.utime(root / "app", (1, 1))
    assert document(root) == before


def test_the_copy_is_what_was_hashed_with_one_time(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "a", {"Dockerfile": b"", "d/f": b"1", "d/e/g": b"2", "skip/x": b""})
    (root / ".dockerignore").write_text("skip\n")
    (root / "d/link").symlink_to("f")
    (root / "d/dangling").symlink_to("/nowhere")
    (root / "d/e").chmod(0o555)
    (root / "d/f").chmod(0o4750)
    asked = request(root, build_args={"SOURCE_DATE_EPOCH": 1700000000})
    entries = current_entries(asked)
    copy = tmp_path / "copy"
    copy_context(root, entries, copy, asked.epoch)
    assert walk(copy, []) == entries
    assert context_lines(copy, walk(copy, [])) == context_lines(root, entries)
    assert {path.lstat().st_mtime for path in (copy, *copy.rglob("*"))} == {1700000000}
    (copy / "d/e").chmod(0o755)


def test_values_become_text(tmp_path: Path) -> None:
    asked = request(make_tree(tmp_path), build_args={"B": True, "A": 1, "N": None})
    assert asked.build_args == {"A": "1", "B": "true", "N": ""}


def test_changes_are_named(tmp_path: Path) -> None:
    root = make_tree(tmp_path)
    before = document(root, build_args={"CUDA": "cu128"}, labels={"x": "1"})
    assert compare(None, before) == []
    assert compare(before, before) == []
    (root / "app/x.py").write_bytes(b"y")
    (root / "app/new.py").touch()
    key = tmp_path / "app/x.py"
    after = document(root, build_args={"CUDA": "cu129"}, secrets={"ca": str(key)}, base="sha256:2")
    changes = compare(before, after)
    assert [(entry["kind"], entry["name"], entry["change"]) for entry in changes] == [
        ("base", "digest", "changed"),
        ("build argument", "CUDA", "changed"),
        ("label", "x", "removed"),
        ("secret", "ca", "added"),
        ("file", "app/new.py", "added"),
        ("file", "app/x.py", "changed"),
    ]
    assert change_text(changes) == (
        "changed base digest, changed build argument CUDA, removed label x, added secret ca "
        "and 2 more"
    )
    assert diff_text(changes, "before").splitlines()[:3] == [
        "base digest: sha256:1",
        "build argument CUDA: cu128",
        "label x: 1",
    ]
    assert "secret ca: given\n" in diff_text(changes, "after")
    assert "app/new.py" not in diff_text(changes, "before")
