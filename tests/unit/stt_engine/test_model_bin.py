# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of model.bin: whole files say what they are, damaged ones where they end."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stt_engine.model_bin import ModelBinError, Tensor, read_headers
from tests.unit.model_files import TensorSpec, model_bin, string, whisper_tensors

WHOLE = model_bin(whisper_tensors("float16"))


def read(path: Path, data: bytes) -> str:
    """Return the message of the error that the bytes give."""
    path.write_bytes(data)
    with pytest.raises(ModelBinError) as caught:
        read_headers(path)
    return str(caught.value)


def test_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(WHOLE)

    headers = read_headers(path)

    assert (headers.specification, headers.revision) == ("WhisperSpec", 3)
    assert (headers.mel_bins, headers.vocabulary_size) == (128, 20)
    assert (headers.layers("encoder"), headers.layers("decoder")) == (2, 1)
    assert headers.tensors["encoder/conv1/weight"] == Tensor((4, 128, 3), "float16")
    assert headers.shape("decoder/projection/weight") == (20, 4)
    assert headers.shape("decoder/nothing") is None


@pytest.mark.parametrize(
    "quantization", ["float32", "float16", "bfloat16", "int8_float32", "int8_float16"]
)
def test_the_true_quantization(tmp_path: Path, quantization: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(model_bin(whisper_tensors(quantization)))

    assert read_headers(path).quantization == quantization


def test_a_layer_norm_is_no_layer(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(model_bin([TensorSpec("encoder/layer_norm/gamma", (4,), "float32")]))

    assert read_headers(path).layers("encoder") == 0


@given(st.integers(min_value=0, max_value=len(WHOLE) - 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_truncation_is_found(tmp_path: Path, length: int) -> None:
    message = read(tmp_path / "model.bin", WHOLE[:length])

    assert message == "is empty" if length == 0 else message.startswith("is truncated")


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_junk_is_refused(tmp_path: Path, data: bytes) -> None:
    assert read(tmp_path / "model.bin", data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
        (b"\n<!DOCTYPE html><html></html>", "is an HTML or XML page"),
        (
            b"\x07\x00\x00\x00" + WHOLE[4:],
            "is no model in CTranslate2's format 6 (it begins with 7",
        ),
        (WHOLE + b"xyz", "has 3 bytes after its end"),
    ],
)
def test_what_is_no_model(tmp_path: Path, data: bytes, message: str) -> None:
    assert read(tmp_path / "model.bin", data).startswith(message)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (TensorSpec("a/weight", (2, 3), "float32", size=25), "a/weight of shape [2, 3] in float32"),
        (TensorSpec("a/weight", (2,), "float32", type_id=9), "a/weight has the unknown type 9"),
        (TensorSpec("a/weight", (1,) * 9, "float32"), "a/weight has 9 dimensions"),
        (TensorSpec("a\x01", (1,), "float32"), "variable 0 is no name"),
    ],
)
def test_headers_that_lie(tmp_path: Path, tensor: TensorSpec, message: str) -> None:
    assert message in read(tmp_path / "model.bin", model_bin([tensor]))


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    data = WHOLE.replace(string("encoder/conv1/weight"), string("encoder/conv1/weigh\x7f"))
    broken = data.replace(b"weigh\x7f", b"weigh\xff")

    assert "is no text" in read(tmp_path / "model.bin", broken)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ModelBinError, match="cannot be read: Is a directory"):
        read_headers(tmp_path)
