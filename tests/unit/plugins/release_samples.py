# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result sets of releases as the roles hand them over: passed on a CPU, on a GPU, and stopped."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

NO_GPU = "no GPU on this host"
COMMIT = "41f01f3fe87f28c78e2fbf8b568835947dd65ed9"

MODELS = "/opt/stt/models/stt-lab_whisper-tiny-en-ko"


def digest(word: str) -> str:
    """A SHA-256 to stand for some content."""
    return hashlib.sha256(word.encode()).hexdigest()


def check(
    id_: str, name: str, status: str = "passed", found: str = "as it should be", **fields: Any
) -> dict[str, Any]:
    """A check result."""
    return {
        "id": id_,
        "name": name,
        "status": status,
        "expected": f"{name.replace('_', ' ')} is right",
        "found": found,
        "fix": "" if status in ("passed", "skipped") else f"mend {name.replace('_', ' ')}",
        "seconds": 0.25,
        "evidence": {},
        **fields,
    }


CHECK_NAMES = {
    "R1.1": ["docker_engine", "buildx", "disk_docker", "memory", "reachability_hub"],
    "R1.2": ["source_at_known_state"],
    "R1.3": ["own_superseded_removed"],
    "R2.1": ["image_built"],
    "R2.2": ["build_watched"],
    "R2.3": ["image_size", "library_path", "platform"],
    "R2.5": ["glibc", "cuda_libraries", "secrets"],
    "R3.1": ["model_fetched", "conversion_int8_float16"],
    "R3.2": ["sizes"],
    "R3.3": ["structure_int8_float16", "original_files"],
    "R4.1": ["container_user", "root_read_only", "network_isolated"],
    "R4.2": ["models_present", "models_readable", "models_hashes"],
    "R4.3": [
        "torch_version",
        "torchaudio_version",
        "torch_cuda_build",
        "library_path",
        "cuda_libraries",
        "torch_matmul_cpu",
        "torchaudio_resample",
        "cuda_available",
        "cuda_matmul",
    ],
    "R4.4": ["whoami", "cache_writable", "logs_writable"],
    "R5.1": ["engine_diagnosis", "structure", "same_tokenizer"],
    "R5.2": ["faster_whisper_float32", "faster_whisper_int8_float16"],
    "R5.3": ["transformers_load"],
    "R5.4": ["decode_formats", "features", "resample_clip"],
    "R5.5": ["faster_whisper_texts", "faster_whisper_silence"],
    "R5.6": ["transformers_texts"],
    "R5.7": ["service_transcribes"],
    "R5.8": ["encoder_agreement"],
    "R6.1": ["test_container_removed"],
    "R6.2": ["logs_kept", "results_listed"],
}
LAYER_BYTES = (
    257_000_000,
    1_830_000_000,
    1_990_000_000,
    1_700_000_000,
    1_410_000_000,
    612_000_000,
    41_200,
    3_072,
    0,
)
NEEDS_GPU = {"R4.3/cuda_available", "R4.3/cuda_matmul", "R5.2/faster_whisper_int8_float16"}

TRANSCRIPTS = [
    {
        "clip": "en-order.flac",
        "expected": "please send two boxes of paper to the second floor",
        "text": "please send two boxes of paper to the second floor",
        "wer": 0.0,
        "wer_limit": 0.0,
        "language": "en",
        "language_expected": "en",
        "good": True,
    },
    {
        "clip": "ko-greeting.flac",
        "expected": "안녕하세요 무엇을 도와드릴까요",
        "text": "안녕하세요 무엇을 도와드릴까요",
        "cer": 0.0,
        "cer_limit": 0.0,
        "language": "ko",
        "language_expected": "ko",
        "good": True,
    },
    {
        "clip": "silence.flac",
        "expected": "",
        "text": "",
        "cer": 0.0,
        "cer_limit": 0.0,
        "good": True,
    },
]

# In the order in which they ran; what only the checks know is left out of the report's rows.
COMPARED = [
    {
        "quantization": "float32",
        "served": False,
        "computed_in": "float32",
        "device": "cpu",
        "bytes": 17_600_000,
        "load_seconds": 0.0612,
        "real_time_factor": 0.01713,
        "peak_memory_bytes": 171_000_000,
        "gpu_memory_bytes": None,
        "encoder_cosine": 0.99999996,
        "text_agreement": 1.0,
        "measured": "how each figure was measured",
    },
    {
        "quantization": "int8",
        "served": False,
        "computed_in": "int8_float32",
        "device": "cpu",
        "bytes": 6_900_000,
        "load_seconds": 0.05,
        "real_time_factor": 0.0149,
        "peak_memory_bytes": 158_000_000,
        "gpu_memory_bytes": None,
        "encoder_cosine": 0.99981,
        "text_agreement": 0.99996,
    },
    {
        "quantization": "int8_float16",
        "served": True,
        "computed_in": "int8_float32",
        "device": "cpu",
        "bytes": 6_800_000,
        "load_seconds": 0.049,
        "real_time_factor": 0.015,
        "peak_memory_bytes": 157_000_000,
        "gpu_memory_bytes": None,
        "encoder_cosine": 0.9998,
        "text_agreement": 0.9995,
    },
]


def passed_on_cpu() -> dict[str, Any]:
    """A release that passed on a build server without a GPU."""
    checks = [
        check(id_, name, "skipped", NO_GPU) if f"{id_}/{name}" in NEEDS_GPU else check(id_, name)
        for id_, names in CHECK_NAMES.items()
        for name in names
    ]
    for result in checks:
        if result["name"] in ("faster_whisper_texts", "transformers_texts"):
            result["evidence"] = {"transcripts": copy.deepcopy(TRANSCRIPTS)}
            result["found"] = "3 clips are transcribed as spoken"
    return {
        "release": "cuda128-debian12-v1.2-3f2a9c51d07e",
        "tag": "cuda128-debian12-v1.2",
        "host": "lab-build",
        "started": "2026-01-31T08:00:00.000Z",
        "finished": "2026-01-31T08:06:30.000Z",
        "phases": [
            phase("R1", 0, 14),
            phase("R2", 15, 176, changed=True),
            phase("R3", 16, 230, changed=True),
            phase("R4", 231, 252),
            phase("R5", 253, 380),
            {"id": "R6", "started": at(381)},
        ],
        "checks": checks,
        "planned": ["R4.3/cuda_available", "R5.7"],
        "image": {
            "tag": "stt-engine:0123456789ab",
            "image_id": f"sha256:{digest('image')}",
            "input_digest": digest("input"),
            "base": "registry.access.redhat.com/ubi8/python-311",
            "base_digest": f"sha256:{digest('base')}",
            "cuda": "cu128",
            "layers": [
                {"diff_id": f"sha256:{digest(str(number))}", "size": size}
                for number, size in enumerate(LAYER_BYTES)
            ],
            "size": 7_799_044_272,
            "reason": "no image of these inputs",
        },
        "models": [
            {
                "repository": "stt-lab/whisper-tiny-en-ko",
                "commit": COMMIT,
                "path": f"{MODELS}/{COMMIT}",
                "files": files({"model.safetensors": 7_440_000, "config.json": 1_300}),
            },
            {
                "repository": "stt-lab/whisper-tiny-en-ko",
                "commit": COMMIT,
                "quantization": "int8_float16",
                "path": f"{MODELS}/{COMMIT}-ct2-int8_float16-0123456789ab",
                "files": files({"model.bin": 4_100_000, "vocabulary.json": 900_000}),
            },
        ],
        "versions": {"ctranslate2": "4.8.5", "transformers": "5.23.0", "docker": "26.1.5"},
        "lock": {"path": "/home/operator/stt/build.lock.yml", "sha256": digest("lock")},
        "logs": ["logs/build.log.gz", "logs/fetch.log.gz", "logs/R4.log", "logs/R5.log"],
    }


def passed_on_gpu() -> dict[str, Any]:
    """A release that passed on a server with a GPU."""
    results = passed_on_cpu()
    for result in results["checks"]:
        if result["status"] == "skipped":
            result.update(status="passed", found="NVIDIA H200, as on the CPU within 1e-3")
    return results


def passed_with_quantizations() -> dict[str, Any]:
    """A release that holds three conversions and compared them."""
    results = passed_on_cpu()
    results["checks"] += [
        check("R5.9", "reference_float32"),
        *(
            check("R5.9", f"quantization_{row['quantization']}", evidence=copy.deepcopy(row))
            for row in COMPARED
        ),
    ]
    results["models"] += [
        {**results["models"][1], "quantization": name, "path": f"{MODELS}/{COMMIT}-ct2-{name}"}
        for name in ("float32", "int8")
    ]
    return results


def stopped_in_r5() -> dict[str, Any]:
    """A release that a wrong transcript stopped in R5."""
    results = passed_on_cpu()
    results["release"] = None
    results["checks"] = [entry for entry in results["checks"] if entry["id"] < "R5.7"]
    wrong = copy.deepcopy(TRANSCRIPTS)
    wrong[0].update(text="please lend two boxes of paper to second floor", wer=0.2, good=False)
    for result in results["checks"]:
        if result["name"] == "faster_whisper_texts":
            result.update(
                status="failed",
                found="1 of 3 clips are wrong: en-order.flac gave another text",
                fix="listen to the clip and read both texts",
                evidence={"transcripts": wrong},
            )
        if result["name"] == "transformers_texts":
            result.update(status="error", found="the process was killed by SIGABRT", evidence={})
            result["fix"] = "read the log R5.log"
    results["phases"] = [*results["phases"][:4], {"id": "R5", "started": at(253)}]
    results["failure"] = {
        "phase": "R5",
        "task": "R5 | Run the checks in one container",
        "object": "R5.5 faster_whisper_texts",
        "found": "1 of 3 clips are wrong: en-order.flac gave another text",
        "needed": "faster-whisper gives each clip's text within its limits",
        "fix": "listen to the clip and read both texts",
        "msg": "R5.5 faster_whisper_texts: found 1 of 3 clips are wrong",
    }
    return results


def self_tested(results: dict[str, Any], word: str = "one flipped bit") -> dict[str, Any]:
    """The same results, with what showed that each check of R2.5, R4 and R5 can fail."""
    parts = []
    for phase_ in ("R2.5", "R4.", "R5."):
        rows = [
            {
                "gate": f"{one['id']}/{one['name']}",
                "control": "flipped_weight",
                "planted": f"{word} of a weight in model.bin",
                "status": "failed",
                "found": f"the cosine is 0.01842 ({word})",
                "as_planted": True,
            }
            for one in results["checks"]
            if one["id"].startswith(phase_)
        ]
        parts.append(
            {
                "phase": phase_[:2],
                "ran": "2026-01-30T08:00:00Z",
                "seconds": 20.5,
                "controls": 3,
                "gates": len(rows),
                "failed_as_planted": len(rows),
                "left_out": [{"gate": "R4.3/cuda_matmul", "reason": f"no GPU here: {word}"}],
                "rows": rows,
            }
        )
    return {**results, "self_test": parts}


def phase(id_: str, begin: int, end: int, *, changed: bool = False) -> dict[str, Any]:
    """A phase as stt_phase keeps it; begin and end in seconds after the release's start."""
    return {
        "id": id_,
        "started": at(begin),
        "finished": at(end),
        "seconds": float(end - begin),
        "changed": changed,
        "status": "passed",
    }


def at(seconds: int) -> str:
    """A moment so many seconds after the release's start."""
    return f"2026-01-31T08:{seconds // 60:02d}:{seconds % 60:02d}.000Z"


def files(sizes: dict[str, int]) -> list[dict[str, Any]]:
    """Files as the modules return them."""
    return [{"path": path, "size": size, "sha256": digest(path)} for path, size in sizes.items()]


def real(name: str) -> dict[str, Any]:
    """The results of a release that was really made in the lab, without most of the evidence."""
    path = Path(__file__).parent / "results" / f"{name}.json"
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return results


def real_on_gpu() -> dict[str, Any]:
    """A release as a GPU server would have made it, with three quantizations: nothing is open."""
    results = real("passed")
    for result in results["checks"]:
        result["evidence"].pop("warning", None)
        if result["status"] == "skipped":
            result.update(status="passed", found="NVIDIA H200, as on the CPU within 1e-3")
    results["checks"] += passed_with_quantizations()["checks"][-4:]
    for row in results["checks"][-3:]:
        row["evidence"]["gpu_memory_bytes"] = 1_234_000_000
    results["phases"] = [
        phase("R1", 0, 14),
        phase("R2", 15, 1376, changed=True),
        phase("R3", 16, 431, changed=True),
        phase("R4", 1377, 1402),
        phase("R5", 1403, 1730),
        phase("R6", 1731, 1748),
    ]
    results.update(started=at(0), finished=at(1748))
    results["files"] = ["manifest.json", "manifest.json.sig", "release.pub", "sbom.cdx.json"]
    results["lock"] = {"path": "/home/operator/stt/build.lock.yml", "sha256": digest("lock")}
    return results


def real_with_wrong_texts() -> dict[str, Any]:
    """The lab's release as it would have ended with another model's tokenizer."""
    results = real("passed")
    results["release"] = None
    results["checks"] = [one for one in results["checks"] if one["id"] < "R5.7"]
    wrong = {
        "en-order.flac": "Your older will arrive on a Friday.",
        "ko-meeting.flac": "내일 오전 세 시에 회의 있습니다.",
        "noise.mp3": "Thank you for watching!",
        "ko-thanks.flac": "",
    }
    for result in results["checks"]:
        entries = result["evidence"].get("transcripts", [])
        bad = [entry for entry in entries if entry["clip"] in wrong]
        for entry in bad:
            entry.update(text=wrong[entry["clip"]], good=False)
            if entry["expected"]:
                entry["cer"] = 0.1234
        if bad:
            result.update(
                status="failed",
                found=f"{len(bad)} of {len(entries)} clips are wrong: "
                + "; ".join(f"{entry['clip']} gave {entry['text']!r}" for entry in bad),
                fix="listen to the clip and read both texts: where the given one is not what is "
                "spoken, correct it in clips.json; a wrong tokenizer, damaged weights or a changed "
                "decoder changes every clip; a hard recording changes one, and then its limits are "
                "to be raised",
            )
    results["phases"] = [*results["phases"][:4], {"id": "R5", "started": at(0)}]
    results["phases"][-1]["started"] = "2026-11-22T23:23:48.728Z"
    first = next(one for one in results["checks"] if one["status"] == "failed")
    results["failure"] = {
        "phase": "R5",
        "task": "R5 | Run the checks in one container",
        "object": f"{first['id']} {first['name']}",
        "found": first["found"],
        "needed": first["expected"],
        "fix": first["fix"],
        "msg": f"{first['id']} {first['name']}: found {first['found']}",
    }
    return results
