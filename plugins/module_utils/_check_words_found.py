# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What checks find most often, in Korean; what else they find stays as they say it."""

from __future__ import annotations

# English to Korean; what stands in braces is taken over as it is.
KOREAN = {
    "none": "없음",
    "nothing moved": "바뀐 것이 없음",
    "no lock yet": "아직 잠금 파일이 없음",
    "no errors": "오류 없음",
    "all files are there": "모든 파일이 있음",
    "built by this run": "이번 실행에서 빌드함",
    "built by an earlier run": "이전 실행에서 빌드함",
    "every file unchanged": "모든 파일이 그대로임",
    "no GPU on this host": "이 서버에 GPU가 없음",
    "no engine of ours runs on this host": "이 서버에서 실행 중인 stt.engine 서비스가 없음",
    "no recording's text is known for this release": "이 릴리스에는 정답을 아는 녹음이 없음",
    "the policy says that none is used": "GPU를 쓰지 않도록 설정됨",
    "Docker engine {version}, storage driver {driver}": (
        "Docker 엔진 {version}, 스토리지 드라이버 {driver}"
    ),
    "{size}, {left} of them available now": "{size}, 현재 사용 가능 {left}",
    "{path} exists": "{path} 디렉터리가 있음",
    "HTTP status {status}": "HTTP 상태 {status}",
    "{size} in {count} layers": "{size}, 레이어 {count}개",
    "the largest of {count} layers has {size}": "레이어 {count}개 중 가장 큰 것이 {size}",
    "uid {uid} is {name}": "uid {uid} 사용자는 {name}",
    "/ is mounted read-only": "/가 읽기 전용으로 마운트됨",
    "/tmp takes a file": "/tmp에 파일을 쓸 수 있음",
    "only the loopback interface is up, and there is no route": "루프백만 켜져 있고 경로가 없음",
    "{count} files can be read by uid {uid}": "uid {uid} 사용자가 파일 {count}개를 읽을 수 있음",
    "both directories are mounted read-only and refuse a new file": (
        "두 디렉터리가 읽기 전용으로 마운트되어 새 파일을 쓸 수 없음"
    ),
    "every file lies in its model directory": "모든 파일이 모델 디렉터리 안에 있음",
    "{count} files, {size}, are what their manifests say": "파일 {count}개({size})가 명세와 같음",
    "{count} directories": "디렉터리 {count}개",
    "{count} labels say what is inside": "레이블 {count}개가 실제 내용과 같음",
    "{count} modules of the service and {packages} packages import": (
        "서비스 모듈 {count}개와 패키지 {packages}개가 임포트됨"
    ),
    "torch {version} is built for CUDA {cuda}": "torch {version} (CUDA {cuda}용으로 빌드됨)",
    "{count} modules and libraries are there": "모듈과 라이브러리 {count}개가 있음",
    "largest difference {figure}": "최대 차이 {figure}",
    "largest difference {figure} of full scale": "최대 차이 {figure} (전체 진폭 기준)",
    "the user is {name}, uid {uid}": "사용자 {name}, uid {uid}",
    "a file was written, read and removed in {path}": "{path} 디렉터리에서 파일을 쓰고 읽고 지움",
    "writing was refused in {paths}": "쓰기가 거부된 곳: {paths}",
    "loaded on {device} in {type}, multilingual, {bins} mel bins": (
        "{device} 장치에서 {type} 형식으로 로드됨, 다국어, 멜 대역 {bins}개"
    ),
    "loaded on {device} in {type}, one language, {bins} mel bins": (
        "{device} 장치에서 {type} 형식으로 로드됨, 단일 언어, 멜 대역 {bins}개"
    ),
    "loaded with {size} on {device} in {type}, multilingual, {bins} mel bins": (
        "{device} 장치에서 {size}를 써서 {type} 형식으로 로드됨, 다국어, 멜 대역 {bins}개"
    ),
    "{count} parameters on {device}, {size}": "{device} 장치에 매개변수 {count}개, {size}",
    "{count} clips are transcribed as spoken": "음성 파일 {count}개를 말한 대로 전사함",
    "{count} clips are transcribed as spoken; broken audio gets 4xx": (
        "음성 파일 {count}개를 말한 대로 전사함, 깨진 오디오에는 4xx로 응답함"
    ),
    "{count} recordings without speech gave no text": (
        "말이 없는 녹음 {count}개에서 문장이 나오지 않음"
    ),
    "healthy after {seconds} s on {device} in {type}, ended by SIGTERM with exit status 0": (
        "{seconds}초 뒤 {device} 장치에서 {type} 형식으로 정상 상태가 됨, SIGTERM을 받고 "
        "종료 상태 0으로 끝남"
    ),
    "without a model it answers {status} and ends with exit status {code}": (
        "모델이 없으면 {status} 응답을 하고 종료 상태 {code}로 끝남"
    ),
    "the cosine is {cosine} or more on {count} clips": (
        "음성 파일 {count}개에서 코사인이 {cosine} 이상"
    ),
    "{passed} passed, {skipped} skipped, {open} neither": (
        "통과 {passed}, 건너뜀 {skipped}, 그 외 {open}"
    ),
    "{ticked} of {all} items are ticked, {skipped} skipped for a reason": (
        "항목 {all}개 중 {ticked}개 확인, {skipped}개는 이유가 있어 건너뜀"
    ),
    "{ticked} of {all} items are ticked, {skipped} skipped for a reason; open: {names}": (
        "항목 {all}개 중 {ticked}개 확인, {skipped}개는 이유가 있어 건너뜀, 미완료: {names}"
    ),
    "no result: {why}": "결과 없음: {why}",
    "no end within the deadline of {seconds} s while {doing}": (
        "제한 시간 {seconds}초 안에 끝나지 않음 (진행 중이던 일: {doing})"
    ),
    "no end within the deadline of {seconds} s": "제한 시간 {seconds}초 안에 끝나지 않음",
    "no GPU device in this container although the policy requires one": (
        "정책상 GPU가 필요하지만 이 컨테이너에 GPU 장치가 없음"
    ),
    "there is no original model beside the converted one": "변환된 모델 옆에 원본 모델이 없음",
    "the caller described no image": "호출한 쪽이 이미지를 지정하지 않음",
    "the caller gave no layers to look at": "호출한 쪽이 조사할 레이어를 지정하지 않음",
    "the caller described no base image": "호출한 쪽이 베이스 이미지를 지정하지 않음",
    "the image has no command that could start a service": "이미지에 서비스를 시작하는 명령이 없음",
    "its model's place is its own, so none can be taken away; service_transcribes decides": (
        "모델 위치를 엔진이 정하므로 모델을 뺄 수 없음, service_transcribes 검사로 판정함"
    ),
    (
        "{count} packages, {modules} modules and libraries are there; pip is not installed, so "
        "nobody can tell what they depend on"
    ): (
        "패키지 {count}개, 모듈과 라이브러리 {modules}개가 있음. pip이 설치되어 있지 않아 "
        "의존성을 알 수 없음"
    ),
    (
        "{count} packages, as locked, {modules} modules and libraries are there, all "
        "dependencies are met"
    ): (
        "패키지 {count}개가 잠금 파일과 같고, 모듈과 라이브러리 {modules}개가 있으며, "
        "의존성이 모두 충족됨"
    ),
    (
        "{count} packages, as locked, {modules} modules and libraries are there; pip is not "
        "installed, so nobody can tell what they depend on"
    ): (
        "패키지 {count}개가 잠금 파일과 같고, 모듈과 라이브러리 {modules}개가 있음. pip이 "
        "설치되어 있지 않아 의존성을 알 수 없음"
    ),
    "{count} programs and libraries are for {machine}": (
        "프로그램과 라이브러리 {count}개가 {machine}용임"
    ),
    "{count} programs and libraries need at most {versions}": (
        "프로그램과 라이브러리 {count}개가 {versions} 이하를 요구함"
    ),
    "no OS package, compiler or sudo beyond those of {base}": (
        "{base} 이미지에 없던 OS 패키지, 컴파일러, sudo가 없음"
    ),
    "{count} Python distributions and {packages} OS packages": (
        "Python 배포판 {count}개와 OS 패키지 {packages}개"
    ),
    "model.bin has {count} bytes, all fits": "model.bin {count}바이트, 모두 서로 맞음",
    "{count} files, {size}, already there": "파일 {count}개, {size}, 이미 있음",
    "tokenizer.json and preprocessor_config.json are the original's, byte for byte": (
        "tokenizer.json과 preprocessor_config.json이 원본과 바이트까지 같음"
    ),
    "buildx {version}": "buildx {version}",
    "Python {version} at {path}": "Python {version} ({path})",
    "the collection's own engine, {count} files, content {digest}": (
        "컬렉션에 포함된 엔진, 파일 {count}개, 내용 {digest}"
    ),
    "{what} moved from {old} to {new}": "{what} 값이 {old}에서 {new}(으)로 바뀜",
    "{count} removed, {bytes} bytes; kept releases: none yet": (
        "{count}개 삭제, {bytes}바이트, 보관한 릴리스 없음"
    ),
    "{count} removed, {bytes} bytes; kept releases: {names}": (
        "{count}개 삭제, {bytes}바이트, 보관한 릴리스: {names}"
    ),
    "{tag}, image id {id}": "{tag}, 이미지 ID {id}",
    (
        "{count} files, {size}, are added to {base}, {programs} of them are programs or "
        "libraries; {rest} are the base's"
    ): (
        "{base} 이미지에 추가된 파일 {count}개({size}), 그중 프로그램이나 라이브러리 "
        "{programs}개, 베이스와 같은 파일 {rest}개"
    ),
    "{count} added links": "추가된 링크 {count}개",
    "nothing secret in history, environment, labels and {count} files that no package brought": (
        "이력, 환경 변수, 레이블, 패키지에 속하지 않은 파일 {count}개에 비밀 정보가 없음"
    ),
    "{count} libraries load": "라이브러리 {count}개가 로드됨",
    "{count} libraries load; {waiting} wait for a driver or network hardware: {names}": (
        "라이브러리 {count}개가 로드됨, {waiting}개는 드라이버나 네트워크 장치가 있어야 함: {names}"
    ),
    (
        "{count} files, {bytes} bytes, as in its manifest (every hash taken again): already "
        "converted"
    ): ("파일 {count}개, {bytes}바이트, 명세와 같음 (모든 해시를 다시 계산): 이미 변환되어 있음"),
    (
        "{count} files, {bytes} bytes, as in its manifest (hashes taken of what has moved): "
        "already converted"
    ): ("파일 {count}개, {bytes}바이트, 명세와 같음 (바뀐 파일의 해시 계산): 이미 변환되어 있음"),
    "original {size}, {others}": "원본 {size}, {others}",
    "{type}, {bins} mel bins, {tokens} tokens, {encoder} + {decoder} layers, {size}": (
        "{type}, 멜 대역 {bins}개, 토큰 {tokens}개, 레이어 {encoder} + {decoder}개, {size}"
    ),
    "{count} clips, {seconds} s: {formats}": "음성 파일 {count}개, {seconds}초: {formats}",
    "{count} clips, {seconds} s: {formats}; {own} of them are the check archive's own": (
        "음성 파일 {count}개, {seconds}초: {formats}, 그중 {own}개는 검사 아카이브의 녹음"
    ),
    "{clip}: {seconds} s on {device}, features {bins} x {frames}": (
        "{clip}: {device} 장치에서 {seconds}초, 특징 {bins} x {frames}"
    ),
    "{clip} correlates with itself: {one} by way of 8000 Hz, {other} by way of 48000 Hz": (
        "{clip}: 원래 음성과의 상관 계수가 8000 Hz를 거치면 {one}, 48000 Hz를 거치면 {other}"
    ),
    "image {id}, {count} files of the original, {converted} converted": (
        "이미지 {id}, 원본 파일 {count}개, 변환된 파일 {converted}개"
    ),
    "the peak is in band {band} of {bands}": "최대값의 대역이 {bands}개 중 {band}번째",
    "{free} free on the file system {mount} that holds Docker's data root {path}": (
        "Docker 데이터 디렉터리 {path}의 파일 시스템 {mount}에 여유 공간 {free}"
    ),
    "{free} free on the file system {mount} that holds the release root {path}": (
        "릴리스 디렉터리 {path}의 파일 시스템 {mount}에 여유 공간 {free}"
    ),
    (
        "{free} free on the file system {mount} that holds Docker's data root {path}; warning: "
        "less than the recommended {recommended} is free"
    ): (
        "Docker 데이터 디렉터리 {path}의 파일 시스템 {mount}에 여유 공간 {free}, 주의: 권장 "
        "여유 공간 {recommended}보다 작음"
    ),
    (
        "{free} free on the file system {mount} that holds the release root {path}; warning: "
        "less than the recommended {recommended} is free"
    ): (
        "릴리스 디렉터리 {path}의 파일 시스템 {mount}에 여유 공간 {free}, 주의: 권장 여유 "
        "공간 {recommended}보다 작음"
    ),
    "{count} clips are transcribed as accepted": "음성 파일 {count}개를 승인된 대로 전사함",
    "{count} clips are transcribed as spoken and {accepted} as accepted": (
        "음성 파일 {count}개를 말한 대로, {accepted}개를 승인된 대로 전사함"
    ),
    "{heard} of {all} clips of unknown text agree with what was heard before": (
        "정답을 모르는 음성 파일 {all}개 중 {heard}개가 앞서 들은 문장과 일치함"
    ),
    (
        "{count} clips are transcribed as spoken and {heard} of {all} clips of unknown text "
        "agree with what was heard before"
    ): (
        "음성 파일 {count}개를 말한 대로 전사했고, 정답을 모르는 {all}개 중 {heard}개가 앞서 "
        "들은 문장과 일치함"
    ),
}
