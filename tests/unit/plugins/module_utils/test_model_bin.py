# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._model_bin import (
    ModelBinError,
    read_model_bin,
)
from tests.unit.model_files import TensorSpec, model_bin, whisper_tensors


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_reads_a_whole_model(tmp_path: Path) -> None:
    model = read_model_bin(write(tmp_path / "model.bin", model_bin(whisper_tensors("float16"))))
    assert (model.spec, model.revision, model.binary_version) == ("WhisperSpec", 3, 6)
    assert (model.mel_bins, model.vocabulary_size, model.hidden_size) == (128, 20, 4)
    assert (model.encoder_layers, model.decoder_layers) == (2, 1)
    assert model.quantization == "float16"
    assert model.aliases == {"decoder/projection/weight": "decoder/embeddings/weight"}
    assert (model.encoder_heads, model.decoder_heads) == (2, 2)
    assert model.size == (tmp_path / "model.bin").stat().st_size
    assert model.summary()["mel_bins"] == 128


@pytest.mark.parametrize(
    ("stored", "matching"),
    [
        ("float32", {"float32"}),
        ("float16", {"float16"}),
        ("bfloat16", {"bfloat16"}),
        ("int8_float32", {"int8", "int8_float32"}),
        ("int8_float16", {"int8", "int8_float16"}),
        ("int8_bfloat16", {"int8", "int8_bfloat16"}),
    ],
)
def test_tells_the_quantization_from_the_weights(
    tmp_path: Path, stored: str, matching: set[str]
) -> None:
    model = read_model_bin(write(tmp_path / "model.bin", model_bin(whisper_tensors(stored))))
    assert model.quantization == stored
    asked = {"float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16"}
    assert {name for name in asked | {"int8_bfloat16"} if model.matches(name)} == matching


def test_a_table_in_another_type_does_not_decide(tmp_path: Path) -> None:
    tensors = whisper_tensors("int8_float16")
    name = "encoder/position_encodings/encodings"
    tensors = [tensor for tensor in tensors if tensor.name != name]
    tensors.append(TensorSpec(name, (1500, 4), "float32"))
    model = read_model_bin(write(tmp_path / "model.bin", model_bin(tensors)))
    assert model.quantization == "int8_float16"


def test_payloads_are_skipped_not_read(tmp_path: Path) -> None:
    """A file of 1 GB, nearly all of it a hole, is judged from its headers."""
    big = TensorSpec("encoder/conv1/weight", (1024, 128 * 1024, 2), "float32")
    data = model_bin([big], aliases={})
    head = data.index(struct.pack("<I", 1 << 30)) + 4
    path = tmp_path / "model.bin"
    with path.open("wb") as stream:
        stream.write(data[:head])
        stream.seek(1 << 30, 1)
        stream.write(struct.pack("<I", 0))
    assert read_model_bin(path).mel_bins == 128 * 1024


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 5\n",
            "a Git LFS pointer instead of the weights",
        ),
        (b"<!DOCTYPE html><html><body>503</body></html>", "an HTML or XML page"),
        (b"\n  <html><head></head></html>", "an HTML or XML page"),
        (b'<?xml version="1.0"?><Error/>', "an HTML or XML page"),
        (b'{"error": "not found"}', "a JSON document"),
        (b'["a", "b"]', "a JSON document"),
        (b"PK\x03\x04" + bytes(60), "a PyTorch checkpoint"),
        (b"\x80\x02}q\x00." + bytes(60), "a PyTorch checkpoint"),
        (struct.pack("<Q", 50) + b'{"a": {"dtype": "F16"}}', "a safetensors file"),
    ],
)
def test_names_the_usual_impostors(tmp_path: Path, content: bytes, found: str) -> None:
    with pytest.raises(ModelBinError) as error:
        read_model_bin(write(tmp_path / "model.bin", content))
    assert error.value.found == found
    assert error.value.needed == "a CTranslate2 model.bin"
    assert error.value.fix
    assert str(tmp_path / "model.bin") in str(error.value)


def test_a_missing_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ModelBinError, match="cannot be read"):
        read_model_bin(tmp_path / "model.bin")
    with pytest.raises(ModelBinError, match="cannot be read"):
        read_model_bin(tmp_path)


def test_another_binary_version_is_refused(tmp_path: Path) -> None:
    data = struct.pack("<I", 5) + model_bin(whisper_tensors("float16"))[4:]
    with pytest.raises(ModelBinError) as error:
        read_model_bin(write(tmp_path / "model.bin", data))
    assert error.value.found == "binary version 5"


def test_every_truncation_is_found(tmp_path: Path) -> None:
    data = model_bin(whisper_tensors("int8_float16"))
    path = write(tmp_path / "model.bin", data)
    read_model_bin(path)
    for length in reversed(range(len(data))):
        os.truncate(path, length)
        with pytest.raises(ModelBinError):
            read_model_bin(path)


def test_truncation_is_said_as_such(tmp_path: Path) -> None:
    data = model_bin(whisper_tensors("float16"))
    with pytest.raises(ModelBinError) as error:
        read_model_bin(write(tmp_path / "model.bin", data[: len(data) // 2]))
    assert "the end of the file" in error.value.found
    assert "cut off" in error.value.fix


@pytest.mark.parametrize("tail", [b"\0", b"junk" * 100])
def test_bytes_after_the_end_are_found(tmp_path: Path, tail: bytes) -> None:
    data = model_bin(whisper_tensors("float16")) + tail
    with pytest.raises(ModelBinError) as error:
        read_model_bin(write(tmp_path / "model.bin", data))
    assert error.value.found == f"{len(tail)} bytes after the end of the model"


def damaged(tensors: list[TensorSpec], aliases: dict[str, str] | None = None) -> bytes:
    return model_bin(tensors, aliases=aliases)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (damaged([]), "no variables"),
        (damaged([TensorSpec("a", (2,), "float32"), TensorSpec("a", (2,), "float32")]), "twice"),
        (damaged([TensorSpec("a", (2,), "float32", size=12)]), "needs 8"),
        (damaged([TensorSpec("a", (0,), "float32")]), "needs 0"),
        (damaged([TensorSpec("a", (1,) * 9, "float32")]), "rank 9"),
        (damaged([TensorSpec("a", (2,), "float32", type_id=6)]), "data type 6"),
        (damaged([TensorSpec("a\x01", (2,), "float32")]), "unprintable"),
        (damaged([TensorSpec("a", (2,), "float32")], {"b": "c"}), "does not exist"),
        (damaged([TensorSpec("a", (2,), "float32")], {"a": "a"}), "twice"),
        (damaged([TensorSpec("encoder/layer_1/x", (2,), "float32")]), "not consecutive"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(ModelBinError, match=words):
        read_model_bin(write(tmp_path / "model.bin", data))


def test_random_damage_never_surprises(tmp_path: Path) -> None:
    """A damaged file gives an answer or a ModelBinError, never another exception, and quickly."""
    good = model_bin(whisper_tensors("int8_float16"))
    path = tmp_path / "model.bin"
    chance = random.Random(7)
    refused = 0
    for _turn in range(600):
        data = bytearray(good)
        for _turn in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        try:
            model = read_model_bin(write(path, bytes(data)))
        except ModelBinError as error:
            assert error.found and error.needed and error.fix
            refused += 1
        else:
            # Only weights or a name changed: the walk saw a whole file all the same.
            assert model.size == len(good)
    assert refused > 200


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    chance = random.Random(11)
    for _turn in range(100):
        data = chance.randbytes(chance.randint(1, 400))
        with pytest.raises(ModelBinError):
            read_model_bin(write(tmp_path / "model.bin", data))
        with pytest.raises(ModelBinError):
            read_model_bin(write(tmp_path / "model.bin", struct.pack("<I", 6) + data))
