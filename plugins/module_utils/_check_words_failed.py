# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What checks of image, container and GPU find wrong, or skip, in Korean."""

from __future__ import annotations

# English to Korean; what stands in braces is told in Korean itself where that is known.
KOREAN = {
    # Lists that say how many were left out.
    "{names} and {count} more": "{names} 외 {count}개",
    # How a check ended.
    "the check's process crashed with {name} while {doing}": (
        "검사 프로세스가 {name} 신호로 비정상 종료됨 (진행 중이던 일: {doing})"
    ),
    "the check's process crashed with {name}": "검사 프로세스가 {name} 신호로 비정상 종료됨",
    "the check's process was ended by {why}": "검사 프로세스가 강제로 종료됨: {why}",
    "the process ended with exit status {code} and without a result while {doing}": (
        "프로세스가 결과 없이 종료 상태 {code}로 끝남 (진행 중이던 일: {doing})"
    ),
    "the process ended with exit status {code} and without a result": (
        "프로세스가 결과 없이 종료 상태 {code}로 끝남"
    ),
    "exit status {code} after the result: {what}": "결과를 낸 뒤 종료 상태 {code}로 끝남: {what}",
    "the GPU policy of this host is absent": "이 서버의 GPU 정책이 absent임",
    "not run in a container": "컨테이너 안에서 실행되지 않음",
    "no value was given to compare with": "비교할 값이 주어지지 않음",
    "there is no {path} in this image": "이 이미지에 {path} 없음",
    "there is no {path}": "{path} 없음",
    "no {path} here": "여기에 {path} 없음",
    "{whose} has no {names}": "{whose} 이미지에 {names} 없음",
    "the image has no {names}": "이미지에 {names} 없음",
    "the image is another engine, without the label stt.engine.variant": (
        "stt.engine.variant 레이블이 없는 다른 엔진의 이미지임"
    ),
    "{what}, and expected.modules names none of its modules": (
        "{what}, expected.modules에 그 모듈이 하나도 없음"
    ),
    "{what}: R5.7 starts its service": "{what}: R5.7에서 서비스를 시작해 판정함",
    (
        "{what}: its model's place is its own, so none can be taken away; service_transcribes "
        "decides"
    ): ("{what}: 모델 위치를 엔진이 정하므로 모델을 뺄 수 없음, service_transcribes 검사로 판정함"),
    # R2.5, the layers and files of the image.
    "{count} places of the layers cannot be read: {names}": (
        "레이어에서 읽을 수 없는 곳 {count}개: {names}"
    ),
    "{count} places cannot be read: {names}": "읽을 수 없는 곳 {count}개: {names}",
    "the saved image is not whole: no list of its layers": (
        "저장한 이미지가 온전하지 않음: 레이어 목록이 없음"
    ),
    "the saved image is not whole: no layer {names}": (
        "저장한 이미지가 온전하지 않음: 레이어 {names} 없음"
    ),
    "the saved image is not whole: {what}": "저장한 이미지가 온전하지 않음: {what}",
    "layer {name} is compressed with Zstandard, which cannot be read here": (
        "레이어 {name}이(가) Zstandard로 압축되어 여기서 읽을 수 없음"
    ),
    "the image's lowest layers are not those of {base}: they are not its base": (
        "이미지의 맨 아래 레이어가 {base} 레이어가 아님: 그 이미지 위에 만든 것이 아님"
    ),
    "not one of the files of {base} is in the image": "{base} 파일이 이미지에 하나도 없음",
    "{count} programs or libraries are damaged: {names}": (
        "손상된 프로그램이나 라이브러리 {count}개: {names}"
    ),
    "the image says it is for {machine}, which is not known here": (
        "이미지가 {machine}용이라고 하지만 알 수 없는 종류임"
    ),
    "{count} added files are for another processor: {names}": (
        "다른 프로세서용 파일 {count}개가 추가됨: {names}"
    ),
    "{count} added files need a newer C library: {names}": (
        "더 새로운 C 라이브러리가 필요한 파일 {count}개가 추가됨: {names}"
    ),
    "{count} added files need a newer C++ library: {names}": (
        "더 새로운 C++ 라이브러리가 필요한 파일 {count}개가 추가됨: {names}"
    ),
    "{count} links lead nowhere: {names}": "가리키는 곳이 없는 링크 {count}개: {names}",
    "{count} libraries of the base: {names}": "베이스의 라이브러리 {count}개: {names}",
    "beyond {base}: {names}": "{base} 이미지에 없던 것: {names}",
    "there is no place to leave the list": "목록을 남길 곳이 없음",
    "R2.5 added_files left no list of the added files": (
        "R2.5 added_files 검사가 추가된 파일의 목록을 남기지 않음"
    ),
    "the image names no user, so that it would run as root": (
        "이미지에 사용자가 지정되지 않아 root로 실행됨"
    ),
    "the image runs as uid {uid}": "이미지가 uid {uid} 사용자로 실행됨",
    "the image exposes {names}": "이미지가 여는 포트: {names}",
    "the image's user {name} has no entry in its /etc/passwd": (
        "이미지의 사용자 {name}이(가) /etc/passwd에 없음"
    ),
    "not one Python distribution is installed": "설치된 Python 배포판이 하나도 없음",
    "{count} entries without a name or version": "이름이나 버전이 없는 항목 {count}개",
    "there is a database in {path}, and no rpm that reads it": (
        "{path} 데이터베이스가 있지만 그것을 읽을 rpm이 없음"
    ),
    "not one Python package is installed": "설치된 Python 패키지가 하나도 없음",
    "{count} files are gone: {names}": "사라진 파일 {count}개: {names}",
    "{count} installed files are gone: {names}": "설치된 파일 중 사라진 것 {count}개: {names}",
    "{count} packages differ: {names}": "잠금 파일과 다른 패키지 {count}개: {names}",
    "pip check: {what}": "pip check 결과: {what}",
    "rpm -qa: {what}": "rpm -qa: {what}",
    "{what}, all dependencies are met": "{what}, 의존성이 모두 충족됨",
    "{what}; pip is not installed, so nobody can tell what they depend on": (
        "{what}, pip이 설치되어 있지 않아 의존성을 알 수 없음"
    ),
    "{count} modules import: {names}": "모듈 {count}개가 임포트됨: {names}",
    "nvidia-cublas-cu12 {version} belongs to CUDA {cuda}": (
        "nvidia-cublas-cu12 {version}은(는) CUDA {cuda}용임"
    ),
    "no torch; nvidia-cublas-cu12 {version} belongs to CUDA {cuda}": (
        "torch 없음, nvidia-cublas-cu12 {version}은(는) CUDA {cuda}용임"
    ),
    "pip is not installed, although the base brings it": (
        "베이스에는 pip이 있는데 설치되어 있지 않음"
    ),
    "neither torch nor nvidia-cublas-cu12 is installed": (
        "torch와 nvidia-cublas-cu12가 모두 설치되어 있지 않음"
    ),
    "importing {name} ends with {what}": "{name} 임포트 실패: {what}",
    "this engine has no torch and no CUDA libraries": (
        "이 엔진에는 torch와 CUDA 라이브러리가 없음"
    ),
    "{count} secrets: {names}": "비밀 정보 {count}개: {names}",
    (
        "nothing secret in history, environment, labels, {count} files that no package brought "
        "and {hidden} that later layers removed or replaced"
    ): (
        "이력, 환경 변수, 레이블, 패키지에 속하지 않은 파일 {count}개, 뒤의 레이어가 지우거나 "
        "바꾼 파일 {hidden}개에 비밀 정보가 없음"
    ),
    # R4, the container and what it may do.
    "the process runs as uid {uid}": "프로세스가 uid {uid} 사용자로 실행됨",
    "effective uid {other} under uid {uid}": "uid {uid}인데 유효 uid는 {other}",
    "/ is mounted writable": "/가 쓰기 가능하게 마운트됨",
    "interfaces that are up: {names}": "켜져 있는 네트워크 인터페이스: {names}",
    "{count} network routes": "네트워크 경로 {count}개",
    "it is not set": "설정되어 있지 않음",
    "python-multipart is not installed, so the service can take no upload": (
        "python-multipart가 설치되어 있지 않아 서비스가 업로드를 받을 수 없음"
    ),
    "uid {uid} has no entry in /etc/passwd: getuser() fails for it": (
        "uid {uid}이(가) /etc/passwd에 없어 getuser()가 실패함"
    ),
    "/tmp takes no file: {why}": "/tmp에 파일을 쓸 수 없음: {why}",
    "{path} gave back other bytes than were written": "{path}에 쓴 내용과 읽은 내용이 다름",
    "a file could be made in {path}": "{path}에 파일을 만들 수 있었음",
    "the user's name cannot be told: {what}": "사용자 이름을 알 수 없음: {what}",
    "{path}: {why} (owned by uid {owner}), and the user is uid {uid}": (
        "{path}: {why} (소유자 uid {owner}), 사용자는 uid {uid}"
    ),
    "{path}: {why}, and the user is uid {uid}": "{path}: {why}, 사용자는 uid {uid}",
    # R4.2, the models' files.
    "{count} files cannot be read: {names}": "읽을 수 없는 파일 {count}개: {names}",
    "there are no files to read": "읽을 파일이 없음",
    "{count} files differ: {names}": "다른 파일 {count}개: {names}",
    "there is no directory {path}": "{path} 디렉터리가 없음",
    "{path} is empty": "{path} 디렉터리가 비어 있음",
    "files of 0 bytes in {path}: {names}": "{path} 디렉터리에 0바이트 파일이 있음: {names}",
    "{path} is mounted writable": "{path} 디렉터리가 쓰기 가능하게 마운트됨",
    "links in {path} that leave it: {names}": "{path} 밖을 가리키는 링크: {names}",
    "the manifest of {name} lists no file": "{name} 명세에 파일이 하나도 없음",
    "{path} cannot be listed: {why}": "{path} 목록을 볼 수 없음: {why}",
    # R4.3, torch, CUDA and the GPU.
    (
        "torch.cuda.is_available() is {answer}, with {count} devices, although the container "
        "has a GPU device"
    ): ("컨테이너에 GPU 장치가 있는데 torch.cuda.is_available()이 {answer}, 장치 {count}개"),
    "{count} device(s), the first is {names} with {size}, {free} free": (
        "장치 {count}개, 첫 번째는 {names}, 메모리 {size}, 여유 {free}"
    ),
    "the product is on {device}": "곱셈 결과가 {device} 장치에 있음",
    "the largest difference from the CPU is {figure}": "CPU 결과와의 최대 차이가 {figure}",
    "largest difference from the CPU {figure}": "CPU 결과와의 최대 차이 {figure}",
    "no GPU memory was used": "GPU 메모리가 쓰이지 않음",
    "no driver answers in this container ({what})": (
        "이 컨테이너에서 응답하는 드라이버가 없음 ({what})"
    ),
    "{name} is not there or refuses": "{name}이(가) 없거나 거부함",
    "the image does not say which CUDA version it was built for": (
        "어떤 CUDA 버전용으로 빌드했는지 이미지에 나와 있지 않음"
    ),
    "torch {version} is built without CUDA": "torch {version}이(가) CUDA 없이 빌드됨",
    "torch is built for CUDA {cuda}": "torch가 CUDA {cuda}용으로 빌드됨",
    "no package records its files": "파일을 기록한 패키지가 없음",
    "LD_LIBRARY_PATH is not set": "LD_LIBRARY_PATH가 설정되어 있지 않음",
    "LD_LIBRARY_PATH names directories that do not exist: {names}": (
        "LD_LIBRARY_PATH에 없는 디렉터리가 있음: {names}"
    ),
    "this image is not expected to set LD_LIBRARY_PATH": (
        "이 이미지는 LD_LIBRARY_PATH를 설정하지 않아도 됨"
    ),
    "no CUDA libraries are installed here": "설치된 CUDA 라이브러리가 없음",
    "there is not one CUDA library in this image": "이 이미지에 CUDA 라이브러리가 하나도 없음",
    "{count} of {all} do not load: {names}": "{all}개 중 {count}개가 로드되지 않음: {names}",
    "not one library loads": "로드되는 라이브러리가 하나도 없음",
    "the largest difference is {figure}": "최대 차이가 {figure}",
    "a product with the identity differs by {figure}": "단위 행렬과의 곱이 {figure}만큼 다름",
    "the tone differs by up to {figure} after resampling": (
        "리샘플링한 음이 최대 {figure}만큼 다름"
    ),
    "it has the shape {kind}, not {others}": "모양이 {others}이(가) 아니라 {kind}",
    "it has values that are no finite numbers": "유한한 수가 아닌 값이 있음",
    "it differs by {figure} in band {band}, frame {frame}: {what}": (
        "대역 {band}, 프레임 {frame}에서 {figure}만큼 다름: {what}"
    ),
    "{count} of its values are right within {figure} (log10 of the power)": (
        "값 {count}개가 {figure} 이내로 맞음 (전력의 log10)"
    ),
    "{package} says {version} but its package is {other}": (
        "{package} 버전이 {version}(이)라고 하지만 설치된 패키지는 {other}"
    ),
    "{rate} Hz gave {what} samples": "{rate} Hz에서 표본 {what}개가 나옴",
    "{package} {version} imports; no version was given to compare with": (
        "{package} {version} 임포트됨, 비교할 버전이 주어지지 않음"
    ),
}
