# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a conversion is needed, how it is named, and what stops it before a container starts."""

from __future__ import annotations

import errno
import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils import _convert_payload
from ansible_collections.stt.engine.plugins.module_utils._convert import (
    Conversion,
    ConvertRequest,
    input_digest,
)
from ansible_collections.stt.engine.plugins.module_utils._convert_inputs import (
    differing_inputs,
    refuse_drift,
)
from ansible_collections.stt.engine.plugins.module_utils._convert_run import PAYLOAD
from ansible_collections.stt.engine.plugins.module_utils._digest import canonical_json, sha256_hex
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._model_manifest import (
    hash_files,
    manifest_path,
    read_manifest,
    write_manifest,
)
from tests.unit.model_files import (
    CONFIG,
    safetensors,
    source_tensors,
    write_ctranslate2,
    write_source,
)

COMMIT = "1" * 40
VERSIONS = {
    "ctranslate2": "4.8.5",
    "transformers": "5.23.0",
    "tokenizers": "0.23.3",
    "torch": "2.8.0",
    "numpy": "2.4.6",
}
LABELS = {f"stt.engine.{name}": version for name, version in VERSIONS.items()}
INPUT_DIGEST = "ab" * 32
# Would fail if it were called: the versions are known from the labels.
DOCKER = DockerCli("/no/such/docker")


def image(image_id: str = "sha256:one", labels: dict[str, str] | None = None) -> dict[str, Any]:
    return {"Id": image_id, "Config": {"Labels": LABELS if labels is None else labels}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    source = tmp_path / "models" / "a_b" / COMMIT
    write_source(source)
    (source / "README.md").write_text("read me")
    return tmp_path


def conversion(root: Path, **changes: Any) -> Conversion:
    request = {
        "image": "stt-engine:one",
        "source": root / "models" / "a_b" / COMMIT,
        "destination_root": root / "models",
        "quantization": "float16",
        "memory_bytes": None,
        "expected_files": [],
        "full": False,
        "docker": "docker",
        **{key: value for key, value in changes.items() if key != "image_of"},
    }
    return Conversion(ConvertRequest(**request), changes.get("image_of", image()), DOCKER)


def publish(wanted: Conversion) -> None:
    """A published conversion, with the manifest that the module writes."""
    write_ctranslate2(wanted.destination, wanted.request.quantization)
    document = {
        "input_digest": wanted.digest,
        "converter": wanted.versions,
        "images": [wanted.image_id],
        "files": hash_files(wanted.destination),
        "model_bin": {"mel_bins": 128},
        "inputs": wanted.result()["inputs"],
    }
    write_manifest(wanted.destination, wanted.destination, document)


def test_the_name_tells_source_type_and_inputs(root: Path) -> None:
    wanted = conversion(root)
    assert wanted.destination.parent == root / "models" / "a_b"
    assert wanted.destination.name == f"{COMMIT}-ct2-float16-{wanted.digest[:12]}"
    assert conversion(root).digest == wanted.digest


def test_the_digest_moves_with_every_input_and_no_other(root: Path) -> None:
    base = conversion(root).digest
    other_versions = {**LABELS, "stt.engine.ctranslate2": "4.8.6"}
    assert conversion(root, quantization="int8").digest != base
    assert conversion(root, image_of=image(labels=other_versions)).digest != base
    # Another image with the same converter makes the same model.
    assert conversion(root, image_of=image("sha256:two")).digest == base
    local = {**LABELS, "stt.engine.torch": "2.8.0+cu129"}
    assert conversion(root, image_of=image(labels=local)).digest == base
    source = root / "models" / "a_b" / COMMIT
    (source / "README.md").write_text("read me again")
    assert conversion(root).digest == base
    (source / "config.json").write_text('{"a": 1}')
    assert conversion(root).digest != base


def test_the_digest_is_over_canonical_json() -> None:
    assert input_digest({"b": "2", "a": "1"}, "int8", VERSIONS) == input_digest(
        {"a": "1", "b": "2"}, "int8", dict(reversed(list(VERSIONS.items())))
    )


def test_hashes_come_from_the_sources_manifest_when_it_holds(root: Path) -> None:
    source = root / "models" / "a_b" / COMMIT
    write_manifest(source, source, {"files": hash_files(source)})
    assert conversion(root).source_files == {
        name: hashlib.sha256((source / name).read_bytes()).hexdigest()
        for name in sorted(path.name for path in source.iterdir() if path.name != "README.md")
    }
    data = bytearray((source / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (source / "model.safetensors").write_bytes(data)
    with pytest.raises(SttError, match=r"content of model.safetensors is damaged.*verify=full"):
        conversion(root)


def test_reasons(root: Path) -> None:
    wanted = conversion(root)
    assert wanted.needs_conversion() == "it is not converted yet"
    publish(wanted)
    assert wanted.needs_conversion() is None
    manifest_path(wanted.destination).rename(root / "kept")
    assert wanted.needs_conversion() == "its manifest is missing"
    (root / "kept").rename(manifest_path(wanted.destination))
    model = wanted.destination / "model.bin"
    good = model.read_bytes()
    model.write_bytes(good[:-1])
    assert (
        wanted.needs_conversion() == f"model.bin has {len(good) - 1} bytes instead of {len(good)}"
    )
    model.write_bytes(good[:-1] + b"\xff")
    assert wanted.needs_conversion() == "the content of model.bin is damaged"
    model.write_bytes(good)
    assert wanted.needs_conversion() is None


def test_what_today_s_judge_refuses_is_converted_again(root: Path) -> None:
    """Whole by its manifest, published before the judge knew better."""
    wanted = conversion(root)
    publish(wanted)
    config = wanted.destination / "config.json"
    config.write_text(config.read_text().replace("[16, 17]", "[17, 17]"))
    document = read_manifest(wanted.destination)
    assert document is not None
    document["files"] = hash_files(wanted.destination)
    write_manifest(wanted.destination, wanted.destination, document)
    reason = wanted.needs_conversion()
    assert reason is not None
    assert f"{config}: found lang_ids [17, 17]; needed [16, 17]" in reason
    (done, structure) = wanted.checks(reason, 0.5)
    assert (done["status"], structure["status"]) == ("passed", "failed")


def test_a_manifest_of_other_inputs_does_not_count(root: Path) -> None:
    wanted = conversion(root)
    publish(wanted)
    document = read_manifest(wanted.destination)
    assert document is not None
    write_manifest(wanted.destination, wanted.destination, {**document, "input_digest": "0" * 64})
    assert wanted.needs_conversion() == "its manifest is missing"


def test_versions_are_remembered_from_an_earlier_conversion(root: Path) -> None:
    """Neither labels nor a container: the manifest of what this image made tells them."""
    publish(conversion(root))
    known = conversion(root, quantization="int8", image_of=image(labels={}))
    assert known.versions == VERSIONS
    with pytest.raises(SttError, match="docker"):
        conversion(root, image_of=image("sha256:unknown", labels={}))


def test_refresh_notes_new_images_and_stamps_and_nothing_else(root: Path) -> None:
    wanted = conversion(root)
    publish(wanted)
    path = manifest_path(wanted.destination)
    before = path.stat().st_mtime_ns
    wanted.refresh()
    assert path.stat().st_mtime_ns == before
    (wanted.destination / "model.bin").touch()
    conversion(root, image_of=image("sha256:two")).refresh()
    document = read_manifest(wanted.destination)
    assert document is not None
    assert document["images"] == ["sha256:one", "sha256:two"]
    assert (
        document["stamps"]["model.bin"][1] == (wanted.destination / "model.bin").stat().st_mtime_ns
    )


def test_a_full_disk_is_foreseen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "ansible_collections.stt.engine.plugins.module_utils._convert"
    conversion(root).check_preconditions()
    monkeypatch.setattr(f"{module}.free_bytes", lambda _path: 1000)
    with pytest.raises(SttError) as error:
        conversion(root).check_preconditions()
    assert error.value.found == "1000 bytes free"
    assert error.value.object == f"file system of {root / 'models'}"
    assert int(error.value.needed.split()[0]) > 64 << 20


def test_damaged_weights_are_refused_before_a_container_starts(root: Path) -> None:
    weights = root / "models" / "a_b" / COMMIT / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(SttError, match=r"bytes where the header describes.*complete safetensors"):
        conversion(root).check_preconditions()


@pytest.mark.fault("convert: tensor missing")
def test_a_missing_tensor_is_named_before_a_container_starts(root: Path) -> None:
    tensors = source_tensors()
    del tensors["model.decoder.layers.0.encoder_attn.v_proj.bias"]
    source = root / "models" / "a_b" / COMMIT
    (source / "model.safetensors").write_bytes(safetensors(tensors))
    with pytest.raises(SttError) as error:
        conversion(root).check_preconditions()
    assert error.value.object == f"model {source}"
    assert "1 of 65 tensors missing: decoder.layers.0.encoder_attn.v_proj.bias" in error.value.found
    assert "random values" in error.value.found
    assert error.value.fix == "choose a complete revision of the model, and fetch it"
    (source / "config.json").write_text(json.dumps({**CONFIG, "model_type": "bart"}))
    with pytest.raises(SttError, match="found model_type bart"):
        conversion(root).check_preconditions()


@pytest.mark.parametrize("languages", [None, [50259], {"<|en|>": "50259"}])
def test_languages_that_the_converter_cannot_read_are_named_before_it_starts(
    root: Path, languages: Any
) -> None:
    path = root / "models" / "a_b" / COMMIT / "generation_config.json"
    given = json.loads(path.read_text())
    path.write_text(json.dumps({**given, "lang_to_id": languages}))
    with pytest.raises(SttError) as error:
        conversion(root).check_preconditions()
    assert f"{path}: found lang_to_id" in error.value.found
    del given["lang_to_id"]
    path.write_text(json.dumps(given))
    conversion(root).check_preconditions()


def test_the_memory_limit_follows_the_weights(root: Path) -> None:
    weights = root / "models" / "a_b" / COMMIT / "model.safetensors"
    assert conversion(root).memory_limit() == 4 * weights.stat().st_size + (2 << 30)
    assert conversion(root, memory_bytes=5).memory_limit() == 5


def test_drift_from_the_lock_names_each_file_and_each_input() -> None:
    files = [{"path": "a", "sha256": "1"}, {"path": "b", "sha256": "2"}]
    locked = [{"path": "b", "sha256": "3"}, {"path": "c", "sha256": "4"}]
    inputs = {"source": "x", "converter": {"ctranslate2": "4.8.4", "torch": "2.8.0"}, "method": 1}
    refuse_drift(Path("x"), files, [], inputs, {})
    refuse_drift(Path("x"), files, list(reversed(files)), inputs, {"source": "other"})
    with pytest.raises(SttError) as error:
        refuse_drift(Path("x"), files, locked, inputs, {})
    assert error.value.details["drift"] == ["a", "b", "c"]
    assert error.value.found == (
        "other files than locked: a 1, b 2, c missing; the lock records no inputs to compare"
    )
    assert error.value.needed == "a not there, b 3, c 4"
    assert "release_lock_update=true" in error.value.fix
    other = {**inputs, "converter": {"ctranslate2": "4.8.5", "numpy": "2"}, "machine": "aarch64"}
    with pytest.raises(SttError) as error:
        refuse_drift(Path("x"), files, locked, inputs, other)
    different = [
        "converter.ctranslate2 4.8.4, locked 4.8.5",
        "converter.numpy not recorded, locked 2",
        "machine not recorded, locked aarch64",
    ]
    assert differing_inputs(inputs, other) == different
    assert error.value.details["differing_inputs"] == different
    assert error.value.found.endswith(f"; the inputs that differ: {'; '.join(different)}")
    with pytest.raises(
        SttError, match=r"every recorded input is equal \(converter, method, source"
    ):
        refuse_drift(Path("x"), files, locked, inputs, inputs)


def test_an_input_that_the_lock_leaves_out_is_not_compared(root: Path) -> None:
    wanted = conversion(root)
    publish(wanted)
    files = wanted.result()["files"]
    files[0]["sha256"] = "0" * 64
    locked = {key: value for key, value in wanted.result()["inputs"].items() if key != "image"}
    other = conversion(
        root, image_of=image("sha256:two"), expected_files=files, expected_inputs=locked
    )
    equal = r"every recorded input is equal \(converter, machine, method, quantization, source\)"
    with pytest.raises(SttError, match=equal) as error:
        other.needs_conversion()
    assert error.value.details["differing_inputs"] == []


def test_inputs_are_recorded_and_kept(root: Path) -> None:
    labels = {**LABELS, "stt.engine.input-digest": INPUT_DIGEST}
    wanted = conversion(root, image_of=image(labels=labels))
    inputs = wanted.result()["inputs"]
    assert inputs == {
        "source": sha256_hex(canonical_json(wanted.source_files)),
        "converter": VERSIONS,
        "quantization": "float16",
        "method": 1,
        "image": INPUT_DIGEST,
        "machine": platform.machine(),
    }
    assert conversion(root).result()["inputs"]["image"] == "sha256:one"
    publish(wanted)
    # Another image with the same converter does not change what made this conversion.
    assert conversion(root).result()["inputs"] == inputs
    document = read_manifest(wanted.destination)
    assert document is not None
    del document["inputs"]
    write_manifest(wanted.destination, wanted.destination, document)
    assert wanted.result()["inputs"] == inputs


def test_a_locked_conversion_is_compared_when_nothing_is_to_do(root: Path) -> None:
    wanted = conversion(root)
    publish(wanted)
    files = wanted.result()["files"]
    assert conversion(root, expected_files=files).needs_conversion() is None
    files[0]["sha256"] = "0" * 64
    locked = {**wanted.result()["inputs"], "machine": "aarch64"}
    other = conversion(root, expected_files=files, expected_inputs=locked)
    with pytest.raises(SttError, match=f"differ: machine {platform.machine()}, locked aarch64"):
        other.needs_conversion()


def test_results_and_checks_of_what_is_published(root: Path) -> None:
    wanted = conversion(root)
    assert wanted.result()["files"] == []
    publish(wanted)
    result = wanted.result()
    assert result["path"] == str(wanted.destination)
    assert [file["path"] for file in result["files"]] == sorted(
        path.name for path in wanted.destination.iterdir()
    )
    done, structure = wanted.checks(None, 0.5)
    assert (done["id"], done["status"]) == ("R3.1", "passed")
    assert (structure["id"], structure["status"]) == ("R3.3", "passed")
    (wanted.destination / "tokenizer.json").unlink()
    assert "as in its manifest (hashes taken of what has moved): already conv" in done["found"]
    done, structure = wanted.checks(None, 0.5)
    assert (done["status"], done["found"]) == ("failed", "tokenizer.json is missing")
    assert done["fix"]
    assert structure["status"] == "failed"
    assert "tokenizer.json: found no such file" in structure["found"]
    assert structure["fix"]


def test_the_payload_travels_as_source() -> None:
    assert PAYLOAD.decode() == Path(_convert_payload.__file__).read_text(encoding="utf-8")
    assert b"ansible" not in PAYLOAD.split(b'"""', 2)[2]


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (RuntimeError("File write failed: No space left on device"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (ValueError("a bad value"), False),
    ],
)
def test_a_full_disk_is_recognised_however_it_is_wrapped(error: Exception, full: bool) -> None:
    assert _convert_payload.disk_full(error) is full
    wrapped = RuntimeError("conversion failed")
    wrapped.__cause__ = error
    assert _convert_payload.disk_full(wrapped) is full


def test_the_payload_tells_versions(capsys: pytest.CaptureFixture[str]) -> None:
    assert _convert_payload.main(["--versions"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer["versions"]) == set(VERSIONS)
