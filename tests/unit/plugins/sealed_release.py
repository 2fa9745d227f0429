# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sealed release on disk, made by what seals a real one, and its models as a host has them."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils import _release_files as files
from ansible_collections.stt.engine.plugins.module_utils import _release_manifest as manifest
from ansible_collections.stt.engine.plugins.module_utils import _report as report_module
from ansible_collections.stt.engine.plugins.module_utils._release_sign import ALGORITHM, Signer
from ansible_collections.stt.engine.plugins.module_utils._release_verdict import judge
from ansible_collections.stt.engine.plugins.module_utils._report_junit import junit
from ansible_collections.stt.engine.plugins.module_utils._report_tap import tap
from ansible_collections.stt.engine.plugins.module_utils._sbom import bill_of_materials
from ansible_collections.stt.engine.plugins.plugin_utils._report_html import page
from tests.unit.plugins.release_samples import passed_on_cpu

VERIFY = Path(__file__).resolve().parents[3] / "roles" / "release_seal" / "files" / "verify.sh"
SEALED = datetime(2026, 1, 31, 8, 6, 30, tzinfo=UTC)
CONVERTER = {"ctranslate2": "4.8.5", "transformers": "5.23.0"}
LOGS = {
    "logs/build.log.gz": b"\x1f\x8b built\x00",
    "logs/a name  with spaces.log": b"spaces\n",
    "logs/기록.log": "한국어\n".encode(),
    "history/2026-01-30T080000.000Z.json": b"{}\n",
}


@dataclass(frozen=True)
class Sealed:
    """A release's directory, the models it was sealed with, and the public key, kept elsewhere."""

    release: Path
    models: Path
    key: Path

    @property
    def id(self) -> str:
        """The release's id."""
        return self.release.name

    def copy(self, place: Path) -> Sealed:
        """The same once more, for a test that damages it."""
        shutil.copytree(self.release.parent.parent, place)
        return Sealed(place / "releases" / self.id, place / "models", place / "trusted.pub")


def make_key(path: Path) -> Path:
    """A signing key with its public half beside it."""
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        check=True,
        stdout=path.open("wb"),
        stderr=subprocess.DEVNULL,
    )
    path.chmod(0o600)
    public = path.with_suffix(".pub")
    subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-out", public], check=True)
    return path


def seal(
    place: Path,
    image: dict[str, Any] | None = None,
    *,
    change: Callable[[dict[str, Any]], None] | None = None,
    packages: dict[str, str] | None = None,
    sealed: datetime = SEALED,
    unsigned: bool = False,
) -> Sealed:
    """Seal the sample release below a directory; ``image`` overrides what it says of its image.

    ``change`` may edit all of its results, and ``packages`` are what its bill of materials lists;
    further releases in one place are sealed by the first one's key.
    """
    key = place / "trusted.pem"
    signer = Signer(key if key.exists() else make_key(key))
    results = passed_on_cpu()
    results["image"].update(image or {})
    if change is not None:
        change(results)
    original, *converted = _models(place / "models", results["models"])
    release = manifest.Release(
        tag=results["tag"],
        image=results["image"],
        model=original,
        conversions=[{**one, "converter": CONVERTER} for one in converted],
        lock={"inputs": {"note": 'a "quoted": {, line\nand\tanother'}, "expected_outputs": {}},
        gpu="absent",
        tools={"docker": "26.1.5"},
        peak_memory_bytes=3,
    )
    directory = place / "releases" / release.id
    signature: dict[str, Any] = {"algorithm": ALGORITHM, "key_sha256": signer.key_sha256}
    signature = {"algorithm": "none", "unsigned": True} if unsigned else signature
    signature.setdefault("unsigned", False)
    statement = manifest.render(
        manifest.build_statement(release, judge(results["checks"]), signature, sealed)
    )
    report = report_module.build_report(
        {**results, "release": release.id}, language="ko", now=SEALED
    )
    contents = {
        "manifest.json": statement,
        **({} if unsigned else _signed(signer, statement, key)),
        "report.json": report_module.render(report),
        "report.html": page(report).encode(),
        "junit.xml": junit(report),
        "report.tap": tap(report),
        "sbom.cdx.json": _sbom(release, packages or {"torch": "2.8.0"}),
        "verify.sh": VERIFY.read_bytes(),
        **LOGS,
    }
    for name, content in contents.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    files.write(directory, files.collect(directory), None if unsigned else signer)
    return Sealed(directory, place / "models", key.with_suffix(".pub"))


def _signed(signer: Signer, statement: bytes, key: Path) -> dict[str, bytes]:
    public = key.with_suffix(".pub").read_bytes()
    return {"manifest.json.sig": signer.sign(statement), "release.pub": public}


def _sbom(release: manifest.Release, packages: dict[str, str]) -> bytes:
    """The bill of materials of these packages and the release's models."""
    components = [
        {"name": name, "version": version, "purl": f"pkg:pypi/{name}@{version}"}
        for name, version in packages.items()
    ]
    document = bill_of_materials(
        components,
        release=release.id,
        image=release.image,
        model=release.model,
        conversions=release.conversions,
    )
    return json.dumps(document).encode()


def _models(root: Path, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sample's models with real files below a directory, as a host keeps them."""
    models = copy.deepcopy(given)
    for model in models:
        directory = root / model["repository"].replace("/", "_") / Path(model["path"]).name
        model["files"] = []
        for name in ("config.json", "weights of the model.bin", "parts/one.json"):
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = f"{model['path']} {name}".encode()
            path.write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            model["files"].append({"path": name, "size": len(content), "sha256": digest})
    return models
