# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's words in Korean and English, and its forms of numbers, sizes and times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ansible_collections.stt.engine.plugins.module_utils._check_words import (
    language_of,
    translated,
)

LANGUAGES = ("ko", "en")

TEXTS: dict[str, dict[str, str]] = {
    "product": {"ko": "stt.engine 릴리스 보고서", "en": "stt.engine release report"},
    "product_short": {"ko": "stt.engine 릴리스", "en": "stt.engine release"},
    "no_release": {"ko": "(이름 없음, 완료 전 중단)", "en": "(no name, stopped before its end)"},
    "what": {
        "ko": "음성 인식 엔진 이미지와 Whisper 모델 한 벌을 빌드하고 검증한 결과입니다.",
        "en": "What came of building and proving a speech-to-text image with its Whisper model.",
    },
    "verdict": {"ko": "결과", "en": "Verdict"},
    "verdict_passed_proven": {"ko": "통과", "en": "Passed"},
    "verdict_passed_absent": {"ko": "통과 (GPU 제외)", "en": "Passed, except GPU"},
    "verdict_failed": {"ko": "실패", "en": "Failed"},
    "next": {"ko": "다음 할 일", "en": "What to do next"},
    "next_passed_proven": {
        "ko": (
            "운영 환경에 배포해도 됩니다. 이 디렉터리 전체가 릴리스의 증거이므로 함께 보관하십시오."
        ),
        "en": "It may go to production. Keep this whole directory: it is the evidence.",
    },
    "next_passed_absent": {
        "ko": "GPU를 쓰는 검사만 남았습니다. 배포할 때 GPU 서버에서 CUDA 검사를 통과해야 합니다.",
        "en": "Only what needs a GPU is unproven: the CUDA checks must pass on the GPU host.",
    },
    "next_failed": {
        "ko": (
            "배포하지 마십시오. '조치'에 적힌 대로 고친 뒤 release.yml을 다시 실행하십시오. "
            "이미 끝난 작업은 되풀이하지 않습니다."
        ),
        "en": "Do not deploy. Do what 'Fix' says and run release.yml again; finished work is kept.",
    },
    "passed": {"ko": "통과", "en": "passed"},
    "failed": {"ko": "실패", "en": "failed"},
    "error": {"ko": "오류", "en": "error"},
    "skipped": {"ko": "건너뜀", "en": "skipped"},
    "not_run": {"ko": "미실행", "en": "not run"},
    "partly": {"ko": "일부 건너뜀", "en": "skipped in part"},
    # The same where there is little room, with what was skipped beside it.
    "in_part": {"ko": "일부 통과", "en": "in part"},
    "checklist": {"ko": "최종 체크리스트", "en": "Closing checklist"},
    "phase": {"ko": "Phase", "en": "Phase"},
    "criteria": {"ko": "성공 기준", "en": "Success criteria"},
    "beyond": {"ko": "런북에 없던 검증", "en": "Beyond the runbook"},
    "problems": {"ko": "조치가 필요한 항목", "en": "What must be mended"},
    "attention": {"ko": "주의와 건너뛴 검사", "en": "Warnings and skipped checks"},
    "warning": {"ko": "주의", "en": "warning"},
    "contents": {"ko": "목차", "en": "Contents"},
    "failed_checks": {
        "ko": "아래 검사가 실패하여 릴리스를 멈췄습니다.",
        "en": "The checks below failed and stopped the release.",
    },
    "more": {"ko": "위에서 자세히 보기", "en": "Details above"},
    "no_result": {"ko": "결과 없음", "en": "no result"},
    "stopped": {"ko": "릴리스를 멈춘 오류", "en": "The error that stopped the release"},
    "found": {"ko": "확인된 값", "en": "Found"},
    "expected": {"ko": "기대한 값", "en": "Expected"},
    "fix": {"ko": "조치", "en": "Fix"},
    "task": {"ko": "작업", "en": "Task"},
    "object": {"ko": "대상", "en": "Object"},
    "timeline": {"ko": "단계별 진행 시간", "en": "Time line of the phases"},
    "timeline_summary": {
        "ko": "{phase}: 시작 후 {offset}에 시작, {took} 걸림",
        "en": "{phase}: began {offset} after the start, took {took}",
    },
    "side_by_side": {
        "ko": "배경이 칠해진 구간에서는 여러 단계가 동시에 실행되었습니다: {spans}.",
        "en": "Where the ground is shaded, phases ran side by side: {spans}.",
    },
    "one_by_one": {
        "ko": "동시에 실행된 단계는 없습니다.",
        "en": "No phases ran side by side.",
    },
    "sizes": {"ko": "이미지와 모델 크기", "en": "Sizes of image and models"},
    "image_layers": {
        "ko": "이미지 레이어 (전체 {total})",
        "en": "Layers of the image ({total} in all)",
    },
    "image": {"ko": "이미지", "en": "Image"},
    "layer": {"ko": "레이어", "en": "Layer"},
    "empty_layers": {"ko": "그 밖의 작은 레이어 {count}개", "en": "{count} more small layers"},
    "models": {"ko": "모델", "en": "Models"},
    "original": {"ko": "원본", "en": "original"},
    "quantizations": {"ko": "양자화별 비교", "en": "Quantizations compared"},
    "quantizations_note": {
        "ko": (
            "이 서버에서 같은 음성 파일로 측정했습니다. 로드 시간은 파일이 이미 캐시에 있을 때의 "
            "값입니다. 실시간 계수는 처리 시간 / 음성 길이이고, 긴 녹음이 있으면 그것으로 "
            "측정합니다(짧은 녹음도 30초 창 하나를 모두 계산합니다). 메모리는 프로세스 전체의 "
            "최대값이고, GPU 메모리에는 CUDA 컨텍스트가 들어 있지 않습니다. 코사인과 문장 "
            "일치율은 원본 모델의 float32 결과와 비교한 값이며, 둘 다 greedy로 디코딩했습니다."
        ),
        "en": (
            "Measured on this server with the same clips. Load time: files already in the cache. "
            "Real-time factor: time taken / length of speech, of long recordings where there are "
            "any (a short one costs a whole window of 30 s). Memory: the most that the whole "
            "process held; GPU memory: without the CUDA context. Cosine and text: held against "
            "the original model in float32, both decoded greedily."
        ),
    },
    "computed_in": {"ko": "계산 형식", "en": "Computed in"},
    "load_time": {"ko": "로드 시간", "en": "Load time"},
    "real_time_factor": {"ko": "실시간 계수", "en": "Real-time factor"},
    "main_memory": {"ko": "최대 메모리", "en": "Peak memory"},
    "gpu_memory": {"ko": "GPU 메모리", "en": "GPU memory"},
    "encoder_cosine": {"ko": "인코더 코사인", "en": "Encoder cosine"},
    "text_agreement": {"ko": "문장 일치율", "en": "Text agreement"},
    "served": {"ko": "서비스용", "en": "served"},
    "transcripts": {"ko": "음성 전사 결과", "en": "Transcripts"},
    "transcripts_note": {
        "ko": (
            "각 음성 파일의 기준 문장과, 그와 다르게 전사된 문장입니다. 빠진 말은 취소선으로, "
            "새로 나온 말은 밑줄로 표시합니다."
        ),
        "en": (
            "The reference text of each clip, and what came where it differs: what is missing is "
            "struck out, what is new is underlined."
        ),
    },
    "transcribed_by": {"ko": "전사한 검사", "en": "Transcribed by"},
    "clip_count": {"ko": "음성 파일 {count}개", "en": "clips: {count}"},
    "reference": {"ko": "기준 문장", "en": "Reference text"},
    "accepted_since": {
        "ko": "승인된 전사문 ({when})",
        "en": "accepted transcript ({when})",
    },
    "accepted_now": {
        "ko": "이번 실행에서 승인한 전사문",
        "en": "transcript accepted in this run",
    },
    "reference_unknown": {"ko": "(기준 문장 없음)", "en": "(no reference text)"},
    "heard": {"ko": "전사된 문장", "en": "What came"},
    "nothing_heard": {"ko": "(아무 말도 전사되지 않음)", "en": "(no text came)"},
    "all_same": {"ko": "{count}회 모두 같음", "en": "same in all {count}"},
    "some_good": {"ko": "{count}회 중 {good}회 통과", "en": "{good} of {count} passed"},
    "clip": {"ko": "음성 파일", "en": "Clip"},
    "error_rate": {"ko": "오류율", "en": "Error rate"},
    "result": {"ko": "판정", "en": "Result"},
    "silence": {"ko": "(말소리 없음)", "en": "(no speech)"},
    "all_checks": {"ko": "전체 검사 결과", "en": "All checks"},
    "gates": {"ko": "이미지 자체 검사", "en": "The image by itself"},
    "check": {"ko": "검사", "en": "Check"},
    "seconds": {"ko": "시간", "en": "Time"},
    "identity": {"ko": "식별자와 버전", "en": "Digests and versions"},
    "release": {"ko": "릴리스", "en": "Release"},
    "host": {"ko": "빌드 서버", "en": "Build server"},
    "started": {"ko": "시작", "en": "Started"},
    "finished": {"ko": "종료", "en": "Finished"},
    "took": {"ko": "소요 시간", "en": "Took"},
    "gpu": {"ko": "GPU", "en": "GPU"},
    "gpu_proven": {"ko": "검증됨", "en": "proven"},
    "gpu_absent": {"ko": "빌드 서버에 없음 (미검증)", "en": "absent here, unproven"},
    "checks": {"ko": "검사", "en": "Checks"},
    "tag": {"ko": "이미지 태그", "en": "Image tag"},
    "image_id": {"ko": "이미지 ID", "en": "Image id"},
    "input_digest": {"ko": "입력 다이제스트", "en": "Input digest"},
    "base": {"ko": "베이스 이미지", "en": "Base image"},
    "base_digest": {"ko": "베이스 다이제스트", "en": "Base digest"},
    "cuda": {"ko": "CUDA 빌드", "en": "CUDA build"},
    "variant": {"ko": "이미지 종류", "en": "Variant"},
    "repository": {"ko": "저장소", "en": "Repository"},
    "commit": {"ko": "커밋", "en": "Commit"},
    "quantization": {"ko": "양자화", "en": "Quantization"},
    "size": {"ko": "크기", "en": "Size"},
    "versions": {"ko": "도구 버전", "en": "Tool versions"},
    "lock": {"ko": "잠금 파일", "en": "Lock"},
    "logs": {"ko": "로그", "en": "Logs"},
    "index": {"ko": "stt.engine 릴리스 목록", "en": "stt.engine releases"},
    "index_note": {
        "ko": "최근에 봉인한 릴리스부터, 바로 앞 릴리스와 달라진 점과 함께 보여 줍니다.",
        "en": "The release sealed last comes first; each says what changed since the one before.",
    },
    "index_empty": {"ko": "아직 릴리스가 없습니다.", "en": "There is no release yet."},
    "newest": {"ko": "최신", "en": "newest"},
    "sealed": {"ko": "봉인 시각", "en": "Sealed"},
    "unsealed": {"ko": "봉인되지 않음", "en": "not sealed"},
    "unsigned": {"ko": "서명 없음", "en": "unsigned"},
    "changes": {"ko": "이전 릴리스와 달라진 점", "en": "Changed since the release before"},
    "first_release": {
        "ko": "비교할 이전 릴리스가 없습니다.",
        "en": "There is no release before it.",
    },
    "no_changes": {"ko": "달라진 점이 없습니다.", "en": "Nothing changed."},
    "failed_runs": {"ko": "실패한 실행", "en": "Failed runs"},
    "stopped_at": {"ko": "멈춘 작업", "en": "Stopped at"},
    "unreadable": {
        "ko": "읽을 수 있는 report.json이 없습니다.",
        "en": "There is no report.json that can be read.",
    },
    "packages": {"ko": "패키지", "en": "Packages"},
    "engine_inputs": {"ko": "이미지 입력", "en": "Inputs of the image"},
    "checks_changed": {"ko": "검사", "en": "Checks"},
    "added": {"ko": "추가", "en": "added"},
    "removed": {"ko": "삭제", "en": "removed"},
    "release_files": {"ko": "릴리스 파일", "en": "Files of the release"},
    "files_and_logs": {"ko": "릴리스 파일과 로그", "en": "Files and logs"},
    "report": {"ko": "보고서", "en": "Report"},
    "planned_size": {"ko": "기준 {planned}", "en": "planned {planned}"},
    "took_planned": {"ko": "{took} 걸림, {planned}", "en": "took {took}, {planned}"},
    "planned_range": {"ko": "계획 {low}-{high}분", "en": "planned {low}-{high} min"},
    "planned_exact": {"ko": "계획 {low}분", "en": "planned {low} min"},
    "count_passed": {"ko": "통과 {count}", "en": "{count} passed"},
    "count_skipped": {"ko": "건너뜀 {count}", "en": "{count} skipped"},
    "count_failed": {"ko": "실패 {count}", "en": "{count} failed"},
    "count_error": {"ko": "오류 {count}", "en": "{count} error"},
    "counts": {
        "ko": "검사 {total}개: 통과 {passed}, 건너뜀 {skipped}, 실패 {failed}, 오류 {error}",
        "en": "{total} checks: passed {passed}, skipped {skipped}, failed {failed}, error {error}",
    },
    "changed": {"ko": "변경됨", "en": "changed"},
    "self_test": {"ko": "검사 자체 시험", "en": "Self-test of the checks"},
    "self_test_ran": {
        "ko": "{ran}, 검사 {gates}개 중 {failed}개가 일부러 심은 결함을 찾아냄 ({took})",
        "en": "{ran}, {failed} of {gates} checks found the faults planted for them in {took}",
    },
    "self_test_left_out": {
        "ko": "; 심지 못한 결함 {count}개",
        "en": "; {count} could not be planted",
    },
    "self_test_never": {
        "ko": "이 검사로는 실행한 적이 없음. -e stt_self_test=true로 실행",
        "en": "never ran with these checks; run it with -e stt_self_test=true",
    },
    "self_test_note": {
        "ko": (
            "검사마다 결함을 일부러 심어, 그 검사가 실제로 실패하고 결함을 이름으로 짚는지 "
            "확인한 결과입니다."
        ),
        "en": "Each check was shown a fault planted on purpose, and had to fail and to name it.",
    },
    "left_out": {"ko": "심지 못함", "en": "left out"},
    "run": {"ko": "이번 실행", "en": "This run"},
    "run_unchanged": {
        "ko": "{when} 봉인 이후 달라진 것이 없어, 다시 빌드하지 않고 검사 결과를 재사용함",
        "en": "unchanged since {when}: nothing was rebuilt, and the checks' results were reused",
    },
    "image_made": {"ko": "이미지 빌드함", "en": "image built"},
    "image_reused": {"ko": "이미지 재사용", "en": "image reused"},
    "model_made": {"ko": "모델 준비함", "en": "model fetched or converted"},
    "model_reused": {"ko": "모델 재사용", "en": "model reused"},
    "checks_run": {"ko": "새로 검사: {phases}", "en": "checked anew: {phases}"},
    "checks_reused": {"ko": "검사 결과 재사용: {phases}", "en": "checks reused: {phases}"},
    "sealed_anew": {"ko": "새로 봉인함", "en": "sealed anew"},
    "seal_kept": {"ko": "봉인은 그대로", "en": "the seal was kept"},
    "seal": {"ko": "봉인", "en": "Seal"},
    "seal_signed": {"ko": "키 {digits}로 서명함", "en": "signed with key {digits}"},
    "seal_lock": {"ko": "; 잠금 파일: {path}", "en": "; lock: {path}"},
}

# What the files of a release are for.
FILES: dict[str, dict[str, str]] = {
    "report.json": {"ko": "이 보고서의 원본 데이터", "en": "this report's data"},
    "junit.xml": {"ko": "CI 도구용 검사 결과 (JUnit)", "en": "the checks for CI tools (JUnit)"},
    "report.tap": {"ko": "검사 결과 (TAP)", "en": "the checks as TAP"},
    "manifest.json": {"ko": "릴리스 명세", "en": "what the release is"},
    "manifest.json.sig": {"ko": "릴리스 명세의 서명", "en": "the manifest's signature"},
    "release.pub": {"ko": "서명을 확인하는 공개 키", "en": "the key that checks the signature"},
    "sbom.cdx.json": {
        "ko": "구성 요소 목록 (SBOM, CycloneDX)",
        "en": "bill of materials (CycloneDX)",
    },
    "SHA256SUMS": {"ko": "모든 파일의 SHA-256 목록", "en": "the SHA-256 of every file"},
    "SHA256SUMS.sig": {"ko": "SHA-256 목록의 서명", "en": "the signature of that list"},
    "verify.sh": {
        "ko": "Ansible 없이 릴리스를 검증하는 스크립트",
        "en": "verifies the release without Ansible",
    },
}

# The checks speak English. Their reasons for a skip are told in the report's language as far as
# they are known; {} stands for what a reason names.
REASONS_KO = {
    "no GPU on this host": "이 서버에 GPU가 없음",
    "the GPU policy of this host is absent": "이 서버는 GPU를 쓰지 않도록 설정됨",
    "the slim variant has no original model beside it": "slim 이미지에는 원본 모델이 없음",
    "the slim variant has no {}": "slim 이미지에 없는 패키지: {}",
    "this engine has no torch and no CUDA libraries": "이 엔진에는 torch와 CUDA 라이브러리가 없음",
    "this engine has no {}": "이 엔진에 없는 패키지: {}",
    "there is no clip with speech": "말이 있는 음성 파일이 없음",
    "there is no clip to send": "보낼 음성 파일이 없음",
    "left out, as the model knows only English": "영어 전용 모델이라 제외",
    "there is no clip without speech": "말이 없는 음성 파일이 없음",
    "no directory of clips was given": "음성 파일 디렉터리가 지정되지 않음",
    "no clip's text was set for this model": "이 모델에 정해 둔 정답 문장이 없음",
    "every clip's text is known for this model and judged as such": "정답 문장으로 이미 판정함",
    "every clip's text is known for this model: none to accept": "승인할 전사 결과가 없음",
    "not run in a container": "컨테이너 밖에서 실행함",
    "no value was given to compare with": "비교할 값이 지정되지 않음",
    "no quantization was given to compare with": "비교할 양자화가 지정되지 않음",
    "no list of files was given for {}": "파일 목록이 지정되지 않음: {}",
    "no {}/stt_engine here": "이 이미지에는 {}/stt_engine이 없음",
    "no CUDA libraries are installed here": "CUDA 라이브러리가 설치되어 있지 않음",
    "the image does not say which CUDA version it was built for": "이미지에 CUDA 버전 표시가 없음",
    "this image is not expected to set LD_LIBRARY_PATH": "LD_LIBRARY_PATH가 필요 없는 이미지",
    "an engine of your own finds its libraries in its own way": (
        "직접 만든 엔진은 라이브러리를 자체 방식으로 찾음"
    ),
    "this image was built by a job below another directory than {}": (
        "{} 밖의 디렉터리에서 빌드된 이미지"
    ),
    "the image is another engine, without the label stt.engine.variant": (
        "stt.engine.variant 레이블이 없는 다른 엔진의 이미지"
    ),
    "the image is another engine, without the label stt.engine.variant{}": (
        "stt.engine.variant 레이블이 없는 다른 엔진의 이미지라 해당 없음"
    ),
}


def reason(sentence: str, language: str) -> str:
    """What a check says in the report's language if it is known, otherwise as it was said."""
    if language == "en":
        return sentence
    if sentence in REASONS_KO:
        return REASONS_KO[sentence]
    for english, korean in REASONS_KO.items():
        begin, hole, end = english.partition("{}")
        if hole and sentence.startswith(begin) and sentence.endswith(end):
            named = sentence[len(begin) : len(sentence) - len(end)]
            return korean.format(named.replace(" and no ", ", "))
    return translated(sentence, language)


def is_told(sentence: str, language: str) -> bool:
    """Whether what a check says can be told in the report's language."""
    same = language_of(sentence, language) == language
    return same or reason(sentence, language) != sentence


def text(key: str, language: str, **values: object) -> str:
    """One of the report's texts; an unknown key is a programming error."""
    return TEXTS[key][language].format(**values) if values else TEXTS[key][language]


def duration(seconds: float | None, language: str) -> str:
    """A time span as people say it: ``2 m 41 s``, ``2분 41초``; a dash for an unknown one."""
    if seconds is None:
        return "-"
    hour, minute, second = ("시간", "분", "초") if language == "ko" else (" h", " m", " s")
    if seconds == 0:
        return f"0{second}"
    if seconds < 9.95:
        return f"{seconds:.1f}{second}"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{second}"
    if whole < 3600:
        return f"{whole // 60}{minute} {whole % 60:02d}{second}"
    return f"{whole // 3600}{hour} {whole % 3600 // 60:02d}{minute}"


def planned(seconds: Sequence[float], language: str) -> str:
    """The planned time of a phase in minutes: ``planned 20-40 min``."""
    low, high = (round(value / 60) for value in seconds)
    return text("planned_exact" if low == high else "planned_range", language, low=low, high=high)


def took_and_planned(seconds: float | None, range_: Sequence[float], language: str) -> str:
    """The time taken beside the one planned; the plan alone when nothing was taken."""
    plan = planned(range_, language)
    if seconds is None:
        return plan
    return text("took_planned", language, took=duration(seconds, language), planned=plan)


def size(count: int | float | None) -> str:
    """Bytes with three digits in decimal units: ``7.86 GB``; a dash for an unknown size."""
    if count is None:
        return "-"
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            break
        value /= 1000
    if unit == "B":
        return f"{int(value)} B"
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {unit}"


def moment(iso: str) -> str:
    """A moment in UTC to the second; a dash for an unknown one."""
    if not iso:
        return "-"
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
