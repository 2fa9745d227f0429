# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a driver runs programs of a CUDA version, as NVIDIA promises it.

NVIDIA, "CUDA Compatibility" (https://docs.nvidia.com/deploy/cuda-compatibility/): a driver runs
every older CUDA (backward compatibility), and within one major release also a newer one (minor
version compatibility, since CUDA 11). What it may then not do is compile PTX of that newer version,
and no library here needs that: their kernels are compiled.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

LIBRARY = "libcuda.so.1"
# The major releases with minor version compatibility.
COMPATIBLE_SINCE = 11


@dataclass(frozen=True)
class Fit:
    """Whether a driver is enough, and why, as a sentence."""

    enough: bool
    sentence: str


def driver_version() -> int | None:
    """The newest CUDA that the driver has itself, 12080 for 12.8; None where it does not tell.

    The driver is asked by itself, without a context on the GPU.
    """
    try:
        driver = ctypes.CDLL(LIBRARY)
    except OSError:
        return None
    version = ctypes.c_int()
    refused = driver.cuDriverGetVersion(ctypes.byref(version))
    return None if refused or version.value <= 0 else version.value


def fit(driver: int, cuda: str) -> Fit:
    """Hold what cuDriverGetVersion says against the CUDA version that an image was built for."""
    major, minor = (int(part) for part in cuda.split(".")[:2])
    has_major, has_minor = driver // 1000, driver % 1000 // 10
    says = f"the driver has CUDA {has_major}.{has_minor}, the image needs {cuda}"
    if (has_major, has_minor) >= (major, minor):
        return Fit(True, says)
    if has_major == major and major >= COMPATIBLE_SINCE:
        return Fit(True, f"{says}: enough by minor version compatibility")
    oldest = f"{major}.0" if major >= COMPATIBLE_SINCE else cuda
    return Fit(False, f"{says}: a driver with CUDA {oldest} is the oldest that runs it")
