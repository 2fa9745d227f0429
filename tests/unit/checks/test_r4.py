# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each R4 check that needs no image shows that it can fail."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stt_checks import catalogue, r4_container, r4_cuda, r4_models, r4_permissions, r4_torch
from stt_checks.outcome import CheckFailedError, Outcome
from stt_checks.settings import NO_GPU, Expected, Settings
from stt_checks.supervisor import Supervisor

from tests.unit.model_files import write_ctranslate2

Body = Callable[[Settings, Callable[[str], None]], Outcome]


def judge(body: Body, settings: Settings) -> Outcome:
    try:
        return body(settings, lambda *_doing: None)
    except CheckFailedError as error:
        return Outcome("failed", error.found, error.fix, error.evidence)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    root = tmp_path / "models"
    write_ctranslate2(root / "ctranslate2_model")
    write_ctranslate2(root / "someone_a-model")
    return Settings(root, "ctranslate2_model", "someone_a-model", container=True)


def listed(directory: Path) -> list[dict[str, Any]]:
    return [
        {
            "path": path.name,
            "size": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(directory.iterdir())
    ]


def with_manifests(settings: Settings) -> Settings:
    manifests = {
        "ctranslate2": listed(settings.ctranslate2_path),
        "transformers": listed(settings.transformers_path),
    }
    return replace(settings, manifests=manifests)


def test_every_check_has_advice_and_a_unique_name() -> None:
    checks = catalogue.checks()
    assert len({check.key for check in checks}) == len(checks)
    assert all(check.fix and check.deadline > 0 for check in checks)


def test_container_checks_are_skipped_outside_of_one(settings: Settings) -> None:
    outside = replace(settings, container=False)
    for body in (
        r4_container.container_user,
        r4_container.root_read_only,
        r4_container.network_isolated,
        r4_models.models_read_only,
        r4_permissions.whoami,
        r4_permissions.cache_writable,
        r4_permissions.logs_writable,
        r4_permissions.elsewhere_refused,
    ):
        outcome = judge(body, outside)
        assert (outcome.status, outcome.found) == ("skipped", "not run in a container")


def test_the_wrong_user_fails(settings: Settings) -> None:
    other = replace(settings, expected=Expected(uid=os.getuid() + 1, user="nobody-here"))
    assert judge(r4_container.container_user, other).found == (
        f"the process runs as uid {os.getuid()}"
    )
    assert judge(r4_permissions.whoami, other).status == "failed"
    own = replace(settings, expected=Expected(uid=os.getuid()))
    assert judge(r4_container.container_user, own).status == "passed"


def test_a_uid_without_an_entry_fails(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    other = replace(settings, expected=Expected(uid=54321))
    assert "no entry in /etc/passwd" in judge(r4_container.container_user, other).found


def test_a_writable_root_and_a_network_fail(settings: Settings) -> None:
    # The test machine itself is such a place.
    assert judge(r4_container.root_read_only, settings).found == "/ is mounted writable"
    assert judge(r4_container.network_isolated, settings).status == "failed"
    assert judge(r4_container.temporary_writable, settings).status == "passed"


def test_an_unwritable_temporary_directory_fails(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(r4_container, "TEMPORARY", tmp_path / "gone")
    outcome = judge(r4_container.temporary_writable, settings)
    assert outcome.status == "failed"


def test_visible_devices_are_compared(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    wants = replace(settings, expected=Expected(cuda_visible_devices="0"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert judge(r4_container.visible_devices, wants).found == "it is not set"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert judge(r4_container.visible_devices, wants).found == "CUDA_VISIBLE_DEVICES=1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert judge(r4_container.visible_devices, wants).status == "passed"
    assert judge(r4_container.visible_devices, settings).status == "skipped"


def test_a_service_that_does_not_import_fails(settings: Settings, tmp_path: Path) -> None:
    app = tmp_path / "app"
    assert "there is no" in judge(r4_container.service_importable, replace(settings, app=app)).found
    package = app / "stt_engine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "service.py").write_text("import a_package_that_nobody_has\n")
    check = next(one for one in catalogue.checks() if one.name == "service_importable")
    # In a process of its own: this one must not keep the planted package.
    result = Supervisor(replace(settings, app=app), log=io.StringIO()).execute(check)
    assert result["status"] == "failed"
    assert "stt_engine.service ends with ModuleNotFoundError" in result["found"]


def test_missing_and_empty_models_fail(settings: Settings) -> None:
    assert judge(r4_models.models_present, settings).status == "passed"
    gone = replace(settings, transformers="gone")
    assert "there is no directory" in judge(r4_models.models_present, gone).found
    (settings.models / "bare").mkdir()
    assert (
        "is empty" in judge(r4_models.models_present, replace(settings, ctranslate2="bare")).found
    )


def test_unreadable_files_fail(settings: Settings) -> None:
    assert judge(r4_models.models_readable, settings).status == "passed"
    # Also for root, which this suite may run as: a link to nothing cannot be opened by anyone.
    (settings.ctranslate2_path / "model.bin").unlink()
    (settings.ctranslate2_path / "model.bin").symlink_to("gone")
    assert "1 files cannot be read" in judge(r4_models.models_readable, settings).found


def test_a_writable_mount_fails(settings: Settings) -> None:
    assert "is mounted writable" in judge(r4_models.models_read_only, settings).found


def test_a_link_that_leaves_fails(settings: Settings, tmp_path: Path) -> None:
    assert judge(r4_models.models_self_contained, settings).status == "passed"
    (tmp_path / "outside").write_text("x")
    (settings.transformers_path / "extra").symlink_to(tmp_path / "outside")
    assert "extra" in judge(r4_models.models_self_contained, settings).found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes instead of"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\xff"), "has SHA-256"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.with_name("more.json").write_text("{}"), "is in no manifest"),
    ],
)
def test_files_that_differ_from_their_manifest_fail(
    settings: Settings, change: Callable[[Path], None], words: str
) -> None:
    known = with_manifests(settings)
    assert judge(r4_models.models_hashes, known).status == "passed"
    change(known.ctranslate2_path / "model.bin")
    outcome = judge(r4_models.models_hashes, known)
    assert outcome.status == "failed"
    assert words in outcome.found


def test_hashes_are_skipped_without_a_manifest_and_never_passed(settings: Settings) -> None:
    assert judge(r4_models.models_hashes, replace(settings, container=False)).status == "skipped"
    lost = judge(r4_models.models_hashes, replace(settings, container=True))
    assert (lost.status, lost.found) == (
        "failed",
        "no list of files was given for ctranslate2 and transformers",
    )
    empty = replace(settings, manifests={"ctranslate2": [], "transformers": []})
    assert judge(r4_models.models_hashes, empty).status == "failed"


def test_directories_that_cannot_be_written_fail(settings: Settings, tmp_path: Path) -> None:
    good = replace(settings, cache=tmp_path, logs=tmp_path)
    assert judge(r4_permissions.cache_writable, good).status == "passed"
    assert judge(r4_permissions.logs_writable, good).status == "passed"
    assert list(tmp_path.glob(".stt*")) == []
    # Not by mode bits, which do not bind root: a place where no file can be made by anyone.
    bad = replace(settings, cache=Path("/proc/self"), logs=tmp_path / "gone")
    assert "belongs to uid" in judge(r4_permissions.cache_writable, bad).found
    assert judge(r4_permissions.logs_writable, bad).status == "failed"


def test_a_writable_application_fails(settings: Settings, tmp_path: Path) -> None:
    outcome = judge(r4_permissions.elsewhere_refused, replace(settings, app=tmp_path))
    assert (outcome.status, outcome.found) == ("failed", f"a file could be made in {tmp_path}")
    assert list(tmp_path.glob(".stt*")) == []


def test_a_library_path_with_a_missing_directory_fails(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "")
    assert judge(r4_torch.library_path, settings).found == "LD_LIBRARY_PATH is not set"
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}:{tmp_path}/gone")
    assert f"{tmp_path}/gone" in judge(r4_torch.library_path, settings).found
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert judge(r4_torch.library_path, settings).status == "passed"


def test_libraries_that_are_gone_dangle_or_do_not_load_fail(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "")
    monkeypatch.setattr(r4_torch, "_recorded_libraries", set)
    monkeypatch.setattr(r4_torch, "_site_packages", lambda: tmp_path)
    assert "not one CUDA library" in judge(r4_torch.cuda_libraries, settings).found
    folder = tmp_path / "nvidia" / "cudnn" / "lib"
    folder.mkdir(parents=True)
    (folder / "libcudnn.so.9").symlink_to("libcudnn.so.9.10")
    assert "1 links lead nowhere" in judge(r4_torch.cuda_libraries, settings).found
    (folder / "libcudnn.so.9").unlink()
    (folder / "libcudnn.so.9").write_bytes(b"\x7fELF but cut off")
    assert "1 of 1 do not load: libcudnn.so.9" in judge(r4_torch.cuda_libraries, settings).found
    (folder / "libcudnn.so.9").unlink()
    gone = folder / "libcusparseLt.so.0"
    monkeypatch.setattr(r4_torch, "_recorded_libraries", lambda: {gone})
    assert f"1 installed files are gone: {gone}" in judge(r4_torch.cuda_libraries, settings).found


@pytest.mark.parametrize(
    ("policy", "given", "status", "words"),
    [
        ("auto", False, "skipped", NO_GPU),
        ("required", False, "failed", "the policy requires one"),
        ("absent", True, "skipped", "the GPU policy of this host is absent"),
    ],
)
def test_without_a_gpu_nothing_passes(
    settings: Settings, policy: Any, given: bool, status: str, words: str
) -> None:
    here = replace(settings, gpu_policy=policy, gpu_given=given)
    for body in (r4_cuda.cuda_driver, r4_cuda.cuda_available, r4_cuda.cuda_matmul):
        outcome = judge(body, here)
        assert outcome.status == status
        assert words in outcome.found
    assert here.device == "cpu"


def test_the_device_and_type_follow_the_gpu(settings: Settings) -> None:
    given = replace(settings, gpu_given=True)
    assert (given.device, given.compute_type) == ("cuda", "float16")
    small = replace(given, expected=Expected(quantization="int8_float16"))
    assert small.compute_type == "int8_float16"
    assert replace(small, gpu_given=False).compute_type == "int8_float32"
    assert replace(given, gpu_given=False).compute_type == "float32"
