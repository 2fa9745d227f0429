# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seals a release on the controller: its manifest, and the signature of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from ansible.release import __version__ as ansible_version

from ansible_collections.stt.engine.plugins.module_utils import _release_manifest as manifest
from ansible_collections.stt.engine.plugins.module_utils._digest import sha256_hex
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._phases import parse
from ansible_collections.stt.engine.plugins.module_utils._release_sign import (
    ALGORITHM,
    Signer,
    choose_signer,
)
from ansible_collections.stt.engine.plugins.module_utils._release_store import (
    SealedRelease,
    sealed_releases,
)
from ansible_collections.stt.engine.plugins.module_utils._release_verdict import (
    Judgement,
    judge,
)
from ansible_collections.stt.engine.plugins.module_utils._report_checklist import gpu_state
from ansible_collections.stt.engine.plugins.module_utils._store import write_atomically
from ansible_collections.stt.engine.plugins.module_utils._yaml_text import plain
from ansible_collections.stt.engine.plugins.plugin_utils._controller_action import (
    ControllerAction,
)

# A number beyond that of the year 2200 is no time that anybody sealed at.
LAST_SEQUENCE = 7_258_118_400


class ActionModule(ControllerAction):
    """Writes manifest.json and manifest.json.sig of a release that passed."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "dest": {"type": "path", "required": True},
        "tag": {"type": "str", "required": True},
        "image": {"type": "dict", "required": True},
        "model": {"type": "dict", "required": True},
        "conversions": {"type": "list", "elements": "dict", "required": True},
        "lock": {"type": "dict", "default": {}},
        "checks": {"type": "list", "elements": "dict", "required": True},
        "planned": {"type": "list", "elements": "str", "default": []},
        "tools": {"type": "dict", "default": {}},
        "peak_memory_bytes": {"type": "int", "default": 0},
        "key_file": {"type": "path", "no_log": False},
        "unsigned": {"type": "bool", "default": False},
        "openssl": {"type": "str", "default": "openssl"},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the release's id and what was, or would be, written."""
        arguments = plain(arguments, "arguments")
        signer = choose_signer(arguments["key_file"], arguments["unsigned"], arguments["openssl"])
        judgement = judge(arguments["checks"], arguments["planned"])
        directory = Path(arguments["dest"])
        path = directory / manifest.FILE_NAME
        signature = directory / manifest.SIGNATURE_NAME
        existing = manifest.read(path)
        holds = _holds(signer, path, signature)
        if not holds:
            _refuse_edited(signer, path, signature, existing)
        # What nobody vouches for says nothing about times either.
        others = [
            release
            for release in sealed_releases(directory.parent)
            if holds or release.id != directory.name
        ]
        moment = _moment_after(existing if holds else None, others)
        statement = _build(arguments, judgement, _statement_of(signer), moment)
        name = statement["predicate"]["release"]["id"]
        _refuse_another(path, existing, name)
        reason = manifest.reason_to_write(existing, statement)
        if reason is None and not holds:
            reason = "the manifest there has no signature that is wanted and holds"
        kept = existing if reason is None and existing is not None else statement
        before = path.read_bytes() if existing else b""
        data = manifest.render(kept) if kept is statement else before
        if reason is not None and not self._task.check_mode:
            _write(path, signature, data, signer)
        return {
            "changed": reason is not None,
            "reason": reason or "",
            "release": name,
            "path": str(path),
            "signature": str(signature) if signer else "",
            "signed": signer is not None,
            "sha256": sha256_hex(data),
            "sequence": kept["predicate"]["release"]["sequence"],
            "sealed": kept["predicate"]["release"]["sealed"],
            "key_sha256": signer.key_sha256 if signer else "",
            "gpu": kept["predicate"]["gpu"],
            "verdict": judgement.verdict,
            "counts": judgement.counts,
            **({"diff": _diff(before, path, kept)} if kept is statement else {}),
        }


def _release(arguments: dict[str, Any]) -> manifest.Release:
    return manifest.Release(
        tag=arguments["tag"],
        image=arguments["image"],
        model=arguments["model"],
        conversions=arguments["conversions"],
        lock=arguments["lock"],
        gpu=gpu_state(arguments["checks"]),
        tools={**arguments["tools"], "ansible-core": ansible_version},
        peak_memory_bytes=arguments["peak_memory_bytes"],
    )


def _build(
    arguments: dict[str, Any], judgement: Judgement, signature: dict[str, Any], sealed: datetime
) -> dict[str, Any]:
    try:
        return manifest.build_statement(_release(arguments), judgement, signature, sealed)
    except KeyError as error:
        raise SttError(
            "release manifest",
            found=f"no {error.args[0]} in what was passed",
            needed="image, model and conversions as the modules returned them",
            fix="pass the registered results unchanged",
        ) from error


def _statement_of(signer: Signer | None) -> dict[str, Any]:
    if signer is None:
        return {"algorithm": "none", "unsigned": True}
    return {"algorithm": ALGORITHM, "key_sha256": signer.key_sha256, "unsigned": False}


def _moment_after(existing: dict[str, Any] | None, others: Sequence[SealedRelease]) -> datetime:
    """Now, or a second after the newest manifest that is there, should the clock be behind it.

    What is sealed later must have the higher sequence: hosts tell by it what is superseded.
    """
    now = datetime.now(UTC)
    predicate = (existing or {}).get("predicate")
    sealed = predicate.get("release", {}).get("sealed") if isinstance(predicate, dict) else None
    known = (release.sequence for release in others if release.sequence < LAST_SEQUENCE)
    newest = max(known, default=0)
    moments = [now, datetime.fromtimestamp(newest, UTC) + timedelta(seconds=1)]
    try:
        return max(*moments, parse(str(sealed)) + timedelta(seconds=1))
    except (TypeError, ValueError):
        return max(moments)


def _refuse_another(path: Path, existing: dict[str, Any] | None, name: str) -> None:
    """Never write one release's manifest over another's."""
    predicate = (existing or {}).get("predicate")
    there = predicate.get("release", {}).get("id") if isinstance(predicate, dict) else None
    if there not in (None, name):
        raise SttError(
            f"release manifest {path}",
            found=f"the manifest of the release {there}",
            needed=f"a directory for the release {name} alone",
            fix=f"set dest to a directory named {name}",
        )


def _holds(signer: Signer | None, path: Path, signature: Path) -> bool:
    """Whether the manifest there may stay: signed by this key, or not at all where none signs."""
    return signer.verifies(path, signature) if signer else not signature.exists()


def _refuse_edited(
    signer: Signer | None, path: Path, signature: Path, existing: dict[str, Any] | None
) -> None:
    """Never write over what was edited after it was signed, so that somebody hears of it.

    One without a signature is what a killed or an unsigned run leaves, and one that names another
    key was sealed by that: both are written anew, and nothing of them is kept.
    """
    if signer is None or not (path.exists() and signature.exists()):
        return
    predicate = (existing or {}).get("predicate")
    stated = predicate.get("signature") if isinstance(predicate, dict) else None
    named = stated.get("key_sha256") if isinstance(stated, dict) else None
    if named and named != signer.key_sha256:
        return
    raise SttError(
        f"release manifest {path}",
        found=f"a manifest that {signature.name} does not hold for: one of them was changed after "
        "it was signed",
        needed=f"{path.name} and {signature.name} as they were sealed",
        fix=f"find out who changed them and bring them back, or remove {signature.name}: then the "
        "manifest is written anew from what this run found",
    )


def _write(path: Path, signature: Path, data: bytes, signer: Signer | None) -> None:
    """A manifest is never beside a signature of other content: the old one goes first."""
    signed = signer.sign(data) if signer else None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        signature.unlink(missing_ok=True)
        write_atomically(path, data)
        if signed is not None:
            write_atomically(signature, signed)
    except OSError as error:
        raise SttError(
            f"release manifest {path}",
            found=f"a place that cannot be written ({error.strerror})",
            needed=f"permission and space to write in {path.parent}",
            fix="choose another directory for releases, or make room",
        ) from error


def _diff(before: bytes, path: Path, new: dict[str, Any]) -> dict[str, str]:
    return {
        "before": before.decode("utf-8", "replace"),
        "after": manifest.render(new).decode(),
        "before_header": str(path),
        "after_header": str(path),
    }
