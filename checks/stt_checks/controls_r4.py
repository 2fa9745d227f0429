# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Negative controls of R4: a wrongly started container, damaged models, libraries that err."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import sys
from typing import Any

from .control import SURROUNDINGS, Controls, NotPlantableError, Plant, breaks, fails
from .control_files import flip_weight
from .settings import NO_GPU

controls = Controls()

NOWHERE = "/planted/nowhere"
ABSENT = "a_package_that_is_planted_nowhere"
WRONG_VERSION = "0.0.0"


@controls.control(
    "wrong_container",
    "a container that is started wrongly",
    {
        "R4.1/container_user": fails("runs as uid 0", "a container started as root"),
        "R4.1/root_read_only": fails(
            "/ is mounted writable", "a container with a writable root file system"
        ),
        "R4.1/temporary_writable": fails(
            "/tmp takes no file", "a container whose /tmp is mounted read-only"
        ),
        "R4.1/network_isolated": fails(
            "interfaces that are up: .+", "a container with the host's network"
        ),
        "R4.1/visible_devices": fails(
            "CUDA_VISIBLE_DEVICES=-1", "a container with CUDA_VISIBLE_DEVICES=-1"
        ),
        "R4.4/cache_writable": fails(
            "Read-only file system", "a container whose cache is mounted read-only"
        ),
        "R4.4/logs_writable": fails(
            "Read-only file system", "a container whose logs are mounted read-only"
        ),
        "R4.4/elsewhere_refused": fails(
            "a file could be made in ", "a container started as root, with a writable file system"
        ),
    },
    SURROUNDINGS,
)
def wrong_container(plant: Plant) -> None:
    # The container itself is what is planted.
    plant.spec.setdefault("container", True)


@controls.control(
    "another_user",
    "a user of another name than the one that is asked for",
    {"R4.4/whoami": fails("the user is root")},
    SURROUNDINGS,
)
def another_user(plant: Plant) -> None:
    # Another engine may name its user as it likes, until somebody asks for a name.
    plant.expect(user=plant.settings.user or "planted")


@controls.control(
    "hidden_gpu",
    "a GPU that the environment hides (CUDA_VISIBLE_DEVICES=-1)",
    {
        "R4.3/cuda_available": fails("with 0 devices"),
        "R4.3/cuda_matmul": breaks("CUDA"),
        "R5.2/faster_whisper_float16": breaks("CUDA|cuda"),
        "R5.2/faster_whisper_int8_float16": breaks("CUDA|cuda"),
    },
)
def hidden_gpu(plant: Plant) -> None:
    if not plant.settings.gpu:
        raise NotPlantableError(f"{NO_GPU}; missing_gpu shows the same gates without one")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


@controls.control(
    "missing_gpu",
    "no GPU device in a container whose GPU policy is required",
    {
        "R4.3/cuda_driver": fails("the policy requires one"),
        "R4.3/cuda_available": fails("the policy requires one"),
        "R4.3/cuda_matmul": fails("the policy requires one"),
        "R5.2/faster_whisper_float16": fails("the policy requires one"),
        "R5.2/faster_whisper_int8_float16": fails("the policy requires one"),
    },
)
def missing_gpu(plant: Plant) -> None:
    plant.spec |= {"gpu": "required", "gpu_given": False}


@controls.control(
    "newer_cuda",
    "an image that was built for a CUDA version which no driver has",
    {"R4.3/cuda_driver": fails("the image needs 99.0")},
)
def newer_cuda(plant: Plant) -> None:
    if not plant.settings.gpu:
        raise NotPlantableError(f"{NO_GPU}; missing_gpu shows the same gate without one")
    plant.expect(cuda="99.0")
    if importlib.util.find_spec("torch") is not None:
        version: Any = importlib.import_module("torch.version")
        version.cuda = "99.0"


@controls.control(
    "missing_module",
    "a module of the service that imports a package which is not installed",
    {"R2.5/modules": fails(ABSENT), "R4.1/service_importable": fails(ABSENT)},
)
def missing_module(plant: Plant) -> None:
    if plant.settings.expected.modules is not None:
        plant.expect(modules=[ABSENT])
    app = plant.place / "app"
    package = plant.settings.app / "stt_engine"
    if package.is_dir():
        shutil.copytree(package, app / "stt_engine")
        (app / "stt_engine" / "planted.py").write_text(f"import {ABSENT}\n", encoding="utf-8")
    plant.spec["paths"] = {**(plant.spec.get("paths") or {}), "app": str(app)}


@controls.control(
    "empty_file", "a model.bin of 0 bytes", {"R4.2/models_present": fails("0 bytes .*: model.bin")}
)
def empty_file(plant: Plant) -> None:
    plant.file(plant.settings.ctranslate2, "model.bin", most=0)


@controls.control(
    "unreadable_file",
    "a config.json that its owner may not read (mode 0000)",
    {"R4.2/models_readable": fails("config.json .Permission denied")},
)
def unreadable_file(plant: Plant) -> None:
    path = plant.file(plant.settings.ctranslate2, "config.json")
    path.chmod(0)
    if os.access(path, os.R_OK):
        raise NotPlantableError("this user may read every file")


@controls.control(
    "writable_models",
    "models in a place that the container may write",
    {"R4.2/models_read_only": fails("is mounted writable")},
)
def writable_models(plant: Plant) -> None:
    plant.file(plant.settings.ctranslate2, "config.json")


@controls.control(
    "leaving_link",
    "a file that is a link out of its model directory",
    {"R4.2/models_self_contained": fails("config.json")},
)
def leaving_link(plant: Plant) -> None:
    plant.own(plant.settings.ctranslate2)


@controls.control(
    "extra_file",
    "a file that no manifest lists, and one that is gone",
    {"R4.2/models_hashes": fails("config.json is missing.*planted.bin is in no manifest")},
)
def extra_file(plant: Plant) -> None:
    (plant.own(plant.settings.ctranslate2) / "planted.bin").write_bytes(b"planted")
    plant.file(plant.settings.ctranslate2, "config.json").unlink()


@controls.control(
    "flipped_weight",
    "one flipped bit of a weight in model.bin",
    {
        "R4.2/models_hashes": fails(r"model\.bin has SHA-256"),
        "R5.8/encoder_agreement": fails("cosine is|no numbers"),
    },
)
def flipped_weight(plant: Plant) -> None:
    flip_weight(plant.file(plant.settings.ctranslate2, "model.bin"))


@controls.control(
    "other_versions",
    "other versions in the lock than those that are installed",
    {
        "R2.5/torch_cuda": fails("is built for CUDA|built without CUDA|belongs to CUDA"),
        "R4.3/torch_version": fails(r"torch \d"),
        "R4.3/torchaudio_version": fails(r"torchaudio \d"),
        "R4.3/torch_cuda_build": fails("torch is built for CUDA|built without CUDA"),
    },
)
def other_versions(plant: Plant) -> None:
    plant.expect(torch=WRONG_VERSION, torchaudio=WRONG_VERSION, cuda="0.0")


@controls.control(
    "lost_file",
    "an installed package one of whose modules is gone",
    {
        "R2.5/packages": fails("planted/gone.py"),
        "R4.3/packages_complete": fails("planted/gone.py"),
    },
)
def lost_file(plant: Plant) -> None:
    site = plant.place / "site"
    described = site / "planted-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    (described / "RECORD").write_text("planted/gone.py,,\n")
    sys.path.append(str(site))


@controls.control(
    "lost_library_directory",
    "an LD_LIBRARY_PATH with a directory that does not exist",
    {"R2.5/library_path": fails(NOWHERE), "R4.3/library_path": fails(NOWHERE)},
)
def lost_library_directory(_plant: Plant) -> None:
    _prepend("LD_LIBRARY_PATH", NOWHERE)


@controls.control(
    "dangling_library",
    "a CUDA library that is a link to nothing",
    {
        "R2.5/cuda_libraries": fails(r"1 links lead nowhere: .*libplanted\.so\.1"),
        "R4.3/cuda_libraries": fails(r"1 links lead nowhere: .*libplanted\.so\.1"),
    },
)
def dangling_library(plant: Plant) -> None:
    place = plant.place / "libraries"
    place.mkdir()
    (place / "libplanted.so.1").symlink_to("gone.so.1")
    _prepend("LD_LIBRARY_PATH", str(place))


@controls.control(
    "wrong_product",
    "a torch whose matrix products are off by one part in a hundred",
    {"R4.3/torch_matmul_cpu": fails("the largest difference is")},
)
def wrong_product(_plant: Plant) -> None:
    torch = _package("torch")
    right = torch.Tensor.__matmul__
    torch.Tensor.__matmul__ = lambda one, other: (
        right(one, other) * (1.01 if one.dtype == torch.float32 else 1.0)
    )


@controls.control(
    "wrong_audio",
    "a torchaudio that resamples to another rate than it was asked for",
    {
        "R4.3/torchaudio_resample": fails("after resampling"),
        "R4.3/torchaudio_mel": fails("it differs by|shape"),
        "R5.4/resample_clip": fails("the clip correlates with itself by"),
    },
)
def wrong_audio(_plant: Plant) -> None:
    torchaudio = _package("torchaudio")
    resample, spectrogram = torchaudio.functional.resample, torchaudio.transforms.MelSpectrogram

    def another(audio: Any, before: int, after: int, **options: Any) -> Any:
        wrong = resample(audio, before, after // 2, **options)
        return wrong.repeat_interleave(2, dim=-1)

    torchaudio.functional.resample = another
    torchaudio.transforms.MelSpectrogram = lambda **options: spectrogram(
        **{**options, "sample_rate": options["sample_rate"] // 2}
    )


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotPlantableError(f"this image has no {name}", lacks=True) from error


def _prepend(variable: str, entry: str) -> None:
    rest = os.environ.get(variable, "")
    os.environ[variable] = f"{entry}:{rest}" if rest else entry
