# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a comparison of two releases says, in Korean and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._check_titles import check_label
from ansible_collections.stt.engine.plugins.module_utils._report_text import moment, size, text

WORDS: dict[str, dict[str, str]] = {
    "title": {"ko": "stt.engine 릴리스 비교", "en": "stt.engine releases compared"},
    "what": {
        "ko": "봉인된 두 릴리스에서 서로 다른 것만 보여 줍니다.",
        "en": "Only what differs between two sealed releases.",
    },
    "from": {"ko": "기준 릴리스", "en": "From"},
    "to": {"ko": "비교 릴리스", "en": "To"},
    "same_release": {
        "ko": "같은 릴리스입니다. 다른 점이 없습니다.",
        "en": "The two are the same release: nothing differs.",
    },
    "nothing": {
        "ko": "두 릴리스의 내용에는 다른 점이 없습니다.",
        "en": "Nothing that was sealed differs.",
    },
    "proof_signature": {"ko": "서명 확인됨", "en": "signatures proven"},
    "proof_list": {
        "ko": "서명 미확인 (파일 해시만 확인)",
        "en": "signatures not proven, only its list of hashes holds",
    },
    "versions": {"ko": "입력과 도구 버전", "en": "Inputs and versions"},
    "packages": {"ko": "패키지", "en": "Packages"},
    "layers": {"ko": "이미지 레이어", "en": "Image layers"},
    "files": {"ko": "모델 파일", "en": "Model files"},
    "quantizations": {
        "ko": "양자화 (첫째가 서비스용)",
        "en": "Quantizations (the first is served)",
    },
    "checks": {"ko": "결과가 달라진 검사", "en": "Checks that ended otherwise"},
    "transcripts": {"ko": "음성 전사 결과", "en": "Transcripts"},
    "same": {"ko": "같음", "en": "the same"},
    "same_count": {"ko": "{count}개 같음", "en": "{count} the same"},
    "counts": {
        "ko": "변경 {changed}, 추가 {added}, 삭제 {removed}, {same}",
        "en": "{changed} changed, {added} added, {removed} removed, {same}",
    },
    "layer_counts": {
        "ko": "새로 생김 {new}개 ({new_size}), 공통 {shared}개 ({shared_size}), 빠짐 {gone}개",
        "en": "{new} new ({new_size}), {shared} shared ({shared_size}), {gone} gone",
    },
    "transcript_counts": {
        "ko": "{compared}회 전사 중 달라진 문장 {changed}개",
        "en": "{changed} changed, of {compared} transcriptions of clips that both have",
    },
    "clips_added": {"ko": "추가된 음성 파일", "en": "Clips that only the second has"},
    "clips_removed": {"ko": "빠진 음성 파일", "en": "Clips that only the first has"},
    "reference_before": {"ko": "이전 기준 문장", "en": "Reference text before"},
    "reference_after": {"ko": "새 기준 문장", "en": "Reference text now"},
    "judged": {"ko": "판정", "en": "Result"},
    "by": {"ko": "전사한 검사", "en": "Transcribed by"},
    "absent": {"ko": "없음", "en": "none"},
    "name": {"ko": "이름", "en": "Name"},
    "before": {"ko": "이전", "en": "Before"},
    "after": {"ko": "이후", "en": "After"},
    "bytes": {
        "ko": "기준 릴리스가 있는 서버가 새로 받을 양",
        "en": "What a host that has the first needs",
    },
    "bytes_layers": {
        "ko": "새 레이어 (엔진에 저장되는 압축 전 크기)",
        "en": "new layers, uncompressed as the engine keeps them",
    },
    "bytes_models": {"ko": "새 모델 파일", "en": "new model files"},
    "bytes_total": {"ko": "합계", "en": "together"},
    "bytes_note": {
        "ko": (
            "레이어는 압축해서 보내므로 실제 전송량은 이보다 작습니다. 압축 후 크기는 릴리스에 "
            "기록되지 않습니다. 내용이 같은 레이어와 파일은 한 번만 셉니다."
        ),
        "en": (
            "Layers are sent compressed, so fewer bytes travel; how many is not part of a "
            "release. A layer or file of the same content is counted once."
        ),
    },
    "page": {"ko": "페이지", "en": "Page"},
}


def word(key: str, language: str, **values: object) -> str:
    """One of the comparison's texts; an unknown key is a programming error."""
    return WORDS[key][language].format(**values) if values else WORDS[key][language]


def counts(rows: list[dict[str, Any]], same: int, language: str) -> str:
    """How many changed, came and went, and stayed."""
    return word(
        "counts",
        language,
        changed=sum(row["before"] is not None and row["after"] is not None for row in rows),
        added=sum(row["before"] is None for row in rows),
        removed=sum(row["after"] is None for row in rows),
        same=word("same_count", language, count=same),
    )


def layer_counts(layers: Mapping[str, Any], language: str) -> str:
    """How many layers are new, shared and gone, with their sizes."""
    return word(
        "layer_counts",
        language,
        new=len(layers["new"]),
        new_size=size(layers["new_bytes"]),
        shared=layers["shared"],
        shared_size=size(layers["shared_bytes"]),
        gone=len(layers["gone"]),
    )


def head(release: Mapping[str, Any], language: str) -> str:
    """When a release was sealed, and how that was proven."""
    proof = word(f"proof_{release['proof']}", language)
    return f"{text('sealed', language)} {moment(release['sealed'])}, {proof}"


def check_named(key: str, language: str) -> str:
    """A check by its step and its title."""
    step, _slash, name = key.partition("/")
    return f"{step} {check_label({'id': step, 'name': name}, language)}"


def status(value: str | None, language: str) -> str | None:
    """How a check ended; None for one that is not there."""
    return None if value is None else text(value, language)


def file_named(row: Mapping[str, Any], language: str) -> str:
    """A model file by its model's form and its path."""
    form = text("original", language) if row["model"] == "original" else row["model"]
    return f"{form}: {row['path']}"


def file_told(file: Mapping[str, Any] | None) -> str | None:
    """A model file's size and the beginning of its hash."""
    return None if file is None else f"{size(file['size'])} (sha256 {file['sha256'][:12]})"
