# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R4.3: the GPU is there, its driver fits the image, and it computes correctly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import gpu_driver
from .lacks import lacking
from .outcome import Outcome, failed, passed, require, skipped
from .r4_torch import MATRIX_SIZE, matrices
from .registry import Progress, Registry
from .settings import Settings, readable_size

registry = Registry()

# A float32 product of this size is off by about 1e-3, one in TF32 by less than 1e-1.
GPU_TOLERANCE = 0.2
NEWER = (
    "install a driver of that CUDA version or newer on this host, or release an image for an "
    "older CUDA (engine_image_cuda)"
)


@registry.check(
    "R4.3",
    "cuda_driver",
    expected="the driver runs programs of the CUDA version that the image was built for",
    fix=NEWER,
    # By a name below it: an image without torch says its CUDA version itself.
    imports=("torch.version",),
)
def cuda_driver(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.gpu:
        return settings.without_gpu()
    cuda = settings.expected.cuda
    if lacking(settings, "torch") is None:
        import torch

        cuda = torch.version.cuda or cuda
    return judge_driver(gpu_driver.driver_version(), cuda)


def judge_driver(driver: int | None, cuda: str | None) -> Outcome:
    """Hold the driver that answered against the image's CUDA version."""
    if driver is None:
        return failed(
            f"no driver answers in this container ({gpu_driver.LIBRARY} is not there or refuses)",
            fix="install the NVIDIA driver and the NVIDIA container toolkit on this host",
        )
    if cuda is None:
        return skipped("the image does not say which CUDA version it was built for", driver=driver)
    fits = gpu_driver.fit(driver, cuda)
    evidence: dict[str, Any] = {"driver": driver, "cuda": cuda, "driver_release": _driver_release()}
    if not fits.enough:
        return failed(fits.sentence, **evidence)
    return passed(fits.sentence, **evidence)


@registry.check(
    "R4.3",
    "cuda_available",
    expected="torch.cuda.is_available() with at least one device",
    fix="start the container with --gpus all on a host whose driver fits this CUDA version",
    imports=("torch",),
    cuda=True,
)
def cuda_available(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.gpu:
        return settings.without_gpu()
    import torch

    available, count = torch.cuda.is_available(), torch.cuda.device_count()
    require(
        available and count > 0,
        f"torch.cuda.is_available() is {available}, with {count} devices, although the container "
        "has a GPU device",
    )
    properties = torch.cuda.get_device_properties(0)
    free, total = torch.cuda.mem_get_info(0)
    return passed(
        f"{count} device(s), the first is {properties.name} with {readable_size(total)}, "
        f"{readable_size(free)} free",
        devices=count,
        device_name=properties.name,
        capability=f"{properties.major}.{properties.minor}",
        memory_bytes=total,
        memory_free_bytes=free,
        cuda=torch.version.cuda,
        driver=_driver_release(),
    )


@registry.check(
    "R4.3",
    "cuda_matmul",
    expected=f"the product of two {MATRIX_SIZE}x{MATRIX_SIZE} matrices on the GPU equals the CPU's",
    fix="look at the driver's log (dmesg, nvidia-smi); the GPU computes wrong or not at all",
    imports=("torch",),
    cuda=True,
)
def cuda_matmul(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.gpu:
        return settings.without_gpu()
    import torch

    left, right = matrices(torch)
    product = left.cuda() @ right.cuda()
    require(product.is_cuda, f"the product is on {product.device}")
    error = float((product.cpu() - left @ right).abs().max())
    require(error <= GPU_TOLERANCE, f"the largest difference from the CPU is {error:.2e}")
    used = torch.cuda.max_memory_allocated()
    require(used > 0, "no GPU memory was used")
    return passed(f"largest difference from the CPU {error:.1e}", memory_bytes=used)


def _driver_release() -> str | None:
    path = Path("/proc/driver/nvidia/version")
    if not path.exists():
        return None
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[0]
