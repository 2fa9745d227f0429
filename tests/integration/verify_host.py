# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's build server with the check archive, the tiny model and the clips on it."""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.integration.build_host import CHECKOUT, BuildHost

CHECKS = CHECKOUT / "checks"
CLIPS = CHECKOUT / "roles" / "model_check" / "files" / "clips"
REPOSITORY = "stt-lab/whisper-tiny-en-ko"
NAME = REPOSITORY.replace("/", "_")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
# The container of the modules, for the few checks that a test wants alone.
RUN = (
    "docker run --rm --interactive --network none --read-only --tmpfs /tmp --user 2000 "
    "--cap-drop ALL --security-opt no-new-privileges --memory 6g -e CUDA_VISIBLE_DEVICES=0"
)


def check_archive() -> bytes:
    """The check archive, as it is carried."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(path for path in CHECKS.rglob("*.*") if path.suffix != ".pyc"):
            archive.write(file.resolve(), file.relative_to(CHECKS))
    return packed.getvalue()


class VerifyHost(BuildHost):
    """A directory of this test with everything that a verification needs."""

    def carry(self) -> None:
        """Put the archive, the clips and the original model there."""
        self.put({"checks.pyz": check_archive()}, "checks")
        self.put({path.name: path.read_bytes() for path in CLIPS.iterdir()}, "clips")
        self.put(tiny_model(), f"models/{NAME}/{COMMIT}")
        self.write_manifest(f"{self.directory}/models/{NAME}/{COMMIT}")

    @property
    def source(self) -> str:
        return f"{self.directory}/models/{NAME}/{COMMIT}"

    def write_manifest(self, directory: str) -> None:
        """The manifest beside a fetched model, as stt_model_fetch leaves it."""
        files = [
            {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in sorted(tiny_model().items())
        ]
        identity = {"repository": REPOSITORY, "commit": COMMIT}
        document = {"format": 1, **identity, "files": files, "stamps": {}}
        self.ssh(f"cat > {directory}.manifest.json", json.dumps(document).encode())

    def convert(self, image: str, *, check: bool = False, **changes: Any) -> dict[str, Any]:
        """Run stt_model_convert on this test's model."""
        arguments = {
            "image": image,
            "source": self.source,
            "destination_root": f"{self.directory}/models",
            "quantization": "int8_float16",
            "jobs_root": f"{self.directory}/jobs",
            **changes,
        }
        return self.module("stt_model_convert", arguments, check=check)

    def converter(self, image: str, **changes: Any) -> str:
        """The name of the container in which such a conversion would run."""
        planned = self.convert(image, check=True, **changes)
        key = hashlib.sha256(f"{planned['input_digest']} {planned['path']}".encode())
        return f"stt-convert-{key.hexdigest()[:12]}"

    def convert_containers(self) -> list[str]:
        """Names of converter containers whose files lie in this test's directory."""
        mounts = "{{.Name}} {{range .Mounts}}{{.Source}} {{end}}"
        listed = self.ssh(
            "docker container ls --all --quiet --filter name=stt-convert- | "
            f"xargs -r docker container inspect --format '{mounts}'"
        )
        return [line for line in listed.splitlines() if f"{self.directory}/" in line]

    def when_started(self, container: str, command: str) -> str:
        """Run a command on the server as soon as a container runs there."""
        look = f"docker container inspect --format running-{{{{.State.Running}}}} {container}"
        wait = f"until {look} 2>&1 | grep -q running-true; do :; done"
        return self.ssh(f"timeout 120 sh -c {shlex.quote(wait)} && {command}")

    def verify(
        self, module: str, image: str, ctranslate2: str, *, check: bool = False, **changes: Any
    ) -> dict[str, Any]:
        """Run stt_image_verify or stt_model_verify on this test's models."""
        arguments = {
            "image": image,
            "checks": f"{self.directory}/checks/checks.pyz",
            "models": {"ctranslate2": ctranslate2, "transformers": self.source, "name": NAME},
            "container": self.prefix,
            "logs_directory": f"{self.directory}/logs",
            **changes,
        }
        return self.module(module, arguments, check=check)

    def judge(self, image: str, *, check: bool = False, **changes: Any) -> dict[str, Any]:
        """Run stt_image_verify on an image alone, before there are models."""
        arguments = {
            "phase": "R2",
            "image": image,
            "checks": f"{self.directory}/checks/checks.pyz",
            "container": self.prefix,
            "logs_directory": f"{self.directory}/logs",
            **changes,
        }
        return self.module("stt_image_verify", arguments, check=check)

    def derive(self, image: str, *lines: str, name: str = "derived") -> str:
        """An image with something more in it: small layers on top of another."""
        tag = f"{self.prefix}-{name}"
        text = "\n".join((f"FROM {image}", "USER 0", *lines, "USER 2000", ""))
        self.ssh(f"docker build --progress=plain --tag {tag} - >/dev/null", text.encode())
        return tag

    def weaken(self, model: str) -> None:
        """Shrink what both encoder layers compute: the scales of their int8 weights."""
        data = bytearray(self.ssh_bytes(f"cat {model}/model.bin"))
        for layer in range(2):
            name = f"encoder/layer_{layer}/ffn/linear_0/weight_scale\0".encode()
            at = data.index(name) + len(name)
            at += 1 + 4 * data[at] + 1
            (size,) = struct.unpack_from("<I", data, at)
            for offset in range(at + 4, at + 4 + size, 4):
                (scale,) = struct.unpack_from("<f", data, offset)
                struct.pack_into("<f", data, offset, scale * 64)
        self.ssh(f"cat > {model}/model.bin", bytes(data))

    def containers(self) -> list[str]:
        """Names of this test's containers and volumes that are still there."""
        names = "docker container ls --all --format '{{.Names}}'; docker volume ls --quiet"
        found = self.ssh(names).split()
        return [name for name in found if name.startswith((self.prefix, "stt-convert-"))]

    def clean(self) -> None:
        """Also remove this test's containers and volumes."""
        self.ssh(
            f"docker container rm --force {self.prefix} >/dev/null 2>&1; "
            f"docker volume rm {self.prefix}-cache {self.prefix}-logs >/dev/null 2>&1; true"
        )
        super().clean()


@cache
def tiny_model() -> dict[str, bytes]:
    """Every file of the tiny model's repository, made in a moment from its compact weights."""
    script = CHECKOUT / "tests" / "fixtures" / "make_tiny_whisper.py"
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(
            [sys.executable, str(script), "--out", out],
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=120,
        )
        return {path.name: path.read_bytes() for path in Path(out).iterdir()}


def failing(result: Mapping[str, Any]) -> dict[str, str]:
    """What a verification did not pass: id and name to what was found."""
    return {
        f"{check['id']} {check['name']}": check["found"]
        for check in result["checks"]
        if check["status"] in ("failed", "error")
    }
