# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether a model has to be converted, and publishes a conversion that was judged good."""

from __future__ import annotations

import fnmatch
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._convert_run import (
    OUTPUT,
    ConverterContainer,
    converter_versions,
)
from ansible_collections.stt.engine.plugins.module_utils._digest import canonical_json, sha256_hex
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._jobs import JobContext
from ansible_collections.stt.engine.plugins.module_utils._model_directory import (
    SafetensorsError,
    Tensors,
    expected_model_size,
    judge_ctranslate2,
    read_safetensors_header,
    weight_files,
)
from ansible_collections.stt.engine.plugins.module_utils._model_manifest import (
    Document,
    damage,
    hash_files,
    manifest_path,
    read_manifest,
    stamp,
    write_manifest,
)
from ansible_collections.stt.engine.plugins.module_utils._store import (
    free_bytes,
    publish_directory,
    remove_tree,
    staging_directory,
)

QUANTIZATIONS = (
    "float32",
    "float16",
    "bfloat16",
    "int8",
    "int8_float32",
    "int8_float16",
    "int8_bfloat16",
)
# What the converter reads, or copies beside the weights; a README does not make another model.
SOURCE_PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")
# Counts up when the way of converting changes what comes out.
METHOD = 1
DIGEST_LENGTH = 12
STRUCTURE = "model.bin, vocabulary, tokenizer, preprocessor and config fit together"
# Tokenizer, vocabulary and settings beside model.bin, and the file system's own book-keeping.
RESERVE_BYTES = 64 << 20
# The packages whose versions name a conversion; a build suffix such as +cu128 does not change it.
VERSIONED = ("ctranslate2", "transformers", "tokenizers", "torch", "numpy")


@dataclass(frozen=True)
class ConvertRequest:
    """One conversion: of which model, with which image, to what and where."""

    image: str
    source: Path
    destination_root: Path
    quantization: str
    memory_bytes: int | None
    expected_files: Sequence[Mapping[str, Any]]
    full: bool
    docker: str


class Conversion:
    """A conversion and its place, named by everything that goes into it."""

    def __init__(
        self, request: ConvertRequest, image: Mapping[str, Any], docker: DockerCli
    ) -> None:
        self.request = request
        self.docker = docker
        self.image_id = str(image["Id"])
        self.source_files = _source_files(request.source)
        self.versions = self._known_versions(image) or converter_versions(docker, self.image_id)
        self.digest = input_digest(self.source_files, request.quantization, self.versions)
        self.destination = self._place() / (
            f"{request.source.name}-ct2-{request.quantization}-{self.digest[:DIGEST_LENGTH]}"
        )

    def needs_conversion(self) -> str | None:
        """Why there is something to do; None when the conversion is published and whole."""
        if not self.destination.is_dir():
            return "it is not converted yet"
        manifest = self._manifest()
        if manifest is None:
            return "its manifest is missing"
        wrong = damage(self.destination, manifest, full=self.request.full)
        if wrong:
            return "; ".join(wrong)
        refuse_drift(self.destination, manifest["files"], self.request.expected_files)
        return None

    def check_preconditions(self) -> None:
        """Refuse what cannot succeed; writes nothing."""
        _least, most = expected_model_size(self._tensors(), self.request.quantization)
        needed = most + RESERVE_BYTES
        free = free_bytes(self.request.destination_root)
        if free < needed:
            raise SttError(
                f"file system of {self.request.destination_root}",
                found=f"{free} bytes free",
                needed=f"{needed} bytes for {self.destination.name}",
                fix="free space there, or put the models on a larger file system",
            )

    def memory_limit(self) -> int:
        """The container's memory limit: as asked for, else enough for the largest type."""
        if self.request.memory_bytes is not None:
            return self.request.memory_bytes
        weights = sum(part.size for part in self._tensors())
        return 4 * weights + (2 << 30)

    def work(self, context: JobContext) -> dict[str, Any]:
        """Convert, judge and publish: the work of the job."""
        started = time.monotonic()
        root = self.request.destination_root.parent
        staged = staging_directory(root, f"convert-{self.digest[:DIGEST_LENGTH]}")
        # The job is alone with its key; what lies here was left by one that was killed.
        remove_tree(staged, root)
        staged.mkdir(mode=0o755)
        try:
            # Two roots on one engine may make the same conversion at the same time.
            key = sha256_hex(f"{self.digest} {self.destination}".encode())[:DIGEST_LENGTH]
            container = ConverterContainer(self.docker, self.image_id, key, self.memory_limit())
            answer = container.convert(
                self.request.source, staged, self.request.quantization, context
            )
            context.progress(step="judging")
            made = staged / OUTPUT
            files, structure = self._judge(made)
            context.progress(step="publishing")
            self._publish(made, self._document(files, structure, answer))
        finally:
            if staged.is_dir():
                remove_tree(staged, root)
        return {"seconds": round(time.monotonic() - started, 3)}

    def result(self) -> dict[str, Any]:
        """What is published, as the module returns it."""
        manifest = (self._manifest() if self.destination.is_dir() else None) or {}
        files = [
            {key: file[key] for key in ("path", "size", "sha256")}
            for file in manifest.get("files", [])
        ]
        return {
            "path": str(self.destination),
            "files": files,
            "quantization": self.request.quantization,
            "converter": self.versions,
            "model_bin": manifest.get("model_bin", {}),
            "input_digest": self.digest,
            "peak_memory_bytes": manifest.get("peak_memory_bytes"),
        }

    def checks(self, reason: str | None, seconds: float) -> list[dict[str, Any]]:
        """The check results of a published conversion, from a fresh look at its files."""
        request = self.request
        judgement = judge_ctranslate2(self.destination, quantization=request.quantization)
        found = "; ".join(finding.sentence() for finding in judgement.findings)
        sizes = {file["path"]: file["size"] for file in self.result()["files"]}
        total = sum(sizes.values())
        return [
            {
                "id": "R3.1",
                "name": "conversion",
                "status": "passed",
                "expected": f"a conversion to {request.quantization}, every file by its hash",
                "found": f"{len(sizes)} files, {total} bytes: {reason or 'already converted'}",
                "fix": "",
                "seconds": seconds,
                "evidence": {"path": str(self.destination), "converter": self.versions},
            },
            {
                "id": "R3.3",
                "name": "structure",
                "status": "failed" if found else "passed",
                "expected": STRUCTURE,
                "found": found or f"model.bin has {sizes.get('model.bin', 0)} bytes, all fits",
                "fix": judgement.findings[0].fix if judgement.findings else "",
                "seconds": 0.0,
                "evidence": judgement.facts,
            },
        ]

    def _place(self) -> Path:
        return self.request.destination_root / self.request.source.parent.name

    def _manifest(self) -> Document | None:
        manifest = read_manifest(self.destination)
        return manifest if manifest and manifest.get("input_digest") == self.digest else None

    def _known_versions(self, image: Mapping[str, Any]) -> dict[str, str] | None:
        """The converter's versions without starting a container: from labels, or an earlier run."""
        labels = (image.get("Config") or {}).get("Labels") or {}
        named = {name: str(labels.get(f"stt.engine.{name}", "")) for name in VERSIONED}
        if all(named.values()):
            return {name: version.partition("+")[0] for name, version in named.items()}
        for path in sorted(self._place().glob("*-ct2-*.manifest.json")):
            manifest = read_manifest(path.with_name(path.name.removesuffix(".manifest.json")))
            versions = (manifest or {}).get("converter")
            if manifest and self.image_id in manifest.get("images", []) and versions:
                return {str(name): str(version) for name, version in versions.items()}
        return None

    def refresh(self) -> None:
        """Note what was found out about a whole conversion, so that it need not be again.

        That is the present stamps of its files, and that this image too has these versions.
        """
        manifest = self._manifest()
        if manifest is None:
            return
        images = sorted({*manifest.get("images", []), self.image_id})
        paths = [file["path"] for file in manifest["files"]]
        present = {path: stamp(self.destination / path) for path in paths}
        if images != sorted(manifest.get("images", [])) or present != manifest["stamps"]:
            write_manifest(self.destination, self.destination, {**manifest, "images": images})

    def _tensors(self) -> list[Tensors]:
        try:
            return [read_safetensors_header(path) for path in weight_files(self.request.source)]
        except (OSError, SafetensorsError) as error:
            raise SttError(
                f"weights in {self.request.source}",
                found=str(error),
                needed="complete safetensors files",
                fix="fetch the model again with verify=full",
            ) from error

    def _judge(self, staged: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Hashes and facts of a conversion that is good; raises SttError for any other."""
        quantization = self.request.quantization
        judgement = judge_ctranslate2(staged, quantization=quantization)
        if judgement.findings:
            first = judgement.findings[0]
            raise SttError(
                f"conversion of {self.request.source}",
                found="; ".join(finding.sentence() for finding in judgement.findings),
                needed="a converted model whose files fit together",
                fix=first.fix,
            )
        size = (staged / "model.bin").stat().st_size
        least, most = expected_model_size(self._tensors(), quantization)
        if not least <= size <= most:
            raise SttError(
                f"conversion of {self.request.source}",
                found=f"model.bin with {size} bytes",
                needed=f"between {least} and {most} bytes, as the original's tensors give",
                fix="look at the job's log; the converter left weights out or stored others",
            )
        files = hash_files(staged)
        refuse_drift(self.destination, files, self.request.expected_files)
        return files, dict(judgement.facts)

    def _document(
        self,
        files: list[dict[str, Any]],
        structure: dict[str, Any],
        answer: Mapping[str, Any],
    ) -> Document:
        return {
            "kind": "ctranslate2",
            "source": self.request.source.name,
            "source_files": self.source_files,
            "quantization": self.request.quantization,
            "input_digest": self.digest,
            "converter": self.versions,
            "images": [self.image_id],
            "files": files,
            "model_bin": structure["model_bin"],
            "structure": structure,
            "peak_memory_bytes": answer["peak_memory_bytes"],
        }

    def _publish(self, staged: Path, document: Document) -> None:
        for file in document["files"]:
            (staged / file["path"]).chmod(0o444)
        staged.chmod(0o755)
        self.destination.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        aside: Path | None = None
        if self.destination.is_dir():
            # Damaged, or it would not be converted again; it goes once the good one is there.
            root = self.request.destination_root.parent
            aside = staging_directory(root, f"damaged-{secrets.token_hex(6)}") / "model"
            self.destination.rename(aside)
        # The manifest first: a directory is never visible without one.
        write_manifest(staged, self.destination, document)
        publish_directory(staged, self.destination)
        if aside is not None:
            remove_tree(aside.parent, self.request.destination_root.parent)


def input_digest(
    source_files: Mapping[str, str], quantization: str, versions: Mapping[str, str]
) -> str:
    """The identity of a conversion: what it is made from, what it becomes and what makes it."""
    document = {
        "method": METHOD,
        "files": dict(source_files),
        "quantization": quantization,
        "versions": dict(versions),
    }
    return sha256_hex(canonical_json(document))


def refuse_drift(
    place: Path, files: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]
) -> None:
    """Raise unless the files are those that the lock expects, where it expects any."""
    if not expected:
        return
    found = {file["path"]: file["sha256"] for file in files}
    wanted = {file["path"]: file["sha256"] for file in expected}
    moved = sorted(path for path in found | wanted if found.get(path) != wanted.get(path))
    if moved:
        raise SttError(
            f"conversion {place.name}",
            found="other files than locked: "
            + ", ".join(f"{path} {found.get(path, 'missing')}" for path in moved),
            needed=", ".join(f"{path} {wanted.get(path, 'not there')}" for path in moved),
            fix="if image, model or quantization were changed on purpose, accept the new files "
            "with release_lock_update=true; otherwise find what changed",
            drift=moved,
        )


def _source_files(source: Path) -> dict[str, str]:
    """Hashes of what the converter reads, from the model's manifest where that holds."""
    manifest = read_manifest(source)
    if manifest is None:
        files = [
            path.name
            for path in source.iterdir()
            if path.is_file() and any(fnmatch.fnmatch(path.name, one) for one in SOURCE_PATTERNS)
        ]
        return {file["path"]: file["sha256"] for file in hash_files(source, files)}
    wrong = damage(source, manifest)
    if wrong:
        raise SttError(
            f"model {source}",
            found="; ".join(wrong),
            needed=f"the files of {manifest_path(source).name}",
            fix="fetch the model again with verify=full",
        )
    return {
        file["path"]: file["sha256"]
        for file in manifest["files"]
        if any(fnmatch.fnmatch(file["path"], one) for one in SOURCE_PATTERNS)
    }
