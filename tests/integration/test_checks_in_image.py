# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks inside a real engine image: a good release raises no alarm, and every gate can fail.

The image is the newest full engine image on the lab's build server (``make release`` builds one),
or the one that STT_TEST_ENGINE_IMAGE names. Each control plants one fault and runs only the checks
that must see it.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.bench import caught
from tests.integration.verify_host import CLIPS, NAME, RUN, VerifyHost, failing, tiny_model

NO_GPU = "no GPU on this host"


@pytest.fixture
def copy(host: VerifyHost, converted: dict[str, Any]) -> Iterator[str]:
    """A copy of the conversion that a test may damage."""
    place = f"{host.directory}/damaged"
    host.ssh(f"rm -rf {place} && cp -r {converted['path']} {place} && chmod -R u+w {place}")
    yield place
    host.ssh(f"rm -rf {place}")


@pytest.fixture
def derived(host: VerifyHost, image: str) -> Iterator[Any]:
    """Makes images with something more in them: one small layer on the engine image."""
    made: list[str] = []

    def build(*lines: str) -> str:
        made.append(host.derive(image, *lines, name=f"derived{len(made)}"))
        return made[-1]

    yield build
    if made:
        host.ssh(f"docker image rm --force {' '.join(made)} >/dev/null")


def check(
    host: VerifyHost,
    image: str,
    ctranslate2: str,
    *names: str,
    clips: str | None = None,
    source: str | None = None,
    mounts: Mapping[str, str] | None = None,
    **spec: Any,
) -> dict[str, dict[str, Any]]:
    """Run only some checks, in the same kind of container; results by their names."""
    document = {
        "container": True,
        "models": {"root": "/app/models", "ctranslate2": "ctranslate2_model", "transformers": NAME},
        "clips": "/checks/clips",
        **spec,
    }
    places = {
        ctranslate2: "/app/models/ctranslate2_model",
        source or host.source: f"/app/models/{NAME}",
        f"{host.directory}/checks/checks.pyz": "/checks/checks.pyz",
        clips or f"{host.directory}/clips": "/checks/clips",
        **(mounts or {}),
    }
    volumes = " ".join(f"--volume {path}:{place}:ro" for path, place in places.items())
    only = " ".join(f"--only {name}" for name in names)
    volumes += f" --volume {host.prefix}-c:/opt/app-root/src/.cache"
    command = f"{RUN} {volumes} --entrypoint python3 {shlex.quote(image)}"
    try:
        printed = host.ssh(
            f"{command} /checks/checks.pyz --spec - {only} || [ $? = 1 ]",
            json.dumps(document).encode(),
        )
    finally:
        host.ssh(f"docker volume rm {host.prefix}-c >/dev/null")
    lines = [json.loads(line) for line in printed.splitlines()]
    return {f"{line['id']}/{line['name']}": line for line in lines if "id" in line}


def statuses(results: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: result["status"] for name, result in results.items()}


def test_a_good_release_raises_no_alarm(
    host: VerifyHost, image: str, converted: dict[str, Any]
) -> None:
    kept = f"{host.directory}/R4.json"
    first = host.verify("stt_image_verify", image, converted["path"], reuse=kept)
    assert not first.get("failed"), first["msg"]
    second = host.verify(
        "stt_model_verify", image, converted["path"], clips=f"{host.directory}/clips"
    )
    assert not second.get("failed"), second["msg"]
    results = [*first["checks"], *second["checks"]]
    assert {one["status"] for one in results} == {"passed", "skipped"}
    skipped = {
        f"{one['id']} {one['name']}": one["found"] for one in results if one["status"] == "skipped"
    }
    assert skipped == {
        "R4.3 cuda_driver": NO_GPU,
        "R4.3 cuda_available": NO_GPU,
        "R4.3 cuda_matmul": NO_GPU,
        "R5.2 faster_whisper_float16": NO_GPU,
        "R5.2 faster_whisper_int8_float16": NO_GPU,
        "R5.6 decoders_agree": "every clip's text is known for this model and judged as such",
    }
    assert (first["gpu"], second["gpu"]) == ("absent", "absent")
    assert second["peak_memory_bytes"] > 100_000_000
    host.ssh(f"cat > {kept}", json.dumps(first).encode())
    again = host.verify("stt_image_verify", image, converted["path"], reuse=kept)
    assert again["reused"] is True
    assert host.containers() == []


@pytest.mark.long
@pytest.mark.parametrize("quantization", ["float32", "float16", "bfloat16", "int8_float32"])
def test_other_types_raise_no_alarm_either(host: VerifyHost, image: str, quantization: str) -> None:
    done = host.convert(image, quantization=quantization)
    assert not done.get("failed"), done["msg"]
    results = check(
        host,
        image,
        done["path"],
        "R5.1/engine_diagnosis",
        "R5.1/structure",
        "R5.1/size_fits_source",
        "R5.8/encoder_agreement",
        expected={"quantization": quantization},
    )
    assert set(statuses(results).values()) == {"passed"}, results


@pytest.mark.fault("truncated model.bin")
def test_a_truncated_model_fails_by_name(
    host: VerifyHost, image: str, copy: str, record_property: caught.Record
) -> None:
    host.ssh(f"truncate -s 2000000 {copy}/model.bin")
    results = check(
        host,
        image,
        copy,
        "R5.1/engine_diagnosis",
        "R5.1/structure",
        "R5.1/size_fits_source",
        "R5.2/faster_whisper_float32",
        expected={"quantization": "int8_float16"},
    )
    assert "passed" not in statuses(results).values(), results
    assert "the end of the file, at byte 2000000" in results["R5.1/structure"]["found"]
    caught.by_checks(record_property, results.values())


@pytest.mark.fault("file missing beside model.bin")
@pytest.mark.parametrize("name", ["tokenizer.json", "preprocessor_config.json"])
def test_a_missing_file_is_named(
    host: VerifyHost, image: str, copy: str, name: str, record_property: caught.Record
) -> None:
    host.ssh(f"rm {copy}/{name}")
    results = check(
        host,
        image,
        copy,
        "R5.1/engine_diagnosis",
        "R5.1/structure",
        "R5.1/same_tokenizer",
        "R5.7/service_health",
    )
    assert set(statuses(results).values()) == {"failed"}, results
    for one in ("R5.1/engine_diagnosis", "R5.1/structure", "R5.1/same_tokenizer"):
        assert name in results[one]["found"]
    caught.by_checks(record_property, results.values())


@pytest.mark.fault("wrong tokenizer")
def test_a_wrong_tokenizer_fails(
    host: VerifyHost, image: str, copy: str, record_property: caught.Record
) -> None:
    """Every word piece moves by one: the model loads, and writes other words."""
    document = json.loads(tiny_model()["tokenizer.json"])
    vocabulary = document["model"]["vocab"]
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)[:50000]
    vocabulary.update({piece: (at + 1) % len(pieces) for at, piece in enumerate(pieces)})
    host.ssh(f"cat > {copy}/tokenizer.json", json.dumps(document).encode())
    results = check(
        host,
        image,
        copy,
        "R5.1/engine_diagnosis",
        "R5.1/structure",
        "R5.1/same_tokenizer",
        "R5.5/faster_whisper_texts",
        "R5.5/faster_whisper_batched",
    )
    assert set(statuses(results).values()) == {"failed"}, results
    assert "50000 of 51866 tokens that differ" in results["R5.1/structure"]["found"]
    caught.by_checks(record_property, results.values())


@pytest.mark.fault("flipped weight")
def test_a_flipped_weight_fails_by_numbers_and_by_hash(
    host: VerifyHost,
    image: str,
    converted: dict[str, Any],
    copy: str,
    record_property: caught.Record,
) -> None:
    """The file stays well-formed and loads, but it hears other words."""
    host.weaken(copy)
    original = [
        {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in tiny_model().items()
    ]
    known = {"ctranslate2": converted["files"], "transformers": original}
    results = check(
        host,
        image,
        copy,
        "R4.2/models_hashes",
        "R5.1/structure",
        "R5.2/faster_whisper_float32",
        "R5.8/encoder_agreement",
        expected={"quantization": "int8_float16"},
        models={
            "root": "/app/models",
            "ctranslate2": "ctranslate2_model",
            "transformers": NAME,
            "files": known,
        },
        variant="full",
    )
    assert statuses(results) == {
        "R4.2/models_hashes": "failed",
        "R5.1/structure": "passed",
        "R5.2/faster_whisper_float32": "passed",
        "R5.8/encoder_agreement": "failed",
    }
    caught.by_checks(record_property, results.values())


@pytest.mark.fault("swapped transcripts")
def test_swapped_transcripts_and_a_silence_that_speaks_fail(
    host: VerifyHost, image: str, converted: dict[str, Any], record_property: caught.Record
) -> None:
    entries = json.loads((CLIPS / "clips.json").read_text(encoding="utf-8"))
    plain = ("en-greeting.flac", "en-hold.flac", "en-order.flac")
    speech = [entry for entry in entries if entry["file"] in plain]
    speech[0]["text"], speech[1]["text"] = "Something else entirely.", speech[0]["text"]
    silence = {**speech[2], "kind": "silence", "text": None, "language": None}
    files = {entry["file"]: (CLIPS / entry["file"]).read_bytes() for entry in speech}
    files["clips.json"] = json.dumps([*speech[:2], silence]).encode()
    clips = host.put(files, "swapped")
    results = check(
        host,
        image,
        converted["path"],
        "R5.5/faster_whisper_texts",
        "R5.5/faster_whisper_batched",
        "R5.5/faster_whisper_silence",
        "R5.6/transformers_texts",
        "R5.7/service_transcribes",
        clips=clips,
    )
    assert set(statuses(results).values()) == {"failed"}, results
    assert "Something else entirely." in results["R5.5/faster_whisper_texts"]["found"]
    transcripts = results["R5.6/transformers_texts"]["evidence"]["transcripts"]
    assert [entry["good"] for entry in transcripts] == [False, False, False]
    caught.by_checks(record_property, results.values())


def test_clips_for_another_model_are_judged_by_agreement(
    host: VerifyHost, image: str, converted: dict[str, Any], copy: str
) -> None:
    entries = json.loads((CLIPS / "clips.json").read_text(encoding="utf-8"))
    other = [
        {**entry, "model": "someone/other", "text": entry["text"] and "Not what is said."}
        for entry in entries
        if entry["kind"] == "speech"
    ][::6]
    files = {entry["file"]: (CLIPS / entry["file"]).read_bytes() for entry in other}
    files["clips.json"] = json.dumps(other).encode()
    clips = host.put(files, "other")
    names = ("R5.5/faster_whisper_texts", "R5.6/decoders_agree", "R5.7/service_transcribes")
    results = check(host, image, converted["path"], *names, clips=clips)
    assert statuses(results) == dict.fromkeys(names, "passed"), results
    # Two different models do not agree.
    host.weaken(copy)
    results = check(host, image, copy, "R5.6/decoders_agree", clips=clips)
    assert statuses(results) == {"R5.6/decoders_agree": "failed"}, results


@pytest.mark.fault("incomplete weights")
def test_weights_that_are_not_all_there_fail_to_load(
    host: VerifyHost, image: str, converted: dict[str, Any], record_property: caught.Record
) -> None:
    data = tiny_model()["model.safetensors"]
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    last = max(
        (name for name in header if name != "__metadata__"),
        key=lambda name: header[name]["data_offsets"][1],
    )
    cut = header.pop(last)["data_offsets"][0]
    packed = json.dumps(header).encode()
    weights = struct.pack("<Q", len(packed)) + packed + data[8 + length : 8 + length + cut]
    source = host.put({**tiny_model(), "model.safetensors": weights}, "incomplete")
    results = check(host, image, converted["path"], "R5.3/transformers_load", source=source)
    assert results["R5.3/transformers_load"]["status"] == "failed"
    assert last in results["R5.3/transformers_load"]["found"]
    caught.by_checks(record_property, results.values())


@pytest.mark.fault("required GPU absent")
def test_a_required_gpu_that_is_not_there_fails(
    host: VerifyHost, image: str, converted: dict[str, Any], record_property: caught.Record
) -> None:
    names = (
        "R4.3/cuda_driver",
        "R4.3/cuda_available",
        "R4.3/cuda_matmul",
        "R5.2/faster_whisper_float16",
    )
    results = check(host, image, converted["path"], *names, gpu="required")
    assert set(statuses(results).values()) == {"failed"}
    assert "the policy requires one" in results["R4.3/cuda_available"]["found"]
    caught.by_checks(record_property, results.values())


@pytest.mark.fault("wrong versions installed")
def test_other_versions_than_expected_fail(
    host: VerifyHost, image: str, converted: dict[str, Any], record_property: caught.Record
) -> None:
    names = ("R4.3/torch_version", "R4.3/torchaudio_version", "R4.3/torch_cuda_build")
    wrong = {"torch": "2.7.1", "torchaudio": "2.7.1", "cuda": "11.8"}
    results = check(host, image, converted["path"], *names, expected=wrong)
    assert set(statuses(results).values()) == {"failed"}
    caught.by_checks(record_property, results.values())


@pytest.mark.fault("broken library at run time")
def test_broken_libraries_are_found_by_loading_them(
    host: VerifyHost, converted: dict[str, Any], derived: Any, record_property: caught.Record
) -> None:
    site = "/opt/app-root/lib/python3.11/site-packages/nvidia"
    image = derived(
        f"RUN rm {site}/cusparselt/lib/libcusparseLt.so.0 && "
        f"ln -sf gone {site}/cudnn/lib/libcudnn.so.9"
    )
    first = check(host, image, converted["path"], "R4.3/cuda_libraries", "R4.3/torch_version")
    assert "libcusparseLt.so.0" in first["R4.3/cuda_libraries"]["found"]
    assert first["R4.3/torch_version"]["status"] == "error"
    image = derived(f"RUN ln -sf gone {site}/cudnn/lib/libcudnn.so.9")
    results = check(host, image, converted["path"], "R4.3/cuda_libraries")
    assert "libcudnn.so.9" in results["R4.3/cuda_libraries"]["found"]
    caught.by_checks(record_property, [*first.values(), *results.values()])


@pytest.mark.fault("cache and logs not writable")
def test_directories_that_the_user_may_not_write_fail(
    host: VerifyHost, converted: dict[str, Any], derived: Any, record_property: caught.Record
) -> None:
    image = derived("RUN chown 0:0 /opt/app-root/src/.cache /app/logs")
    done = host.verify("stt_image_verify", image, converted["path"])
    wrong = failing(done)
    assert set(wrong) == {"R4.4 cache_writable", "R4.4 logs_writable"}
    assert "belongs to uid 0" in wrong["R4.4 cache_writable"]
    caught.by_checks(record_property, done["checks"])


@pytest.mark.fault("python-multipart not installed")
def test_a_package_that_the_service_needs_is_missed(
    host: VerifyHost, converted: dict[str, Any], derived: Any, record_property: caught.Record
) -> None:
    site = "/opt/app-root/lib/python3.11/site-packages"
    image = derived(f"RUN rm -r {site}/uvicorn {site}/python_multipart")
    results = check(
        host,
        image,
        converted["path"],
        "R4.1/service_importable",
        "R4.3/packages_complete",
        "R5.7/service_health",
        "R5.7/service_transcribes",
    )
    assert set(statuses(results).values()) == {"failed"}, results
    caught.by_checks(record_property, results.values())


@pytest.mark.fault("service that lies")
def test_a_service_that_lies_about_its_health_is_caught(
    host: VerifyHost, converted: dict[str, Any], derived: Any, record_property: caught.Record
) -> None:
    """An old engine: 200 although nothing is loaded, and 200 with success: false."""
    lie = (
        "import json, os, http.server as h\n"
        "class A(h.BaseHTTPRequestHandler):\n"
        "    def answer(self, body):\n"
        "        self.rfile.read(int(self.headers.get('Content-Length') or 0))\n"
        "        data = json.dumps(body).encode()\n"
        "        self.send_response(200)\n"
        "        self.send_header('Content-Length', str(len(data)))\n"
        "        self.end_headers()\n"
        "        self.wfile.write(data)\n"
        "    def do_GET(self):\n"
        "        self.answer({'status': 'ok', 'model': {'device': 'cpu'}})\n"
        "    def do_POST(self):\n"
        "        self.answer({'success': False, 'text': ''})\n"
        "h.HTTPServer(('127.0.0.1', int(os.environ['STT_PORT'])), A).serve_forever()\n"
    )
    encoded = lie.encode().hex()
    image = derived(
        # Compiled files here are not compared with their sources.
        "RUN rm -rf /app/stt_engine/__pycache__",
        "RUN python3 -c \"open('/app/stt_engine/__main__.py', 'wb')"
        f".write(bytes.fromhex('{encoded}'))\"",
    )
    results = check(
        host,
        image,
        converted["path"],
        "R5.7/service_health",
        "R5.7/service_without_model",
        "R5.7/service_transcribes",
    )
    assert set(statuses(results).values()) == {"failed"}, results
    assert "/health without a model: status 200" in results["R5.7/service_without_model"]["found"]
    assert "success" in results["R5.7/service_transcribes"]["found"]
    caught.by_checks(record_property, results.values())
