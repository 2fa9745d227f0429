# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""verify.sh on a sealed release: what it proves, and that it refutes every damage."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils import _release_files as files
from ansible_collections.stt.engine.plugins.module_utils._release_sign import Signer
from tests.lab import debian11
from tests.unit.plugins.sealed_release import LOGS, VERIFY, Sealed, make_key, seal

NO_KEY = (
    "take the sealer's public key from a place that you trust: "
    "one from the release's own directory proves nothing about who sealed it"
)
SIGNED = ("manifest.json", "SHA256SUMS")
SEALED_FILES = [
    *("manifest.json", "manifest.json.sig", "release.pub", "report.json", "report.html"),
    *("junit.xml", "report.tap", "sbom.cdx.json", "verify.sh", *LOGS),
]  # fmt: skip


@dataclass(frozen=True)
class Auditor:
    """A shell and the programs that it finds."""

    shell: tuple[str, ...]
    path: str

    def run(self, *arguments: object, script: Path = VERIFY, cwd: str = "/") -> Outcome:
        """Run the script as an auditor would."""
        done = subprocess.run(
            [*self.shell, str(script), *map(str, arguments)],
            env={"PATH": self.path, "LC_ALL": "C.UTF-8"},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        return Outcome(done.returncode, done.stdout)


@dataclass(frozen=True)
class Outcome:
    """How a run ended and the lines that it printed, by their first word."""

    rc: int
    output: str
    proven: list[str] = field(init=False)
    refuted: list[str] = field(init=False)
    unjudged: list[str] = field(init=False)
    not_proven: list[str] = field(init=False)

    def __post_init__(self) -> None:
        for name, word in (
            ("proven", "proven: "),
            ("refuted", "refuted: "),
            ("unjudged", "not judged: "),
            ("not_proven", "not proven: "),
        ):
            lines = [line for line in self.output.splitlines() if line.startswith(word)]
            object.__setattr__(self, name, [line.removeprefix(word) for line in lines])

    def told(self, what: str) -> list[str]:
        """Found, needed and fix of one line."""
        lines = self.output.splitlines()
        start = next(n for n, line in enumerate(lines) if line.endswith(f": {what}"))
        told = [line.split(maxsplit=1) for line in lines[start + 1 : start + 4]]
        assert [word for word, _rest in told] == ["found:", "needed:", "fix:"]
        return [rest for _word, rest in told]


def busybox_only(place: Path, openssl: Path) -> Auditor:
    """A machine that has nothing but busybox and openssl."""
    program = debian11.busybox()
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    for name in listed.stdout.split():
        (place / name).symlink_to(program)
    (place / "openssl").symlink_to(openssl)
    return Auditor((str(place / "ash"),), str(place))


@pytest.fixture(scope="session")
def auditors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Auditor]:
    """This machine; the same with Debian 11's openssl; busybox with Debian 11's openssl."""
    old = debian11.openssl()
    usual = os.environ["PATH"]
    return {
        "own": Auditor(("dash",), usual),
        "debian11": Auditor(("dash",), f"{old.parent}:{usual}"),
        "busybox": busybox_only(tmp_path_factory.mktemp("busybox"), old),
    }


@pytest.fixture(params=["own", "debian11", "busybox"])
def auditor(request: pytest.FixtureRequest, auditors: dict[str, Auditor]) -> Auditor:
    return auditors[request.param]


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return seal(tmp_path_factory.mktemp("sealed"))


@pytest.fixture
def sealed(good: Sealed, tmp_path: Path) -> Sealed:
    """A copy to damage, in a place with a space in its name."""
    return good.copy(tmp_path / "the auditor's place")


def flip(path: Path, place: int = -2) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_the_programs_are_the_ones_they_are_taken_for(auditors: dict[str, Auditor]) -> None:
    for name, version in (("debian11", "OpenSSL 1.1.1w"), ("busybox", "OpenSSL 1.1.1w")):
        asked = [*auditors[name].shell, "-c", "openssl version"]
        said = subprocess.run(
            asked, env={"PATH": auditors[name].path}, capture_output=True, text=True, check=True
        )
        assert said.stdout.startswith(version)


def test_a_sealed_release_is_proven_file_by_file(auditor: Auditor, good: Sealed) -> None:
    outcome = auditor.run("--release", good.id, "--models", good.models, good.key, good.release)
    assert (outcome.rc, outcome.refuted, outcome.unjudged) == (0, [], []), outcome.output
    said = {line.partition(" is unchanged")[0] for line in outcome.proven}
    assert said >= {*SEALED_FILES, f"it is the release {good.id}"}
    models = [path for path in good.models.rglob("*") if path.is_file()]
    assert said >= {str(path.relative_to(good.models)) for path in models}
    assert len(models) == 6
    for name in SIGNED:
        assert any(line.startswith(f"the signature over {name},") for line in outcome.proven)
    assert outcome.not_proven == [
        "the image on any host: not asked for (--image IMAGE, --container NAME)"
    ]
    assert outcome.output.splitlines()[-1] == f"result: proven ({len(outcome.proven)} proven)"


def test_what_was_not_asked_for_is_said(auditor: Auditor, sealed: Sealed) -> None:
    outcome = auditor.run(sealed.key, script=sealed.release / "verify.sh")
    assert outcome.rc == 0
    assert outcome.not_proven == [
        f"that {sealed.id} is the release that you mean (--release ID)",
        "the models' files on any host: not asked for (--models DIR)",
        "the image on any host: not asked for (--image IMAGE, --container NAME)",
        "this script itself, which came with the release (see --help)",
    ]


@pytest.mark.parametrize("name", SEALED_FILES)
def test_a_flipped_bit_in_any_file_is_refuted_by_its_name(
    auditors: dict[str, Auditor], sealed: Sealed, name: str
) -> None:
    flip(sealed.release / name)
    outcome = auditors["own"].run(sealed.key, sealed.release)
    assert outcome.rc == 1
    assert name in outcome.refuted
    signature = ["the signature over manifest.json"] if name.startswith("manifest.json") else []
    assert outcome.refuted == [*signature, name]
    found, needed, _fix = outcome.told(name)
    assert found.startswith("the sha256 ") and needed.startswith("the sha256 ")
    assert found != needed


def test_flipped_bits_in_all_files_at_once_are_refuted_one_by_one(
    auditor: Auditor, sealed: Sealed
) -> None:
    for name in SEALED_FILES:
        flip(sealed.release / name)
    outcome = auditor.run(sealed.key, sealed.release)
    assert outcome.rc == 1
    assert set(outcome.refuted) == {"the signature over manifest.json", *SEALED_FILES}


@pytest.mark.parametrize("place", [0, 40, 5_000, -1])
@pytest.mark.parametrize("name", SIGNED)
def test_every_place_of_what_is_signed_counts(
    auditors: dict[str, Auditor], sealed: Sealed, name: str, place: int
) -> None:
    path = sealed.release / name
    flip(path, min(place, path.stat().st_size - 1))
    outcome = auditors["debian11"].run(sealed.key, sealed.release)
    assert outcome.rc == 1
    assert f"the signature over {name}" in outcome.refuted


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda path: flip(path, 10),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes()[:9]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    ],
    ids=["last byte", "early byte", "cut by one", "cut", "empty", "longer"],
)
@pytest.mark.parametrize("name", SIGNED)
# Busybox brings no openssl of its own.
@pytest.mark.parametrize("machine", ["own", "debian11"])
def test_a_damaged_signature_proves_nothing(
    auditors: dict[str, Auditor],
    sealed: Sealed,
    name: str,
    damage: Callable[[Path], None],
    machine: str,
) -> None:
    damage(sealed.release / f"{name}.sig")
    outcome = auditors[machine].run("--models", sealed.models, sealed.key, sealed.release)
    assert outcome.rc == 1
    assert f"the signature over {name}" in outcome.refuted
    without = {
        "manifest.json": "anything that the manifest states: release, image, models, verdict",
        "SHA256SUMS": "that any file of the release is unchanged",
    }
    assert without[name] in outcome.not_proven


def test_what_is_appended_to_a_signature_of_full_length_is_seen(
    auditors: dict[str, Auditor], sealed: Sealed
) -> None:
    signer = Signer(sealed.key.with_suffix(".pem"))
    content = (sealed.release / "SHA256SUMS").read_bytes()
    signatures = (signer.sign(content) for _attempt in range(100))
    full = next(signature for signature in signatures if len(signature) == 72)
    for appended, rc in ((b"", 0), (b"\0", 1)):
        (sealed.release / "SHA256SUMS.sig").write_bytes(full + appended)
        assert auditors["own"].run(sealed.key, sealed.release).rc == rc


def test_a_foreign_key_proves_nothing_and_is_told_from_damage(
    auditor: Auditor, sealed: Sealed, tmp_path: Path
) -> None:
    foreign = make_key(tmp_path / "foreign.pem").with_suffix(".pub")
    outcome = auditor.run(foreign, sealed.release)
    assert (outcome.rc, outcome.proven) == (1, [])
    assert outcome.refuted == [f"the signature over {name}" for name in SIGNED]
    assert "the manifest names another key, with the sha256 " in outcome.output


def test_a_release_sealed_again_by_somebody_else_is_refuted(
    auditor: Auditor, good: Sealed, tmp_path: Path
) -> None:
    (tmp_path / "forged").mkdir()
    forged = seal(tmp_path / "forged")
    assert auditor.run(good.key, forged.release).rc == 1
    assert auditor.run(forged.key, forged.release).rc == 0


def test_a_key_out_of_the_release_is_refused(
    auditor: Auditor, sealed: Sealed, tmp_path: Path
) -> None:
    link = tmp_path / "looks-trusted.pub"
    link.symlink_to(sealed.release / "release.pub")
    for key in (sealed.release / "release.pub", link):
        outcome = auditor.run(key, sealed.release)
        assert (outcome.rc, outcome.proven, outcome.unjudged) == (2, [], ["the key"])
        assert outcome.told("the key")[2] == NO_KEY
    assert auditor.run("release.pub", cwd=str(sealed.release)).rc == 2


def test_without_a_key_it_says_why_it_takes_none_of_its_own(
    auditor: Auditor, sealed: Sealed
) -> None:
    outcome = auditor.run(script=sealed.release / "verify.sh")
    assert (outcome.rc, outcome.proven) == (2, [])
    assert outcome.told("the key") == ["none named", "the sealer's public key", NO_KEY]


@pytest.mark.parametrize("name", [*SIGNED, *(f"{name}.sig" for name in SIGNED)])
def test_without_what_is_signed_nothing_is_judged(
    auditor: Auditor, sealed: Sealed, name: str
) -> None:
    (sealed.release / name).unlink()
    outcome = auditor.run(sealed.key, sealed.release)
    listed = name.startswith("manifest")
    assert outcome.rc == (1 if listed else 2)
    assert outcome.refuted == ([name] if listed else [])
    assert outcome.unjudged == [f"the signature over {name.removesuffix('.sig')}"]


def test_missing_added_and_replaced_files_are_refuted(auditor: Auditor, sealed: Sealed) -> None:
    release = sealed.release
    (release / "junit.xml").unlink()
    (release / "sbom.cdx.json").rename(release / "elsewhere.json")
    (release / "sbom.cdx.json").symlink_to("elsewhere.json")
    (release / "report.tap").unlink()
    (release / "report.tap").mkdir()
    (release / "logs" / ".hidden").write_text("x")
    (release / "logs" / "two\nlines\x1b[2K\rproven: all").write_text("x")
    outcome = auditor.run(sealed.key, release)
    assert outcome.rc == 1
    assert set(outcome.refuted) == {
        *("junit.xml", "sbom.cdx.json", "report.tap"),
        *("elsewhere.json", "logs/.hidden", "logs/two?lines?[2K?proven: all"),
    }
    assert "\x1b" not in outcome.output
    assert f"a file that was not sealed, in {release}" in outcome.output


def test_a_directory_that_nobody_may_list_is_not_judged(good: Sealed) -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        release, key = Path(place, "release"), shutil.copy(good.key, place)
        shutil.copytree(good.release, release)
        (release / "hidden").mkdir()
        (release / "hidden" / "run.sh").write_text("true\n", encoding="utf-8")
        (release / "hidden").chmod(0o311)
        done = subprocess.run(
            ["sh", str(release / "verify.sh"), str(key), str(release)],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=65534 if os.geteuid() == 0 else None,
        )
    assert done.returncode == 2, done.stdout
    assert "hidden\n  found:  a directory that cannot be listed\n" in done.stdout
    assert "nothing else lies in the release" not in done.stdout


@pytest.mark.parametrize(
    "name",
    # Each of them reads as a line, or several, with names that are on the list.
    ["report.json\n./junit.xml", "report.json\n.", "\njunit.xml", "junit.xml\n", "a/\nb/junit.xml"],
)
def test_a_name_of_several_lines_is_none_of_the_list(
    auditor: Auditor, sealed: Sealed, name: str
) -> None:
    planted = sealed.release / name
    if name.endswith("."):
        planted.mkdir()
        planted /= "junit.xml"
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text("planted")
    outcome = auditor.run(sealed.key, sealed.release)
    told = str(planted.relative_to(sealed.release)).replace("\n", "?")
    assert (outcome.rc, outcome.refuted) == (1, [told]), outcome.output


def test_the_models_on_a_host_are_held_against_the_manifest(
    auditor: Auditor, sealed: Sealed
) -> None:
    asked = ("--models", sealed.models, sealed.key, sealed.release)
    weights, other = sorted(sealed.models.rglob("weights of the model.bin"))
    flip(weights)
    (other.parent / "config.json").unlink()
    (other.parent / "tokenizer.json").write_text("{}")
    outcome = auditor.run(*asked)
    assert outcome.rc == 1
    damaged = (weights, other.parent / "config.json", other.parent / "tokenizer.json")
    assert set(outcome.refuted) == {str(path.relative_to(sealed.models)) for path in damaged}


@pytest.mark.parametrize("name", ["../trusted.pub", "/etc/passwd", "logs/../verify.sh", "a\\b"])
def test_a_list_that_leads_out_of_the_release_is_not_followed(
    auditor: Auditor, sealed: Sealed, name: str
) -> None:
    entries = {**files.collect(sealed.release), name: "0" * 64}
    files.write(sealed.release, entries, Signer(sealed.key.with_suffix(".pem")))
    outcome = auditor.run(sealed.key, sealed.release)
    assert (outcome.rc, outcome.refuted) == (2, [])
    assert outcome.unjudged == [f"the line '{'0' * 64}  {name}' of the list"]


def test_models_that_are_somewhere_else_are_not_judged(
    auditor: Auditor, sealed: Sealed, tmp_path: Path
) -> None:
    outcome = auditor.run("--models", tmp_path, sealed.key, sealed.release)
    assert (outcome.rc, outcome.unjudged) == (2, ["the models"])
    assert auditor.run("--models", tmp_path / "none", sealed.key, sealed.release).rc == 2


def test_another_release_of_the_same_sealer_is_refuted(auditor: Auditor, good: Sealed) -> None:
    outcome = auditor.run("--release", "another", good.key, good.release)
    assert (outcome.rc, outcome.refuted) == (1, ["the release"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("--models",),
        ("--release", ""),
        ("--image", "--container"),
        ("--unknown",),
        ("key", "release", "third"),
        ("no-such-key",),
    ],
)
def test_a_wrong_command_line_is_said_and_proves_nothing(
    auditor: Auditor, arguments: tuple[str, ...]
) -> None:
    outcome = auditor.run(*arguments)
    assert (outcome.rc, outcome.proven, len(outcome.unjudged)) == (2, [], 1)


@pytest.mark.parametrize("content", [b"", b"no key\n", b"RSA"], ids=["empty", "text", "RSA"])
def test_what_is_no_key_of_this_kind_is_not_judged(
    auditor: Auditor, good: Sealed, tmp_path: Path, content: bytes
) -> None:
    key = tmp_path / "other.pub"
    key.write_bytes(content)
    if content == b"RSA":
        pipe = "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 | openssl pkey -pubout"
        key.write_bytes(subprocess.run(pipe, shell=True, capture_output=True, check=True).stdout)
    outcome = auditor.run(key, good.release)
    assert (outcome.rc, outcome.proven, outcome.unjudged) == (2, [], ["the key"])


def test_without_docker_an_image_is_not_judged(auditors: dict[str, Auditor], good: Sealed) -> None:
    outcome = auditors["busybox"].run(
        "--image", "some", "--container", "one", good.key, good.release
    )
    assert outcome.rc == 2
    assert outcome.unjudged == ["the image some", "the container one"]
    assert "docker" in outcome.told("the image some")[0]


def test_help_is_asked_for_without_a_key(auditor: Auditor) -> None:
    outcome = auditor.run("--help")
    assert outcome.rc == 0
    assert outcome.output.startswith("usage: sh verify.sh [options] KEY [RELEASE]\n")
