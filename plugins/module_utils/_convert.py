# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether a model has to be converted, and publishes a conversion that was judged good."""

from __future__ import annotations

import fnmatch
import platform
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._convert_faults import (
    discard,
    disk_full_as_such,
)
from ansible_collections.stt.engine.plugins.module_utils._convert_inputs import (
    METHOD,
    input_digest,
    refuse_drift,
)
from ansible_collections.stt.engine.plugins.module_utils._convert_run import (
    OUTPUT,
    ConverterContainer,
    converter_versions,
)
from ansible_collections.stt.engine.plugins.module_utils._digest import canonical_json, sha256_hex
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import (
    INPUT_DIGEST_LABEL,
    DockerCli,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._jobs import JobContext
from ansible_collections.stt.engine.plugins.module_utils._judgement import Judgement
from ansible_collections.stt.engine.plugins.module_utils._model_directory import judge_ctranslate2
from ansible_collections.stt.engine.plugins.module_utils._model_manifest import (
    Document,
    damage,
    hash_files,
    manifest_path,
    read_manifest,
    stamp,
    write_manifest,
)
from ansible_collections.stt.engine.plugins.module_utils._model_settings import judge_generation
from ansible_collections.stt.engine.plugins.module_utils._safetensors import (
    Tensors,
    weight_files,
)
from ansible_collections.stt.engine.plugins.module_utils._store import (
    free_bytes,
    publish_directory,
    remove_tree,
    staging_directory,
)
from ansible_collections.stt.engine.plugins.module_utils._whisper_tensors import (
    Checkpoint,
    expected_model_size,
    judge_checkpoint,
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
    expected_inputs: Mapping[str, Any] = field(default_factory=dict)


class Conversion:
    """A conversion and its place, named by everything that goes into it."""

    def __init__(
        self, request: ConvertRequest, image: Mapping[str, Any], docker: DockerCli
    ) -> None:
        self.request = request
        self.docker = docker
        self.image_id = str(image["Id"])
        labels = (image.get("Config") or {}).get("Labels") or {}
        self.image_name = str(labels.get(INPUT_DIGEST_LABEL) or self.image_id)
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
        judgement = self._judgement(self.destination)
        if judgement.findings:
            # Published by a judge that saw less; made again, or refused and left as it is.
            return "; ".join(finding.sentence() for finding in judgement.findings)
        self._refuse_drift(manifest["files"], self._inputs(manifest))
        return None

    def check_preconditions(self) -> None:
        """Refuse what cannot succeed; writes nothing."""
        checkpoint = self._checkpoint()
        _least, most = expected_model_size(
            [Tensors(dict(checkpoint.tensors), 0)],
            self.request.quantization,
            loaded_as=checkpoint.loaded_as,
        )
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
        weights = sum(path.stat().st_size for path in weight_files(self.request.source))
        return 4 * weights + (2 << 30)

    def work(self, context: JobContext) -> dict[str, Any]:
        """Convert, judge and publish: the work of the job."""
        with disk_full_as_such(self.request.destination_root):
            return self._work(context)

    def _work(self, context: JobContext) -> dict[str, Any]:
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
            discard(staged, root, context.log)
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
            "inputs": self._inputs(manifest),
            "peak_memory_bytes": manifest.get("peak_memory_bytes"),
        }

    def checks(self, reason: str | None, seconds: float) -> list[dict[str, Any]]:
        """The check results of a published conversion, from a fresh look at its files."""
        request = self.request
        judgement = self._judgement(self.destination)
        found = "; ".join(finding.sentence() for finding in judgement.findings)
        sizes = {file["path"]: file["size"] for file in self.result()["files"]}
        manifest = self._manifest()
        wrong = damage(self.destination, manifest) if manifest else ["its manifest is missing"]
        looked = "every hash taken again" if request.full else "hashes taken of what has moved"
        whole = (
            f"{len(sizes)} files, {sum(sizes.values())} bytes, as in its manifest ({looked}): "
            f"{reason or 'already converted'}"
        )
        return [
            {
                "id": "R3.1",
                "name": f"conversion_{request.quantization}",
                "status": "failed" if wrong else "passed",
                "expected": f"a conversion to {request.quantization}, its files as in its manifest",
                "found": "; ".join(wrong) or whole,
                "fix": f"see what else writes to {self.destination}, then run again"
                if wrong
                else "",
                "seconds": seconds,
                "evidence": {"path": str(self.destination), "converter": self.versions},
            },
            {
                "id": "R3.3",
                "name": f"structure_{request.quantization}",
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

    def _checkpoint(self) -> Checkpoint:
        """The source, whole: every tensor of a Whisper and every file beside them."""
        checkpoint, judgement = judge_checkpoint(self.request.source)
        judge_generation(self.request.source, judgement)
        if checkpoint is None or judgement.findings:
            raise _bad(f"model {self.request.source}", judgement, "a complete Whisper model")
        return checkpoint

    def _judgement(self, directory: Path) -> Judgement:
        return judge_ctranslate2(
            directory, quantization=self.request.quantization, source=self.request.source
        )

    def _inputs(self, manifest: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the conversion was made from, or would be: each thing that may change its files."""
        kept = (manifest or {}).get("inputs")
        if isinstance(kept, dict):
            return kept
        return {
            "source": sha256_hex(canonical_json(self.source_files)),
            "converter": self.versions,
            "quantization": self.request.quantization,
            "method": METHOD,
            "image": self.image_name,
            "machine": platform.machine(),
        }

    def _refuse_drift(self, files: Sequence[Mapping[str, Any]], inputs: Mapping[str, Any]) -> None:
        request = self.request
        refuse_drift(
            self.destination, files, request.expected_files, inputs, request.expected_inputs
        )

    def _judge(self, staged: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Hashes and facts of a conversion that is good; raises SttError for any other."""
        judgement = self._judgement(staged)
        if judgement.findings:
            needed = "a converted model whose files fit together"
            raise _bad(f"conversion of {self.request.source}", judgement, needed)
        files = hash_files(staged)
        self._refuse_drift(files, self._inputs(None))
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
            "inputs": self._inputs(None),
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


def _bad(what: str, judgement: Judgement, needed: str) -> SttError:
    return SttError(
        what,
        found="; ".join(finding.sentence() for finding in judgement.findings),
        needed=needed,
        fix=judgement.findings[0].fix,
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
