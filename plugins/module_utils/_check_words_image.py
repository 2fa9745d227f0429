# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the image by itself and the container's environment need (R2.5 and R4), in Korean."""

from __future__ import annotations

# English to Korean; what stands in braces is taken over as it is.
KOREAN = {
    (
        "an image with torch and transformers, for what the engine cannot be asked itself, that "
        "passes the same gates"
    ): ("엔진에 직접 물을 수 없는 항목을 위한, 같은 검사를 통과한 torch와 transformers 이미지"),
    "See what the gates say of the reference image.": (
        "기준 이미지에 대한 검사 결과를 확인하십시오."
    ),
    "the image is made from its base, and every file that it adds can be read": (
        "이미지가 베이스에서 만들어졌고 추가된 모든 파일을 읽을 수 있음"
    ),
    "name the image's real base in the option base; build the image again": (
        "base 옵션에 이미지의 실제 베이스를 지정하고 이미지를 다시 빌드하십시오."
    ),
    "every added program and library is for the image's processor, as its configuration says": (
        "추가된 모든 프로그램과 라이브러리가 이미지 설정에 적힌 프로세서용임"
    ),
    "every added program and library is for the image's processor, {architecture}": (
        "추가된 모든 프로그램과 라이브러리가 이미지의 프로세서({architecture})용임"
    ),
    "build with --platform linux/amd64, and from wheels of that platform": (
        "--platform linux/amd64로, 그 플랫폼용 wheel로 빌드하십시오."
    ),
    "every added program and library needs at most GLIBC_{version}": (
        "추가된 모든 프로그램과 라이브러리가 요구하는 버전이 GLIBC_{version} 이하"
    ),
    "every added program and library needs at most GLIBCXX_{version} and CXXABI_{abi}": (
        "추가된 모든 프로그램과 라이브러리가 요구하는 버전이 GLIBCXX_{version}, CXXABI_{abi} 이하"
    ),
    "install a build of the package for RHEL 8 (manylinux_2_28 or older), from its lock": (
        "RHEL 8용 패키지(manylinux_2_28 이하)를 잠금 파일대로 설치하십시오."
    ),
    (
        "no link to a shared library leads nowhere that the build added or has cut, and every "
        "library of the base that is needed is the base's"
    ): (
        "빌드가 추가하거나 끊은 라이브러리 링크 중에 깨진 것이 없고, 필요한 베이스 "
        "라이브러리가 모두 베이스의 것과 같음"
    ),
    "no added link to a shared library leads nowhere": "추가된 라이브러리 링크 중에 깨진 것이 없음",
    "install the packages again from their lock; do not remove or relink library files": (
        "패키지를 잠금 파일대로 다시 설치하십시오. 라이브러리 파일을 지우거나 링크를 바꾸지 "
        "마십시오."
    ),
    "no OS package, compiler, sudo or program with its owner's rights beyond the base's": (
        "베이스에 없던 OS 패키지, 컴파일러, sudo, 소유자 권한으로 실행되는 프로그램이 없음"
    ),
    "leave it out of the Dockerfile; what must be compiled belongs into a wheel": (
        "Dockerfile에서 빼십시오. 컴파일이 필요한 것은 wheel로 만들어 넣으십시오."
    ),
    (
        "no token, password, private key or URL with credentials in history, environment, "
        "labels, added files and what later layers removed"
    ): (
        "빌드 이력, 환경 변수, 레이블, 추가된 파일, 나중 레이어에서 지운 파일에 토큰, 암호, "
        "개인 키, 계정이 든 URL이 없음"
    ),
    (
        "no token, password, private key or URL with credentials in history, environment, labels "
        "and added files"
    ): ("빌드 이력, 환경 변수, 레이블, 추가된 파일에 토큰, 암호, 개인 키, 계정이 든 URL이 없음"),
    (
        "make the secret invalid where it is known, then give it to the build as a secret "
        "(--mount=type=secret), never by ARG, ENV, COPY or in a command; a step that removes a "
        "file leaves it in the layer before"
    ): (
        "노출된 비밀 정보를 발급한 곳에서 무효로 만든 뒤, 빌드에는 "
        "시크릿(--mount=type=secret)으로만 전달하십시오. ARG, ENV, COPY나 명령어로 전달하지 "
        "마십시오. 파일을 지우는 단계를 넣어도 앞 레이어에는 남습니다."
    ),
    "every CUDA library of the installed packages is there and loads": (
        "설치된 패키지의 CUDA 라이브러리가 모두 있고 로드됨"
    ),
    "LD_LIBRARY_PATH is set and every directory in it exists": (
        "LD_LIBRARY_PATH가 설정되어 있고 그 안의 모든 디렉터리가 존재함"
    ),
    "set LD_LIBRARY_PATH in the Dockerfile to the directories of the CUDA libraries": (
        "Dockerfile에서 LD_LIBRARY_PATH를 CUDA 라이브러리 디렉터리로 설정하십시오."
    ),
    (
        "no installed package lacks what it depends on or a file that it brought, and all are "
        "those of the lock"
    ): ("설치된 패키지에 빠진 의존성이나 파일이 없고, 모두 잠금 파일과 일치함"),
    "no installed package lacks what it depends on or a file that it brought": (
        "설치된 패키지에 빠진 의존성이나 파일이 없음"
    ),
    "build the image again from its package lock": (
        "패키지 잠금 파일대로 이미지를 다시 빌드하십시오."
    ),
    "build the image again from its package lock; do not remove files of packages afterwards": (
        "패키지 잠금 파일대로 이미지를 다시 빌드하고, 그 뒤에 패키지의 파일을 지우지 마십시오."
    ),
    "every module of the engine imports, with every package that it needs": (
        "엔진의 모든 모듈이 필요한 패키지와 함께 임포트됨"
    ),
    "the service's program imports, with every package that it needs": (
        "서비스 프로그램이 필요한 패키지와 함께 임포트됨"
    ),
    "add what is missing to the image's package lock or to the Dockerfile's COPY list": (
        "빠진 것을 이미지의 패키지 잠금 파일이나 Dockerfile의 COPY 목록에 추가하십시오."
    ),
    "torch, or where it is left out the CUDA libraries, of CUDA (any version)": (
        "CUDA용 torch, torch가 없으면 CUDA 라이브러리 (버전 무관)"
    ),
    "torch, or where it is left out the CUDA libraries, of CUDA {version}": (
        "CUDA {version}용 torch, torch가 없으면 CUDA 라이브러리"
    ),
    "install torch from the index of this CUDA version; a CPU build must not reach the image": (
        "이 CUDA 버전의 인덱스에서 torch를 설치하십시오. CPU용 빌드가 이미지에 들어가면 안 됩니다."
    ),
    "the image runs as uid {uid} and exposes port {port}": (
        "이미지가 uid {uid} 사용자로 실행되고 포트 {port}번을 노출함"
    ),
    "set USER and EXPOSE in the Dockerfile": "Dockerfile에서 USER와 EXPOSE를 설정하십시오.",
    (
        "every label that names a version, an OS, a variant, CUDA or a base names what is "
        "inside, and nothing else than this image was built as"
    ): (
        "버전, OS, 이미지 종류, CUDA, 베이스를 나타내는 모든 레이블이 실제 내용과 같고 "
        "빌드한 대로임"
    ),
    "every label that names a version, an OS, a variant or a base names what is inside": (
        "버전, OS, 이미지 종류, 베이스를 나타내는 모든 레이블이 실제 내용과 같음"
    ),
    "build the image again; labels come from the build arguments that its lock belongs to": (
        "이미지를 다시 빌드하십시오. 레이블은 잠금 파일과 짝을 이루는 빌드 인자에서 만들어집니다."
    ),
    "every installed Python distribution and OS package tells its name and version": (
        "설치된 모든 Python 배포판과 OS 패키지의 이름과 버전을 알 수 있음"
    ),
    "build the image from a base whose package database is there and readable": (
        "패키지 데이터베이스가 있고 읽을 수 있는 베이스로 이미지를 빌드하십시오."
    ),
    "uid {uid} with an entry in /etc/passwd": "/etc/passwd에 등록된 uid {uid} 사용자",
    "create the user in the image (useradd -u 2000 stt-user) and start the container with it": (
        "이미지에 사용자를 만들고(useradd -u 2000 stt-user) 그 사용자로 컨테이너를 시작하십시오."
    ),
    "the container's root file system is mounted read-only": (
        "컨테이너의 루트 파일 시스템이 읽기 전용으로 마운트됨"
    ),
    "start the container with --read-only": "컨테이너를 --read-only로 시작하십시오.",
    "/tmp takes a file, which importing transformers needs": (
        "/tmp에 파일을 쓸 수 있음 (transformers 임포트에 필요)"
    ),
    "start the container with --tmpfs /tmp": "컨테이너를 --tmpfs /tmp로 시작하십시오.",
    "no network but the loopback interface, so that nothing can be fetched unseen": (
        "루프백 외의 네트워크가 없음 (몰래 내려받는 것을 막음)"
    ),
    "start the container with --network none": "컨테이너를 --network none으로 시작하십시오.",
    "CUDA_VISIBLE_DEVICES as the caller sets it": "호출한 쪽이 정한 CUDA_VISIBLE_DEVICES 값",
    "start the container with -e CUDA_VISIBLE_DEVICES=0": (
        "컨테이너를 -e CUDA_VISIBLE_DEVICES=0으로 시작하십시오."
    ),
    "both model directories with files in them": "파일이 들어 있는 두 모델 디렉터리",
    "mount both directories below /app/models": "두 디렉터리를 /app/models 아래에 마운트하십시오.",
    "every model file can be read by this user": "이 사용자가 모든 모델 파일을 읽을 수 있음",
    "give the published model files mode 0444 and their directories mode 0755": (
        "모델 파일의 권한을 0444로, 디렉터리의 권한을 0755로 설정하십시오."
    ),
    "writing into a model directory is refused": "모델 디렉터리에 쓸 수 없음",
    "mount the models read-only (:ro)": "모델을 읽기 전용(:ro)으로 마운트하십시오.",
    "no symbolic link that leaves its model directory or leads nowhere": (
        "모델 디렉터리 밖으로 나가거나 깨진 심볼릭 링크가 없음"
    ),
    "publish the model as plain files; a download cache is not a model directory": (
        "모델을 일반 파일로 두십시오. 다운로드 캐시는 모델 디렉터리가 아닙니다."
    ),
    "every model file has the SHA-256 that its manifest names, none is missing or extra": (
        "모든 모델 파일의 SHA-256이 명세와 같고, 빠지거나 더 있는 파일이 없음"
    ),
    "run the release again with whisper_model_verify=full, which repairs damaged files": (
        "whisper_model_verify=full로 릴리스를 다시 실행하십시오. 손상된 파일을 복구합니다."
    ),
    "torch of a known version": "버전을 아는 torch",
    "torch {version}": "torch {version}",
    "torchaudio of a known version": "버전을 아는 torchaudio",
    "torchaudio {version}": "torchaudio {version}",
    "a torch built for CUDA (any version)": "CUDA용으로 빌드된 torch (버전 무관)",
    "a torch built for CUDA {version}": "CUDA {version}용으로 빌드된 torch",
    "every module and library that the installed packages brought is there": (
        "설치된 패키지의 모듈과 라이브러리가 모두 있음"
    ),
    "the product of two {size} matrices equals the one in float64": (
        "{size} 행렬 두 개의 곱이 float64로 계산한 값과 같음"
    ),
    "the product of two {size} matrices on the GPU equals the CPU's": (
        "GPU에서 계산한 {size} 행렬 두 개의 곱이 CPU에서 계산한 값과 같음"
    ),
    "a {tone} Hz tone keeps its frequency and amplitude from 8 and 48 kHz to 16 kHz": (
        "{tone} Hz 음을 8 kHz와 48 kHz에서 16 kHz로 바꾸어도 주파수와 진폭이 그대로임"
    ),
    "the mel spectrogram of a known sound has its known values": (
        "알려진 소리의 멜 스펙트로그램이 알려진 값과 같음"
    ),
    "the mel spectrogram of a {tone} Hz tone peaks in the band that holds it": (
        "{tone} Hz 음의 멜 스펙트로그램이 그 주파수 대역에서 최대값을 가짐"
    ),
    "install the torchaudio that belongs to this torch": (
        "이 torch에 맞는 torchaudio를 설치하십시오."
    ),
    "the driver runs programs of the CUDA version that the image was built for": (
        "드라이버가 이미지의 CUDA 버전 프로그램을 실행할 수 있음"
    ),
    (
        "install a driver of that CUDA version or newer on this host, or release an image for an "
        "older CUDA (engine_image_cuda)"
    ): (
        "이 서버에 그 CUDA 버전 이상의 드라이버를 설치하거나, 더 낮은 CUDA용 이미지를 "
        "릴리스하십시오(engine_image_cuda)."
    ),
    "torch.cuda.is_available() with at least one device": (
        "torch.cuda.is_available()이 참이고 장치가 하나 이상 있음"
    ),
    "start the container with --gpus all on a host whose driver fits this CUDA version": (
        "드라이버가 이 CUDA 버전에 맞는 서버에서 컨테이너를 --gpus all로 시작하십시오."
    ),
    "look at the driver's log (dmesg, nvidia-smi); the GPU computes wrong or not at all": (
        "드라이버 로그(dmesg, nvidia-smi)를 확인하십시오. GPU가 틀리게 계산하거나 계산하지 "
        "못합니다."
    ),
    (
        "install the NVIDIA driver and the NVIDIA container toolkit on this host, start the "
        "container with --gpus all, or set the GPU policy of this host to auto"
    ): (
        "이 서버에 NVIDIA 드라이버와 NVIDIA container toolkit을 설치하고 컨테이너를 --gpus "
        "all로 시작하거나, 이 서버의 GPU 정책을 auto로 바꾸십시오."
    ),
    "install the NVIDIA driver and the NVIDIA container toolkit on this host": (
        "이 서버에 NVIDIA 드라이버와 NVIDIA container toolkit을 설치하십시오."
    ),
    (
        "install the NVIDIA container toolkit on this host (nvidia-ctk runtime configure, then "
        "restart Docker), or set the GPU policy of this host to absent"
    ): (
        "이 서버에 NVIDIA container toolkit을 설치하거나(nvidia-ctk runtime configure 실행 "
        "후 Docker 재시작), 이 서버의 GPU 정책을 absent로 바꾸십시오."
    ),
    "the user is one with a name": "이름이 있는 사용자",
    "the user is {name}": "사용자 {name}",
    "create the user stt-user with uid 2000 in the image": (
        "이미지에 uid 2000인 사용자 stt-user를 만드십시오."
    ),
    "a file can be written, read and removed in {path}": (
        "{path} 디렉터리에 파일을 쓰고 읽고 지울 수 있음"
    ),
    "in the Dockerfile create {path} and give it to the user (chown 2000)": (
        "Dockerfile에서 {path} 디렉터리를 만들고 소유자를 그 사용자로 바꾸십시오(chown 2000)."
    ),
    "writing anywhere else is refused": "그 밖의 곳에는 쓸 수 없음",
    "start the container with --read-only and mount nothing writable but cache and logs": (
        "컨테이너를 --read-only로 시작하고, 캐시와 로그 외에는 쓰기 가능하게 마운트하지 마십시오."
    ),
    "mend what {step} {name} says, then run the checks again": (
        "{step} {name} 검사가 알려 주는 문제를 해결한 뒤 검사를 다시 실행하십시오."
    ),
    "run the check archive": "검사 아카이브로 실행하십시오.",
    "run the checks by stt_image_verify": "검사를 stt_image_verify로 실행하십시오.",
    "run them by stt_image_verify": "검사를 stt_image_verify로 실행하십시오.",
    "run the checks again; look at the daemon's log (journalctl -u docker)": (
        "검사를 다시 실행하고 Docker 데몬의 로그(journalctl -u docker)를 확인하십시오."
    ),
    "build the image without compression=zstd, or on an engine with overlay2": (
        "compression=zstd 없이 빌드하거나, overlay2를 쓰는 엔진에서 빌드하십시오."
    ),
    "build the image first": "먼저 이미지를 빌드하십시오.",
    "build or deliver the image first": "먼저 이미지를 빌드하거나 이 서버로 옮기십시오.",
    "build it first, or leave reference_image out": "먼저 빌드하거나 reference_image를 빼십시오.",
    "wait for the other run to end, or choose another container name": (
        "다른 실행이 끝날 때까지 기다리거나 다른 컨테이너 이름을 지정하십시오."
    ),
    "wait for its end, or choose another container name": (
        "끝날 때까지 기다리거나 다른 컨테이너 이름을 지정하십시오."
    ),
    "a container that starts": "정상적으로 시작되는 컨테이너",
    "use an engine image: it has python3 on its PATH, or its command names it": (
        "엔진 이미지를 사용하십시오. PATH에 python3이 있거나 실행 명령에 python3이 나와야 합니다."
    ),
    "use the check archive of this collection": "이 컬렉션의 검사 아카이브를 사용하십시오.",
}
