# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each check is called in Korean and English."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

# By step and name. A name that ends in * stands for all of its kind: {} is what is in its place.
TITLES: dict[str, tuple[str, str]] = {
    "R1.1/docker_engine": ("Docker 엔진 버전", "Docker engine"),
    "R1.1/buildx": ("buildx 버전", "Docker buildx"),
    "R1.1/architecture": ("서버 CPU 아키텍처", "Processor architecture"),
    "R1.1/disk_docker": ("Docker 데이터 디스크 여유 공간", "Free space for Docker's data"),
    "R1.1/disk_root": ("릴리스 디스크 여유 공간", "Free space for releases"),
    "R1.1/memory": ("메모리 용량", "Memory"),
    "R1.1/commands": ("필요한 명령어 설치", "Commands that are needed"),
    "R1.1/files": ("지정한 파일 읽기", "Named files can be read"),
    "R1.1/python": ("Python 버전", "Python"),
    "R1.1/root_writable": ("작업 디렉터리 쓰기 권한", "Release root can be written"),
    "R1.1/reachability_*": ("주소 접속 가능", "Address answers"),
    "R1.1/gpu": ("GPU와 드라이버", "GPU and driver"),
    "R1.2/source_at_known_state": ("엔진 소스 버전 확정", "Engine source at a known state"),
    "R1.2/repository_read": ("엔진 저장소 읽기", "Engine repository can be read"),
    "R1.2/no_local_work": ("서버에서 고친 소스 없음", "No local work in the checkout"),
    "R1.2/required_commit": ("필수 커밋 포함", "Required commit is included"),
    "R1.2/source_is_whole": ("소스 누락 없음", "Source is complete"),
    "R1.2/inputs_as_locked": ("잠금 파일과 입력 일치", "Inputs are those of the lock"),
    "R1.3/own_superseded_removed": ("이전 릴리스 정리", "Superseded releases removed"),
    "R2.1/packages_resolved": ("패키지 목록 확정", "Packages resolved"),
    "R2.1/image_built": ("이미지 빌드", "Image built"),
    "R2.2/build_watched": ("빌드 로그 기록", "Build log kept"),
    "R2.3/image_size": ("이미지 크기", "Size of the image"),
    "R2.3/layer_size": ("레이어 크기", "Size of the layers"),
    "R2.3/library_path": ("LD_LIBRARY_PATH 설정", "LD_LIBRARY_PATH is set"),
    "R2.3/platform": ("이미지 플랫폼", "Platform of the image"),
    "R2.4/no_failed_step": ("실패한 빌드 단계 없음", "No build step failed"),
    "R2.5/added_files": ("베이스에 추가된 파일 조사", "Files added to the base"),
    "R2.5/architecture": ("추가된 프로그램의 아키텍처", "Architecture of added programs"),
    "R2.5/glibc": ("glibc 요구 버전", "glibc version needed"),
    "R2.5/libstdcxx": ("libstdc++ 요구 버전", "libstdc++ version needed"),
    "R2.5/dangling_links": ("끊어진 라이브러리 링크 없음", "No dangling library links"),
    "R2.5/no_os_additions": (
        "OS 패키지·컴파일러·sudo 추가 없음",
        "No OS packages, compiler or sudo",
    ),
    "R2.5/secrets": ("비밀 정보 없음", "No secrets in the image"),
    "R2.5/cuda_libraries": ("CUDA 라이브러리 로드", "CUDA libraries load"),
    "R2.5/library_path": ("LD_LIBRARY_PATH 디렉터리 존재", "LD_LIBRARY_PATH leads somewhere"),
    "R2.5/packages": ("Python 패키지 구성", "Python packages are complete"),
    "R2.5/modules": ("엔진 모듈 임포트", "Engine modules import"),
    "R2.5/torch_cuda": ("CUDA 빌드 버전", "CUDA version of torch"),
    "R2.5/user_and_port": ("실행 사용자와 포트", "User and port"),
    "R2.5/labels": ("이미지 레이블", "Labels of the image"),
    "R2.5/inventory": ("설치된 패키지 목록", "Inventory of packages"),
    "R2.5/reference_image": ("기준 이미지", "Reference image"),
    "R3.1/model_named": ("모델 커밋 확정", "Model commit resolved"),
    "R3.1/quantizations_distinct": ("양자화 목록 중복 없음", "Quantizations are distinct"),
    "R3.1/model_fetched": ("모델 다운로드", "Model fetched"),
    "R3.1/conversion_*": ("CTranslate2 변환 ({})", "Converted to CTranslate2 ({})"),
    "R3.2/sizes": ("모델 용량", "Sizes of the models"),
    "R3.3/original_files": ("원본 모델 파일 해시", "Files of the original model"),
    "R3.3/structure_*": ("변환된 모델 구조 ({})", "Structure of the conversion ({})"),
    "R4.1/container_user": ("컨테이너 실행 사용자", "Container's user"),
    "R4.1/root_read_only": ("루트 파일 시스템 읽기 전용", "Root file system is read-only"),
    "R4.1/temporary_writable": ("임시 디렉터리 쓰기", "Temporary directory is writable"),
    "R4.1/network_isolated": ("네트워크 차단", "Network is cut off"),
    "R4.1/visible_devices": ("보이는 GPU 장치", "Visible GPU devices"),
    "R4.1/service_importable": ("서비스 모듈 로드", "Service can be imported"),
    "R4.2/models_present": ("모델 마운트", "Models are mounted"),
    "R4.2/models_readable": ("모델 파일 읽기 권한", "Model files are readable"),
    "R4.2/models_read_only": ("모델 파일 쓰기 금지", "Model files are read-only"),
    "R4.2/models_self_contained": ("외부로 나가는 링크 없음", "No links lead out of the models"),
    "R4.2/models_hashes": ("모델 파일 해시", "Hashes of the model files"),
    "R4.3/torch_version": ("torch 버전", "torch version"),
    "R4.3/torchaudio_version": ("torchaudio 버전", "torchaudio version"),
    "R4.3/torch_cuda_build": ("torch의 CUDA 빌드", "CUDA build of torch"),
    "R4.3/packages_complete": ("Python 패키지 의존성", "Packages are complete"),
    "R4.3/library_path": ("LD_LIBRARY_PATH 적용", "LD_LIBRARY_PATH in effect"),
    "R4.3/cuda_libraries": ("CUDA 라이브러리 로드", "CUDA libraries load"),
    "R4.3/torch_matmul_cpu": ("행렬 곱 계산 (CPU)", "Matrix product on the CPU"),
    "R4.3/torchaudio_resample": ("torchaudio 리샘플링", "torchaudio resamples"),
    "R4.3/torchaudio_mel": ("torchaudio 멜 스펙트로그램", "torchaudio's mel spectrogram"),
    "R4.3/cuda_driver": ("GPU 드라이버와 CUDA 버전 호환", "Driver fits the image's CUDA"),
    "R4.3/cuda_available": ("CUDA 사용 가능", "CUDA is available"),
    "R4.3/cuda_matmul": ("행렬 곱 계산 (GPU)", "Matrix product on the GPU"),
    "R4.4/whoami": ("컨테이너 사용자 이름", "User name in the container"),
    "R4.4/cache_writable": ("캐시 디렉터리 쓰기", "Cache directory is writable"),
    "R4.4/logs_writable": ("로그 디렉터리 쓰기", "Log directory is writable"),
    "R4.4/elsewhere_refused": ("그 밖의 위치 쓰기 거부", "Writing elsewhere is refused"),
    "R5.1/engine_diagnosis": ("엔진 자체 진단", "The engine's own diagnosis"),
    "R5.1/structure": ("CTranslate2 모델 구조", "Structure of the CTranslate2 model"),
    "R5.1/size_fits_source": ("model.bin 크기", "Size of model.bin"),
    "R5.1/same_tokenizer": ("토크나이저 동일", "Tokenizer is the original's"),
    "R5.2/faster_whisper_*": ("Faster-Whisper 로드 ({})", "Faster-Whisper loads ({})"),
    "R5.3/transformers_load": ("OpenAI Whisper 로드", "OpenAI Whisper loads"),
    "R5.4/decode_formats": ("오디오 형식 디코딩", "Audio formats decode"),
    "R5.4/features": ("음성 특징 추출", "Speech features"),
    "R5.4/faster_whisper_features": (
        "Faster-Whisper 특징값",
        "Features that Faster-Whisper makes",
    ),
    "R5.4/resample_clip": ("음성 리샘플링", "Clips resample"),
    "R5.5/faster_whisper_texts": ("Faster-Whisper 전사", "Faster-Whisper transcribes"),
    "R5.5/faster_whisper_batched": ("Faster-Whisper 배치 전사", "Faster-Whisper in batches"),
    "R5.5/transcripts_to_accept": ("승인할 전사 결과", "Transcripts to accept"),
    "R5.5/faster_whisper_silence": ("무음 처리", "Silence stays silent"),
    "R5.5/real_time_factor": ("전사 속도 (실시간 비율)", "Real-time factor"),
    "R5.6/transformers_texts": ("OpenAI Whisper 전사", "OpenAI Whisper transcribes"),
    "R5.6/decoders_agree": ("두 디코더 결과 일치", "Both decoders agree"),
    "R5.7/service_health": ("서비스 상태 확인 (/health)", "Service health (/health)"),
    "R5.7/service_without_model": ("모델 없는 서비스 거부", "Service without a model"),
    "R5.7/service_transcribes": ("서비스 API 전사", "The service's API transcribes"),
    "R5.8/encoder_agreement": ("변환 전후 인코더 일치", "Encoders agree"),
    "R5.9/reference_float32": ("float32 기준 결과", "Reference in float32"),
    "R5.9/quantization_*": ("양자화 비교 ({})", "Quantization compared ({})"),
    "R6.1/test_container_removed": ("테스트 컨테이너 정리", "Test containers removed"),
    "R6.2/logs_kept": ("로그 보관", "Logs kept"),
    "R6.2/results_listed": ("산출물 목록 기록", "Results listed"),
    "R6.3/checklist_complete": ("전체 검사 완료", "Every check has passed"),
    "R6.3/seal_proven": ("봉인과 서명 재검증", "Seal and signatures proven"),
    "R6.3/image_as_sealed": ("봉인된 이미지와 일치", "Image is the sealed one"),
    "R6.3/models_as_sealed": ("봉인된 모델과 일치", "Models are the sealed ones"),
    "R6.3/service_as_sealed": ("실행 중인 서비스 동일", "Running service is the sealed one"),
    "R6.3/service_answers": ("실행 중인 서비스의 응답", "Running service answers"),
    "R6.3/checklist": ("최종 체크리스트 완료", "Closing checklist complete"),
}
# A result that speaks of the run of checks itself may stand in any step.
OF_ANY_STEP: dict[str, tuple[str, str]] = {
    "suite_complete*": ("검사 실행 완료", "The checks ran to their end"),
    "result": ("단계의 결과", "A result of the step"),
}
COLUMN = {"ko": 0, "en": 1}


def check_title(check: Mapping[str, Any], language: str) -> str:
    """What a check is called in a language; empty for a name that no part of ours gives."""
    name = str(check["name"])
    key = f"{check['id']}/{name}"
    if key in TITLES:
        return TITLES[key][COLUMN[language]]
    for patterns, wanted in ((TITLES, key), (OF_ANY_STEP, name)):
        for pattern, titles in patterns.items():
            if fnmatchcase(wanted, pattern):
                return titles[COLUMN[language]].format(wanted[len(pattern) - 1 :])
    return ""


def check_label(check: Mapping[str, Any], language: str) -> str:
    """A check as a sentence in a language names it: by its title, or by its own name."""
    return check_title(check, language) or str(check["name"])
