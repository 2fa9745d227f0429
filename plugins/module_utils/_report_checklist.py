# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The customer's closing checklist and success criteria, and which checks decide each item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._check_result import is_summary
from ansible_collections.stt.engine.plugins.module_utils._check_titles import check_label
from ansible_collections.stt.engine.plugins.module_utils._report_text import reason, text

Check = Mapping[str, Any]
Text = Mapping[str, str]


@dataclass(frozen=True)
class Item:
    """One line of a checklist.

    Each of ``decided_by`` is a pattern of ``<step>/<check>`` that must find at least one result;
    ``but_not`` takes results out again. ``measure`` names a figure of the report that is shown
    beside the line with what the runbook planned for it. ``optional`` items are shown only when
    they have a result.
    """

    key: str
    text: Text
    decided_by: tuple[str, ...]
    but_not: tuple[str, ...] = ()
    measure: str = ""
    planned: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Phase:
    """A phase of the runbook: its planned time in seconds and its lines of the checklist."""

    id: str
    name: Text
    planned_seconds: tuple[int, int]
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Decision:
    """How an item stands: its status, why, and the checks that decided it."""

    item: Item
    status: str
    note: str
    fix: str
    seconds: float
    checks: tuple[str, ...]


NOT_RUN = "not_run"

PHASES: tuple[Phase, ...] = (
    Phase(
        "R1",
        {"ko": "환경 준비", "en": "Prepare the build server"},
        (300, 600),
        (
            Item(
                "source",
                {"ko": "git fetch & reset 완료", "en": "Source at the chosen commit"},
                ("R1.2/*",),
            ),
            Item(
                "cleaned",
                {"ko": "기존 이미지/모델 정리", "en": "Old images and models cleaned up"},
                ("R1.3/*",),
            ),
        ),
    ),
    Phase(
        "R2",
        {"ko": "Docker 이미지 빌드", "en": "Build the Docker image"},
        (1200, 2400),
        (
            Item(
                "image",
                {"ko": "이미지 빌드 성공", "en": "Image built"},
                ("R2.1/*", "R2.3/*", "R2.5/*"),
                but_not=("R2.3/library_path",),
                measure="image",
                planned="7.3 GB",
            ),
            Item(
                "library_path",
                {"ko": "LD_LIBRARY_PATH 설정됨", "en": "LD_LIBRARY_PATH set"},
                ("R2.3/library_path",),
            ),
        ),
    ),
    Phase(
        "R3",
        {"ko": "모델 다운로드", "en": "Fetch and convert the model"},
        (1500, 2700),
        (
            Item(
                "model",
                {"ko": "Whisper 모델 다운로드", "en": "Whisper model downloaded"},
                ("R3.1/model_fetched",),
                measure="original",
                planned="1.6 GB",
            ),
            Item(
                "conversion",
                {"ko": "CTranslate2 변환", "en": "Converted to CTranslate2"},
                ("R3.1/*",),
                but_not=("R3.1/model_fetched",),
                measure="converted",
                planned="0.9 GB",
            ),
            Item(
                "model_files",
                {"ko": "모델 파일 검증 완료", "en": "Model files verified"},
                ("R3.3/*",),
            ),
        ),
    ),
    Phase(
        "R4",
        {"ko": "기본 환경 검증", "en": "Basic checks in the container"},
        (600, 900),
        (
            Item("mount", {"ko": "모델 마운트 성공", "en": "Models mounted"}, ("R4.2/*",)),
            Item(
                "torch",
                {"ko": "PyTorch 설치 확인", "en": "PyTorch installed"},
                ("R4.3/torch*",),
            ),
            Item(
                "cuda",
                {"ko": "CUDA 사용 가능", "en": "CUDA available"},
                ("R4.3/cuda_available", "R4.3/cuda_matmul"),
            ),
            Item(
                "cache",
                {"ko": "캐시 디렉토리 권한 OK", "en": "Cache directory writable"},
                ("R4.4/*",),
            ),
        ),
    ),
    Phase(
        "R5",
        {"ko": "모델 로드 테스트", "en": "Model load tests"},
        (1200, 1800),
        (
            Item(
                "structure",
                {"ko": "CTranslate2 구조 정상", "en": "CTranslate2 structure sound"},
                ("R5.1/*",),
            ),
            Item(
                "faster_whisper",
                {"ko": "Faster-Whisper 로드 성공", "en": "Faster-Whisper loaded"},
                ("R5.2/*",),
            ),
            Item(
                "transformers",
                {"ko": "OpenAI Whisper 로드 성공", "en": "OpenAI Whisper loaded"},
                ("R5.3/*",),
            ),
            Item("audio", {"ko": "오디오 처리 성공", "en": "Audio processed"}, ("R5.4/*",)),
        ),
    ),
    Phase(
        "R6",
        {"ko": "최종 정리", "en": "Finish"},
        (300, 300),
        (
            Item(
                "tidied",
                {"ko": "빌드 결과 정리 완료", "en": "Build results put in order"},
                ("R6.1/*", "R6.2/*"),
            ),
            Item("logs", {"ko": "로그 저장 완료", "en": "Logs kept"}, ("R6.2/*",)),
        ),
    ),
)

CRITERIA: tuple[Item, ...] = (
    Item(
        "image_built",
        {"ko": "Docker 이미지 빌드 성공", "en": "Docker image built"},
        ("R2.1/*",),
    ),
    Item(
        "model_complete",
        {"ko": "모델 완벽 다운로드", "en": "Model downloaded completely"},
        ("R3.1/model_fetched", "R3.3/*"),
    ),
    Item(
        "converted",
        {"ko": "CTranslate2 변환 성공 (model.bin 생성)", "en": "Converted (model.bin made)"},
        ("R3.1/*", "R5.1/*"),
        but_not=("R3.1/model_fetched",),
    ),
    Item(
        "container",
        {"ko": "컨테이너 정상 시작", "en": "Container starts"},
        ("R4.1/*",),
    ),
    Item(
        "cuda_libraries",
        {"ko": "CUDA 라이브러리 모두 로드", "en": "CUDA libraries all load"},
        ("R2.5/cuda_libraries", "R4.3/cuda_libraries"),
    ),
    Item(
        "torch",
        {"ko": "PyTorch/torchaudio 정상", "en": "PyTorch and torchaudio work"},
        ("R4.3/torch*",),
    ),
    Item(
        "faster_whisper",
        {"ko": "Faster-Whisper 모델 로드 성공", "en": "Faster-Whisper model loads"},
        ("R5.2/*",),
    ),
    Item(
        "transformers",
        {"ko": "OpenAI Whisper 모델 로드 성공", "en": "OpenAI Whisper model loads"},
        ("R5.3/*",),
    ),
    Item(
        "permissions",
        {"ko": "모든 파일 권한 정상", "en": "All file permissions right"},
        ("R4.2/*", "R4.4/*"),
    ),
    Item(
        "cuda_computes",
        {"ko": "CUDA 계산 테스트 성공", "en": "CUDA computation correct"},
        ("R4.3/cuda_matmul",),
    ),
)

# What the runbook never looked at; shown when the checks ran.
BEYOND: tuple[Item, ...] = (
    Item(
        "texts_faster_whisper",
        {"ko": "Faster-Whisper 음성 전사", "en": "Faster-Whisper transcribes"},
        ("R5.5/*",),
        optional=True,
    ),
    Item(
        "texts_transformers",
        {"ko": "OpenAI Whisper 음성 전사", "en": "OpenAI Whisper transcribes"},
        ("R5.6/*",),
        optional=True,
    ),
    Item(
        "service",
        {"ko": "서비스 API 음성 전사", "en": "The service's API transcribes"},
        ("R5.7/*",),
        optional=True,
    ),
    Item(
        "encoders",
        {"ko": "변환 전후 인코더 일치", "en": "Encoders agree before and after conversion"},
        ("R5.8/*",),
        optional=True,
    ),
    Item(
        "quantizations",
        {"ko": "양자화별 float32 비교", "en": "Quantizations compared with float32"},
        ("R5.9/*",),
        optional=True,
    ),
)

CUDA_PROOF = ("R4.3/cuda_available", "R4.3/cuda_matmul")


def phase_of(task: str, language: str) -> str:
    """``Phase 5: ...``, the phase of a task by the step in its name; empty for any other task."""
    step = task.partition(" | ")[0].partition(".")[0]
    named = [phase.name[language] for phase in PHASES if phase.id == step]
    return f"{text('phase', language)} {step[1:]}: {named[0]}" if named else ""


def only_repeats(failure: Mapping[str, Any], checks: Sequence[Check]) -> bool:
    """Whether the message that stopped a release says no more than these failed checks."""
    lines = [line for line in str(failure["msg"]).splitlines() if line]
    if failure["object"] or not lines or not checks:
        return False
    beginnings = tuple(f"{check['id']} {check['name']}: " for check in checks)
    return is_summary(lines[0]) or all(line.startswith(beginnings) for line in lines)


def required_steps() -> list[str]:
    """The steps that must have a result in a whole release: all that decide an item."""
    items = [item for phase in PHASES for item in phase.items] + list(CRITERIA)
    return sorted({pattern.partition("/")[0] for item in items for pattern in item.decided_by})


def decide(
    item: Item, checks: Sequence[Check], *, stopped: bool = False, language: str = "en"
) -> Decision:
    """Judge one item by its checks.

    Failed or broken checks decide first. A pattern that finds nothing is an error; in a release
    that was stopped before its end it means ``not_run``. An item whose checks were all skipped is
    skipped; skips beside passed checks are told in the note.
    """
    found: dict[str, Check] = {}
    silent: list[str] = []
    for pattern in item.decided_by:
        matching = {
            key(check): check for check in checks if _decides(key(check), pattern, item.but_not)
        }
        found.update(matching)
        if not matching:
            silent.append(pattern.partition("/")[0] if pattern.endswith("/*") else pattern)
    status, note, fix = _status(list(found.values()), silent, stopped, language)
    return Decision(
        item,
        status,
        note,
        fix,
        round(sum(float(check["seconds"]) for check in found.values()), 3),
        tuple(sorted(found)),
    )


def _decides(name: str, pattern: str, but_not: tuple[str, ...]) -> bool:
    return fnmatchcase(name, pattern) and not any(fnmatchcase(name, other) for other in but_not)


def _status(
    checks: Sequence[Check], silent: Sequence[str], stopped: bool, language: str
) -> tuple[str, str, str]:
    for status in ("failed", "error"):
        bad = [check for check in checks if check["status"] == status]
        if bad:
            # In Korean each is a sentence with its end; in English it may be a part of one.
            between = " " if language == "ko" else "; "
            fixes = between.join(_unique(reason(check["fix"], language) for check in bad))
            return status, _notes(bad, language), fixes
    if silent and stopped:
        return NOT_RUN, "", ""
    if silent:
        return "error", f"{text('no_result', language)}: {', '.join(silent)}", ""
    skipped = [check for check in checks if check["status"] == "skipped"]
    if len(skipped) == len(checks):
        reasons = _unique(reason(check["found"], language) for check in skipped)
        return "skipped", "; ".join(reasons), ""
    return "passed", _notes(skipped, language), ""


def _notes(checks: Sequence[Check], language: str) -> str:
    """The checks by what was found, so that many with one reason are told in one breath."""
    labels: dict[str, list[str]] = {}
    for check in checks:
        found = reason(check["found"], language)
        labels.setdefault(found, []).append(check_label(check, language))
    return "; ".join(f"{', '.join(names)}: {found}" for found, names in labels.items())


def _unique(texts: Any) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))


def key(check: Check) -> str:
    """The name by which an item's pattern finds a check."""
    return f"{check['id']}/{check['name']}"


def gpu_state(checks: Sequence[Check]) -> str:
    """``proven`` only when a GPU computed and the result was right, otherwise ``absent``."""
    passed = {key(check) for check in checks if check["status"] == "passed"}
    return "proven" if passed.issuperset(CUDA_PROOF) else "absent"
