# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three quantizations of the tiny model, compared for real in the engine image; and what must fail.

The image is the one of ``test_checks_in_image``. Each control plants one fault in an alternative
and runs only the checks that compare.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.test_checks_in_image import check, statuses
from tests.integration.verify_host import CLIPS, NAME, VerifyHost, tiny_model

MAIN = "int8_float16"
OTHERS = ("float32", "int8")
REFERENCE = "R5.9/reference_float32"
CHECKS = [REFERENCE, *(f"R5.9/quantization_{name}" for name in (MAIN, *OTHERS))]

Files = list[dict[str, Any]]

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def conversions(
    host: VerifyHost, image: str, converted: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """The tiny model in three types; the first is the served one."""
    made = {MAIN: converted}
    for name in OTHERS:
        made[name] = host.convert(image, quantization=name)
        assert not made[name].get("failed"), made[name]["msg"]
    return made


@pytest.fixture
def planted(
    host: VerifyHost, conversions: dict[str, dict[str, Any]]
) -> Iterator[Callable[..., tuple[str, Files]]]:
    """Makes a copy of a conversion with one fault in it, and the manifest that fits the copy."""
    place = f"{host.directory}/planted"

    def plant(name: str, script: str, data: bytes | None = None) -> tuple[str, Files]:
        host.ssh(f"rm -rf {place} && cp -r {conversions[name]['path']} {place}")
        host.ssh(f"cd {place} && chmod -R u+w . && {script}", data)
        files = [
            {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for path in host.ssh(f"ls {place}").split()
            for content in [host.ssh_bytes(f"cat {place}/{path}")]
        ]
        return place, files

    yield plant
    host.ssh(f"rm -rf {place}")


def compare(
    host: VerifyHost,
    image: str,
    conversions: dict[str, dict[str, Any]],
    alternatives: dict[str, tuple[str, Files]],
    *names: str,
    **changes: Any,
) -> dict[str, dict[str, Any]]:
    """Run only the comparison of the served conversion with these."""
    models = {
        "root": "/app/models",
        "ctranslate2": "ctranslate2_model",
        "transformers": NAME,
        "files": {"ctranslate2": conversions[MAIN]["files"]},
        "alternatives": [
            {"quantization": name, "path": f"quantizations/{name}", "files": files}
            for name, (_path, files) in alternatives.items()
        ],
    }
    return check(
        host,
        image,
        conversions[MAIN]["path"],
        *names,
        models=models,
        expected={"quantization": MAIN},
        mounts={
            path: f"/app/models/quantizations/{name}"
            for name, (path, _files) in alternatives.items()
        },
        **changes,
    )


def test_three_quantizations_are_compared_in_one_container(
    host: VerifyHost, image: str, conversions: dict[str, dict[str, Any]]
) -> None:
    kept = f"{host.directory}/R5.json"
    models = {
        "ctranslate2": conversions[MAIN]["path"],
        "transformers": host.source,
        "name": NAME,
        "alternatives": [
            {"quantization": name, "path": conversions[name]["path"]} for name in OTHERS
        ],
    }

    def verify() -> dict[str, Any]:
        return host.verify(
            "stt_model_verify",
            image,
            conversions[MAIN]["path"],
            models=models,
            clips=f"{host.directory}/clips",
            reuse=kept,
        )

    done = verify()
    assert not done.get("failed"), done["msg"]
    results = {f"{one['id']}/{one['name']}": one for one in done["checks"]}
    compared = {name: results[name] for name in results if name.startswith("R5.9/")}
    assert statuses(compared) == dict.fromkeys(CHECKS, "passed")
    rows = {name: results[f"R5.9/quantization_{name}"]["evidence"] for name in conversions}
    assert {name: row["computed_in"] for name, row in rows.items()} == {
        "int8_float16": "int8_float32",
        "float32": "float32",
        "int8": "int8_float32",
    }
    assert [name for name, row in rows.items() if row["served"]] == [MAIN]
    for name, row in rows.items():
        files = conversions[name]["files"]
        assert row["bytes"] == sum(file["size"] for file in files)
        assert row["device"] == "cpu"
        assert 0 < row["load_seconds"] < 30
        assert 0 < row["real_time_factor"] < 1
        assert row["gpu_memory_bytes"] is None
        assert 0.99 < row["encoder_cosine"] <= 1.0000001
        assert 0.99 < row["text_agreement"] <= 1
        # Not that of a process which has torch in it, and more than its imports alone.
        assert row["imported_memory_bytes"] < row["peak_memory_bytes"] < 350_000_000
        assert len(row["transcripts"]) == row["clips"] == 22
    assert rows["float32"]["encoder_cosine"] > max(
        rows[name]["encoder_cosine"] for name in (MAIN, "int8")
    )
    assert rows["float32"]["bytes"] > rows["int8"]["bytes"]
    added = sum(one["seconds"] for one in compared.values())
    print(f"comparing three quantizations took {added:.1f} s of {done['seconds']:.1f} s")

    host.ssh(f"cat > {kept}", json.dumps(done).encode())
    assert verify()["reused"] is True


def test_every_comparison_can_fail(
    host: VerifyHost, image: str, conversions: dict[str, dict[str, Any]]
) -> None:
    others = [{"quantization": name, "path": conversions[name]["path"]} for name in OTHERS]
    done = host.verify(
        "stt_model_verify",
        image,
        conversions[MAIN]["path"],
        models={
            "ctranslate2": conversions[MAIN]["path"],
            "transformers": host.source,
            "name": NAME,
            "alternatives": others,
        },
        clips=f"{host.directory}/clips",
        self_test=True,
    )
    assert not done.get("failed"), done["msg"]
    shown = done["self_test"]
    assert (shown["wrong"], shown["failed_as_planted"]) == ([], shown["gates"])
    kinds = ("flipped", "resealed", "other_words")
    wanted = {f"{kind}_{name}" for kind in kinds for name in (MAIN, *OTHERS)}
    assert wanted | {"no_original", "resealed_vocabulary"} <= {
        row["control"] for row in shown["rows"]
    }


def test_what_cannot_be_compared_is_refused_before_a_container_is_made(
    host: VerifyHost, image: str, conversions: dict[str, dict[str, Any]]
) -> None:
    def message(*alternatives: tuple[str, str]) -> str:
        done = host.verify(
            "stt_model_verify",
            image,
            conversions[MAIN]["path"],
            models={
                "ctranslate2": conversions[MAIN]["path"],
                "transformers": host.source,
                "name": NAME,
                "alternatives": [
                    {"quantization": name, "path": path} for name, path in alternatives
                ],
            },
        )
        assert done["failed"] is True
        assert "checks" not in done
        return str(done["msg"])

    path = conversions["float32"]["path"]
    assert "found nothing at /no/such" in message(("int8", "/no/such"))
    assert "found a manifest that says float32" in message(("int8", path))
    assert "found float32 twice" in message(("float32", path), ("float32", path))
    assert f"found {MAIN} twice" in message((MAIN, conversions[MAIN]["path"]))
    assert "found no manifest" in message(("float16", host.put(tiny_model(), "nothing")))


def test_a_swapped_conversion_fails_by_its_weights(
    host: VerifyHost,
    image: str,
    conversions: dict[str, dict[str, Any]],
    planted: Callable[..., tuple[str, Files]],
) -> None:
    alternatives = {"int8": planted("float32", "true")}
    names = (REFERENCE, f"R5.9/quantization_{MAIN}", "R5.9/quantization_int8")
    results = compare(host, image, conversions, alternatives, *names)
    assert statuses(results) == dict(zip(names, ("passed", "passed", "failed"), strict=True))
    swapped = results["R5.9/quantization_int8"]
    assert "weights stored as float32, needed weights stored as int8" in swapped["found"]
    assert swapped["evidence"]["bytes"] > 10_000_000


def test_a_flipped_exponent_bit_fails_by_its_hash_and_by_its_cosine(
    host: VerifyHost,
    image: str,
    conversions: dict[str, dict[str, Any]],
    planted: Callable[..., tuple[str, Files]],
) -> None:
    data = bytearray(host.ssh_bytes(f"cat {conversions['float32']['path']}/model.bin"))
    name = b"encoder/layer_1/ffn/linear_0/weight\0"
    at = data.index(name) + len(name)
    at += 1 + 4 * data[at] + 1 + 4
    (before,) = struct.unpack_from("<f", data, at)
    # A weight is less than two: without its exponent's highest bit, which makes it huge.
    data[at + 3] ^= 0x40
    (after,) = struct.unpack_from("<f", data, at)
    assert abs(before) < 2 < abs(after) < float("inf")
    place, files = planted("float32", "cat > model.bin", bytes(data))
    only = "R5.9/quantization_float32"
    original = {"float32": (place, conversions["float32"]["files"])}
    results = compare(host, image, conversions, original, REFERENCE, only)
    assert "model.bin has SHA-256" in results[only]["found"]
    results = compare(host, image, conversions, {"float32": (place, files)}, REFERENCE, only)
    assert statuses(results) == {REFERENCE: "passed", only: "failed"}
    assert "the encoder" in results[only]["found"]


def test_a_wrong_tokenizer_fails(
    host: VerifyHost,
    image: str,
    conversions: dict[str, dict[str, Any]],
    planted: Callable[..., tuple[str, Files]],
) -> None:
    document = json.loads(tiny_model()["tokenizer.json"])
    vocabulary = document["model"]["vocab"]
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)[:50000]
    vocabulary.update({piece: (at + 1) % len(pieces) for at, piece in enumerate(pieces)})
    alternatives = {"int8": planted("int8", "cat > tokenizer.json", json.dumps(document).encode())}
    only = "R5.9/quantization_int8"
    results = compare(host, image, conversions, alternatives, REFERENCE, only)
    assert statuses(results) == {REFERENCE: "passed", only: "failed"}
    assert "tokens that differ from vocabulary.json" in results[only]["found"]


def test_a_file_that_its_manifest_names_and_is_not_there_fails(
    host: VerifyHost,
    image: str,
    conversions: dict[str, dict[str, Any]],
    planted: Callable[..., tuple[str, Files]],
) -> None:
    place, _files = planted("int8", "rm preprocessor_config.json")
    alternatives = {"int8": (place, conversions["int8"]["files"])}
    only = "R5.9/quantization_int8"
    results = compare(host, image, conversions, alternatives, REFERENCE, only)
    assert results[only]["status"] == "failed"
    assert "preprocessor_config.json is missing" in results[only]["found"]


def test_without_a_reference_nothing_is_compared(
    host: VerifyHost, image: str, conversions: dict[str, dict[str, Any]]
) -> None:
    alternatives = {"int8": (conversions["int8"]["path"], conversions["int8"]["files"])}
    only = "R5.9/quantization_int8"
    results = compare(host, image, conversions, alternatives, only)
    assert statuses(results) == {only: "failed"}
    assert results[only]["found"] == "R5.9 reference_float32 left no reference to compare with"


def test_without_torch_figures_are_measured_and_nothing_is_called_equal(
    host: VerifyHost, image: str, conversions: dict[str, dict[str, Any]]
) -> None:
    alternatives = {"int8": (conversions["int8"]["path"], conversions["int8"]["files"])}
    only = "R5.9/quantization_int8"
    results = compare(host, image, conversions, alternatives, REFERENCE, only, variant="slim")
    assert statuses(results) == {REFERENCE: "skipped", only: "passed"}
    assert "not compared with float32: the slim variant" in results[only]["found"]
    evidence = results[only]["evidence"]
    assert (evidence["encoder_cosine"], evidence["text_agreement"]) == (None, None)
    assert evidence["real_time_factor"] > 0


def test_clips_of_unknown_text_are_judged_by_agreement_with_the_reference(
    host: VerifyHost,
    image: str,
    conversions: dict[str, dict[str, Any]],
) -> None:
    entries = json.loads((CLIPS / "clips.json").read_text(encoding="utf-8"))
    other = [
        {**entry, "model": "someone/other", "text": entry["text"] and "Not what is said."}
        for entry in entries
        if entry["kind"] == "speech"
    ]
    files = {entry["file"]: (CLIPS / entry["file"]).read_bytes() for entry in other}
    files["clips.json"] = json.dumps(other).encode()
    clips = host.put(files, "unknown")
    only = "R5.9/quantization_int8"
    good = {"int8": (conversions["int8"]["path"], conversions["int8"]["files"])}
    results = compare(host, image, conversions, good, REFERENCE, only, clips=clips)
    assert statuses(results) == {REFERENCE: "passed", only: "passed"}, results
    assert results[only]["evidence"]["clips"] == 6
    assert results[only]["evidence"]["text_agreement"] > 0.9
