# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R4.3: PyTorch and torchaudio compute correctly, and the CUDA libraries load."""

from __future__ import annotations

import ctypes
import importlib.metadata
import math
import os
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import known_sound
from .outcome import Outcome, failed, first_few, passed, require, skipped
from .registry import Progress, Registry
from .settings import Settings

registry = Registry()

# What only a driver or network hardware brings; nothing else may be missing.
DRIVER_LIBRARIES = ("libcuda.so.1", "libnvidia-ml.so.1")
RDMA_LIBRARIES = ("libmlx5.so.1", "libibverbs.so.1")
MATRIX_SIZE = 1000
# A float32 product of this size is off by about 1e-3.
CPU_TOLERANCE = 1e-2
RATE = 16000
TONE = 440.0


@registry.check(
    "R4.3",
    "torch_version",
    expected=lambda settings: f"torch {settings.expected.torch or 'of a known version'}",
    fix="build the image again from its package lock",
    imports=("torch",),
)
def torch_version(settings: Settings, _progress: Progress) -> Outcome:
    return _version("torch", settings.expected.torch)


@registry.check(
    "R4.3",
    "torchaudio_version",
    expected=lambda settings: f"torchaudio {settings.expected.torchaudio or 'of a known version'}",
    fix="build the image again from its package lock",
    imports=("torch", "torchaudio"),
)
def torchaudio_version(settings: Settings, _progress: Progress) -> Outcome:
    return _version("torchaudio", settings.expected.torchaudio)


@registry.check(
    "R4.3",
    "torch_cuda_build",
    expected=lambda settings: f"a torch built for CUDA {settings.expected.cuda or '(any version)'}",
    fix="install torch from the index of this CUDA version; a CPU build must not reach the image",
    imports=("torch",),
)
def torch_cuda_build(settings: Settings, _progress: Progress) -> Outcome:
    import torch

    found = torch.version.cuda
    require(found is not None, f"torch {torch.__version__} is built without CUDA")
    wanted = settings.expected.cuda
    require(wanted is None or found == wanted, f"torch is built for CUDA {found}")
    return passed(f"torch {torch.__version__} is built for CUDA {found}", cuda=found)


@registry.check(
    "R4.3",
    "packages_complete",
    expected="every module and library that the installed packages brought is there",
    fix="build the image again from its package lock; do not remove files of packages afterwards",
    deadline=120,
)
def packages_complete(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.container:
        return skipped("not run in a container")
    missing: list[str] = []
    count = 0
    for package in importlib.metadata.distributions():
        files = [
            file for file in package.files or () if file.suffix == ".py" or ".so" in file.suffixes
        ]
        count += len(files)
        missing += [str(file) for file in files if not Path(str(file.locate())).exists()]
    require(count > 0, "no package records its files")
    require(not missing, f"{len(missing)} files are gone: {first_few(sorted(missing))}")
    return passed(f"{count} modules and libraries are there")


@registry.check(
    "R4.3",
    "library_path",
    expected="LD_LIBRARY_PATH is set and every directory in it exists",
    fix="set LD_LIBRARY_PATH in the Dockerfile to the directories of the CUDA libraries",
)
def library_path(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.expected.library_path:
        return skipped("this image is not expected to set LD_LIBRARY_PATH")
    value = os.environ.get("LD_LIBRARY_PATH", "")
    directories = [entry for entry in value.split(":") if entry]
    if not directories and not settings.container:
        return skipped("not run in a container")
    require(bool(directories), "LD_LIBRARY_PATH is not set")
    missing = [entry for entry in directories if not Path(entry).is_dir()]
    require(
        not missing, f"LD_LIBRARY_PATH names directories that do not exist: {', '.join(missing)}"
    )
    return passed(f"{len(directories)} directories", directories=directories)


@registry.check(
    "R4.3",
    "cuda_libraries",
    expected="every CUDA library of the installed packages is there and loads",
    fix="install the packages again from their lock; do not remove or relink library files",
    deadline=180,
)
def cuda_libraries(settings: Settings, progress: Progress) -> Outcome:
    recorded = _recorded_libraries()
    present = _present_libraries()
    if not recorded and not present:
        if settings.container and not settings.foreign:
            return failed("there is not one CUDA library in this image")
        return skipped("no CUDA libraries are installed here")
    missing = sorted(str(path) for path in recorded if not path.exists())
    dangling = sorted(str(path) for path in present if path.is_symlink() and not path.exists())
    require(not missing, f"{len(missing)} installed files are gone: {first_few(missing)}")
    require(not dangling, f"{len(dangling)} links lead nowhere: {first_few(dangling)}")
    tolerated = RDMA_LIBRARIES if settings.gpu else (*DRIVER_LIBRARIES, *RDMA_LIBRARIES)
    loaded: list[str] = []
    excused: dict[str, str] = {}
    broken: list[str] = []
    for path in sorted(present | recorded):
        progress(f"loading {path}")
        try:
            ctypes.CDLL(str(path), mode=os.RTLD_LAZY | ctypes.RTLD_LOCAL)
        except OSError as error:
            wanting = next((name for name in tolerated if str(error).startswith(f"{name}:")), None)
            if wanting is None:
                broken.append(f"{path.name} ({error})")
            else:
                excused[path.name] = wanting
        else:
            loaded.append(path.name)
    require(not broken, f"{len(broken)} of {len(present)} do not load: {first_few(broken)}")
    require(bool(loaded), "not one library loads")
    sentence = f"{len(loaded)} libraries load"
    if excused:
        sentence += f"; {len(excused)} wait for a driver or network hardware: " + ", ".join(
            f"{name} ({wanting})" for name, wanting in sorted(excused.items())
        )
    return passed(sentence, loaded=loaded, excused=excused)


@registry.check(
    "R4.3",
    "torch_matmul_cpu",
    expected=f"the product of two {MATRIX_SIZE}x{MATRIX_SIZE} matrices equals the one in float64",
    fix="build the image again from its package lock",
    imports=("torch",),
)
def torch_matmul_cpu(_settings: Settings, _progress: Progress) -> Outcome:
    import torch

    left, right = matrices(torch)
    error = float(((left @ right).double() - left.double() @ right.double()).abs().max())
    require(error <= CPU_TOLERANCE, f"the largest difference is {error:.2e}")
    trace = float((left @ torch.eye(MATRIX_SIZE) - left).abs().max())
    require(trace <= CPU_TOLERANCE, f"a product with the identity differs by {trace:.2e}")
    return passed(f"largest difference {error:.1e}", largest_difference=error)


@registry.check(
    "R4.3",
    "torchaudio_resample",
    expected=f"a {TONE:g} Hz tone keeps its frequency and amplitude from 8 and 48 kHz to 16 kHz",
    fix="install the torchaudio that belongs to this torch",
    imports=("torch", "torchaudio"),
)
def torchaudio_resample(_settings: Settings, _progress: Progress) -> Outcome:
    import torch
    import torchaudio

    errors: dict[str, float] = {}
    for rate in (8000, 48000):
        result = torchaudio.functional.resample(_tone(torch, rate), rate, RATE)
        require(result.shape == (RATE,), f"{rate} Hz gave {tuple(result.shape)} samples")
        # The filter has no neighbours at both ends.
        middle = slice(RATE // 10, -RATE // 10)
        errors[str(rate)] = float((result - _tone(torch, RATE))[middle].abs().max())
    worst = max(errors.values())
    require(worst <= 0.02, f"the tone differs by up to {worst:.3f} after resampling")
    return passed(f"largest difference {worst:.4f} of full scale", largest_difference=errors)


@registry.check(
    "R4.3",
    "torchaudio_mel",
    expected="the mel spectrogram of a known sound has its known values",
    fix="install the torchaudio that belongs to this torch",
    imports=("torch", "torchaudio"),
)
def torchaudio_mel(_settings: Settings, _progress: Progress) -> Outcome:
    import torch
    import torchaudio

    transform = torchaudio.transforms.MelSpectrogram(
        sample_rate=known_sound.RATE,
        n_fft=known_sound.FFT,
        hop_length=known_sound.HOP,
        n_mels=known_sound.BANDS,
        mel_scale="htk",
    )
    power = transform(torch.tensor(known_sound.samples(), dtype=torch.float32))
    return judge_log_mel(power.double().log10().tolist())


def judge_log_mel(found: Sequence[Sequence[float]]) -> Outcome:
    """Hold a spectrogram of the known sound, one row a band, against its known values."""
    shape = f"{len(found)} x {len(found[0]) if found else 0}"
    wanted = f"{known_sound.BANDS} x {known_sound.FRAMES}"
    require(shape == wanted, f"it has the shape {shape}, not {wanted}")
    finite = all(math.isfinite(value) for row in found for value in row)
    require(finite, "it has values that are no finite numbers")
    worst, band, frame = known_sound.largest_difference(found)
    count = sum(len(row) for row in known_sound.LOG_MEL)
    require(
        worst <= known_sound.TOLERANCE,
        f"it differs by {worst:.3f} in band {band}, frame {frame}: {found[band][frame]:.3f}",
    )
    return passed(
        f"{count} of its values are right within {worst:.1e} (log10 of the power)",
        largest_difference=worst,
    )


def _version(package: str, wanted: str | None) -> Outcome:
    import importlib

    module = importlib.import_module(package)
    found = str(module.__version__)
    installed = importlib.metadata.version(package)
    require(
        found.partition("+")[0] == installed.partition("+")[0],
        f"{package} says {found} but its package is {installed}",
    )
    if wanted is None:
        return skipped(f"{package} {found} imports; no version was given to compare with")
    # A version without a local part, such as 2.8.0, accepts any build of it.
    same = found == wanted if "+" in wanted else found.partition("+")[0] == wanted
    require(same, f"{package} {found}")
    return passed(f"{package} {found}", version=found)


def matrices(torch: Any) -> tuple[Any, Any]:
    """Two matrices that are the same in every run."""
    generator = torch.Generator().manual_seed(20)
    left = torch.randn(MATRIX_SIZE, MATRIX_SIZE, generator=generator)
    return left, torch.randn(MATRIX_SIZE, MATRIX_SIZE, generator=generator)


def _tone(torch: Any, rate: int) -> Any:
    return torch.sin(2 * math.pi * TONE * torch.arange(rate, dtype=torch.float64) / rate).float()


def _site_packages() -> Path:
    return Path(sysconfig.get_paths()["purelib"])


def _present_libraries() -> set[Path]:
    """Shared libraries of the CUDA packages and in the directories of LD_LIBRARY_PATH."""
    site = _site_packages()
    found = set(site.glob("nvidia/*/lib/*.so*")) | set(site.glob("nvidia/*/lib64/*.so*"))
    found |= set(site.glob("torch/lib/*cuda*.so*")) | set(site.glob("torch/lib/libc10*.so*"))
    for entry in os.environ.get("LD_LIBRARY_PATH", "").split(":"):
        if entry and Path(entry).is_dir():
            found |= set(Path(entry).glob("*.so*"))
    return {path for path in found if ".so" in path.suffixes or path.suffix == ".so"}


def _recorded_libraries() -> set[Path]:
    """Shared libraries that the installed CUDA packages brought, as their own records say."""
    found: set[Path] = set()
    for package in importlib.metadata.distributions():
        name = (package.metadata["Name"] or "").lower()
        if name.startswith("nvidia-"):
            found |= {
                Path(str(package.locate_file(file)))
                for file in package.files or ()
                if ".so" in file.suffixes and "lib" in file.parts
            }
    return found
