# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps before a model is there need (R1 and R2), in Korean."""

from __future__ import annotations

# English to Korean; what stands in braces is taken over as it is.
KOREAN = {
    "Docker engine {version} or newer": "Docker 엔진 {version} 이상",
    "Docker CLI {version} or newer": "Docker CLI {version} 이상",
    "buildx {version} or newer": "buildx {version} 이상",
    "{size} free": "여유 공간 {size}",
    "{size} free (Docker's data and the releases together)": (
        "여유 공간 {size} (Docker 데이터와 릴리스를 합한 크기)"
    ),
    "{size} of memory": "메모리 {size}",
    "the commands (none)": "필요한 명령어 없음",
    "the commands {names}": "명령어: {names}",
    "readable: {names}": "읽을 수 있는 파일: {names}",
    "Python {version} or newer": "Python {version} 이상",
    "a release root {path} that can be written, or made, by this user": (
        "이 사용자가 쓰거나 만들 수 있는 릴리스 디렉터리 {path}"
    ),
    "an HTTP answer": "HTTP 응답",
    "an HTTP answer, for R3 (the model)": "HTTP 응답 (R3 모델에 필요)",
    "an HTTP answer, for R2 (the engine's packages)": "HTTP 응답 (R2 엔진 패키지에 필요)",
    "an HTTP answer, for R2 (the base image)": "HTTP 응답 (R2 베이스 이미지에 필요)",
    "an HTTP answer from {url}, for R3 (the model)": "{url}의 HTTP 응답 (R3 모델에 필요)",
    "an HTTP answer from {url}, for R2 (the engine's packages)": (
        "{url}의 HTTP 응답 (R2 엔진 패키지에 필요)"
    ),
    "an HTTP answer from {url}, for R2 (the base image)": (
        "{url}의 HTTP 응답 (R2 베이스 이미지에 필요)"
    ),
    "an HTTP answer, for {step} ({what})": "HTTP 응답 ({step} {what}에 필요)",
    "an HTTP answer, for {what}": "HTTP 응답 (용도: {what})",
    "an HTTP answer from {url}": "{url}의 HTTP 응답",
    "an HTTP answer from {url}, for {step} ({what})": "{url}의 HTTP 응답 ({step} {what}에 필요)",
    "an HTTP answer from {url}, for {what}": "{url}의 HTTP 응답 (용도: {what})",
    "http://HOST or https://HOST, for {what}": "http://HOST 또는 https://HOST (용도: {what})",
    "http://HOST or https://HOST": "http://HOST 또는 https://HOST",
    "a certificate from an authority in the host's store or in ca_bundle, for {what}": (
        "서버의 인증서 저장소나 ca_bundle에 있는 인증 기관의 인증서 (용도: {what})"
    ),
    "a certificate from an authority in the host's store or in ca_bundle": (
        "서버의 인증서 저장소나 ca_bundle에 있는 인증 기관의 인증서"
    ),
    "no GPU is used": "GPU를 쓰지 않음",
    "an NVIDIA GPU, its driver and Docker's nvidia runtime": (
        "NVIDIA GPU, GPU 드라이버, Docker의 nvidia 런타임"
    ),
    "a check that runs to its end": "끝까지 실행되는 검사",
    "mend what the message names and run again": (
        "메시지에 나온 문제를 해결한 뒤 다시 실행하십시오."
    ),
    "install or upgrade the package docker-buildx-plugin (Debian: docker-buildx) on this host": (
        "이 서버에서 docker-buildx-plugin 패키지(Debian: docker-buildx)를 설치하거나 "
        "업그레이드하십시오."
    ),
    (
        "install Docker engine (docker-ce), remove the podman-docker package and unset "
        "DOCKER_HOST if it names podman's socket"
    ): (
        "Docker 엔진(docker-ce)을 설치하고 podman-docker 패키지를 제거하십시오. "
        "DOCKER_HOST가 podman 소켓을 가리키면 해제하십시오."
    ),
    "upgrade the Docker engine (package docker-ce) on this host": (
        "이 서버의 Docker 엔진(docker-ce 패키지)을 업그레이드하십시오."
    ),
    "upgrade the Docker CLI (package docker-ce-cli) on this host": (
        "이 서버의 Docker CLI(docker-ce-cli 패키지)를 업그레이드하십시오."
    ),
    "install the package docker-ce-cli (Debian: docker.io) or set its path": (
        "docker-ce-cli 패키지(Debian: docker.io)를 설치하거나 경로를 지정하십시오."
    ),
    "check that this docker is the Docker CLI of version 23 or newer": (
        "이 docker가 버전 23 이상의 Docker CLI인지 확인하십시오."
    ),
    "look at the daemon's log (journalctl -u docker) and restart it": (
        "Docker 데몬의 로그(journalctl -u docker)를 확인하고 데몬을 다시 시작하십시오."
    ),
    "look at the daemon's log (journalctl -u docker), or raise the time limit": (
        "Docker 데몬의 로그(journalctl -u docker)를 확인하거나 제한 시간을 늘리십시오."
    ),
    (
        "add the user to the group docker (usermod -aG docker USER, then log in again) or run "
        "the task with become: true"
    ): (
        "사용자를 docker 그룹에 추가하고(usermod -aG docker USER) 다시 로그인하거나, become: "
        "true로 실행하십시오."
    ),
    (
        "start it (systemctl enable --now docker) and look at its log (journalctl -u docker) if "
        "it does not stay up"
    ): (
        "데몬을 시작하십시오(systemctl enable --now docker). 계속 실행되지 않으면 "
        "로그(journalctl -u docker)를 확인하십시오."
    ),
    "mend what docker's own message names; the full output is in stderr": (
        "docker 메시지에 나온 문제를 해결하십시오. 전체 출력은 stderr에 있습니다."
    ),
    "mend what docker's message names": "docker 메시지에 나온 문제를 해결하십시오.",
    "upgrade the Docker {part} (package {package}) on this host": (
        "이 서버의 Docker {part}({package} 패키지)을 업그레이드하십시오."
    ),
    "remove the {kind} by hand if it is yours, or choose another name": (
        "직접 만든 {kind}이면 삭제하거나, 다른 이름을 지정하십시오."
    ),
    "remove the volume by hand if it is yours, or choose another container name": (
        "직접 만든 볼륨이면 삭제하거나, 다른 컨테이너 이름을 지정하십시오."
    ),
    "use a host with {machine} processors: the image is not built by emulation": (
        "{machine} 프로세서를 쓰는 서버를 사용하십시오. 이미지는 에뮬레이션으로 빌드하지 않습니다."
    ),
    "free {size} there or move Docker's data root to a larger file system": (
        "그곳에서 {size} 이상을 비우거나 Docker 데이터 디렉터리를 더 큰 파일 시스템으로 옮기십시오."
    ),
    "free {size} there or move the release root to a larger file system": (
        "그곳에서 {size} 이상을 비우거나 릴리스 디렉터리를 더 큰 파일 시스템으로 옮기십시오."
    ),
    "free {size} there or move {what} to a larger file system": (
        "그곳에서 {size} 이상을 비우거나 {what} 디렉터리를 더 큰 파일 시스템으로 옮기십시오."
    ),
    "use a larger host: converting the model needs this much": (
        "메모리가 더 큰 서버를 사용하십시오. 모델 변환에 이만큼 필요합니다."
    ),
    "install {names} with the host's package manager": (
        "서버의 패키지 관리자로 다음을 설치하십시오: {names}"
    ),
    "put them on this host, or correct the variables": "파일을 이 서버에 두거나 변수를 고치십시오.",
    "install {python} and set ansible_python_interpreter to it": (
        "{python} 패키지를 설치하고 ansible_python_interpreter에 그 경로를 지정하십시오."
    ),
    (
        "make {path} and give it to the user (install -d -o USER {again}), run with become: "
        "true, or choose another stt_root"
    ): (
        "{path} 디렉터리를 만들어 사용자에게 권한을 주거나(install -d -o USER {again}), "
        "become: true로 실행하거나, 다른 stt_root를 지정하십시오."
    ),
    (
        "install the NVIDIA driver and nvidia-container-toolkit (nvidia-ctk runtime configure "
        "--runtime=docker, then restart Docker), or set the GPU policy"
    ): (
        "NVIDIA 드라이버와 nvidia-container-toolkit을 설치하거나(nvidia-ctk runtime "
        "configure --runtime=docker 실행 후 Docker 재시작) GPU 정책을 바꾸십시오."
    ),
    "correct it in endpoints": "endpoints에서 주소를 고치십시오.",
    (
        "copy the company's CA bundle to the host and name it in the endpoint's ca_bundle "
        "(docker_host_ca_bundle, engine_image_ca_bundle or whisper_model_ca_bundle in the "
        "inventory); verification stays on"
    ): (
        "회사 CA 인증서 묶음을 서버에 복사하고 ca_bundle에 지정하십시오(인벤토리의 "
        "docker_host_ca_bundle, engine_image_ca_bundle, whisper_model_ca_bundle). 인증서 "
        "검증은 끄지 않습니다."
    ),
    (
        "open the way in the firewall, set the proxy (whisper_model_proxy for the hub, "
        "engine_image_proxy_file for package indexes) or http_proxy, https_proxy and no_proxy in "
        "the task's environment, or name a mirror that the host reaches"
    ): (
        "방화벽을 열거나, 프록시(허브는 whisper_model_proxy, 패키지 인덱스는 "
        "engine_image_proxy_file) 또는 작업 환경의 http_proxy, https_proxy, no_proxy를 "
        "설정하거나, 서버에서 접속할 수 있는 미러를 지정하십시오."
    ),
    "the engine's source at one known state": "확정된 한 시점의 엔진 소스",
    "no edits and no commits in {path} that exist only there": (
        "{path} 안에만 있는 수정이나 커밋이 없음"
    ),
    "Push or move this work away, then run again; nothing was changed.": (
        "이 작업을 푸시하거나 다른 곳으로 옮긴 뒤 다시 실행하십시오. 아무것도 바꾸지 않았습니다."
    ),
    "{revision} of {repository}, read by the build server": (
        "빌드 서버가 {repository} 저장소의 {revision} 리비전을 읽을 수 있음"
    ),
    (
        "Correct engine_source_repository or engine_source_revision, or give the build server's "
        "user access to it (an SSH key, a credential helper, a proxy in git's configuration)."
    ): (
        "engine_source_repository나 engine_source_revision을 고치거나, 빌드 서버의 사용자가 "
        "저장소에 접근할 수 있게 하십시오(SSH 키, 자격 증명 도우미, git 프록시 설정)."
    ),
    "commit (none asked for) among the ancestors of {revision}": (
        "{revision} 리비전의 이력 (필수 커밋을 지정하지 않음)"
    ),
    "commit {commit} among the ancestors of {revision}": (
        "{revision} 리비전의 이력에 커밋 {commit} 포함"
    ),
    (
        "Set engine_source_revision to a revision that contains it, or correct "
        "engine_source_required_commit."
    ): (
        "그 커밋이 들어 있는 리비전을 engine_source_revision에 지정하거나 "
        "engine_source_required_commit을 고치십시오."
    ),
    "every file of the commit, as the image's build will copy it": (
        "이미지 빌드가 복사할 커밋의 모든 파일"
    ),
    (
        "Commit these files themselves: an export holds neither submodules nor what Git LFS "
        "keeps elsewhere."
    ): (
        "이 파일들 자체를 커밋하십시오. 내보낸 소스에는 서브모듈도, Git LFS가 따로 보관하는 "
        "내용도 들어 있지 않습니다."
    ),
    "what {path} says, or a first release": "{path} 잠금 파일의 내용과 일치, 또는 첫 릴리스",
    (
        "Bring the inputs back to what is locked, or accept what moved with -e "
        "release_lock_update=true."
    ): ("입력을 잠금 파일대로 되돌리거나, 바뀐 내용을 -e release_lock_update=true로 승인하십시오."),
    "only our own superseded images, models, clips and staging are removed": (
        "이 도구가 만든 이전 이미지, 모델, 녹음, 임시 파일만 삭제"
    ),
    "a package lock for {kind}": "{kind}의 패키지 잠금 파일",
    (
        "See that engine_image_torch_index_url and engine_image_index_url are right and can be "
        "reached from the build server."
    ): (
        "engine_image_torch_index_url과 engine_image_index_url이 올바르고 빌드 서버에서 "
        "접속되는지 확인하십시오."
    ),
    "an image of exactly these inputs, {digest}": "정확히 이 입력으로 만든 이미지 ({digest})",
    "Remove the image and run again.": "이미지를 삭제하고 다시 실행하십시오.",
    "the build's log on the host": "서버에 남은 빌드 로그",
    "Look for the log in {path}.": "{path} 디렉터리에서 로그를 찾으십시오.",
    "at most {size}": "{size} 이하",
    "no layer above {size}": "모든 레이어가 {size} 이하",
    "Remove what is not needed from the image, or raise engine_image_budget_bytes.": (
        "이미지에서 필요 없는 것을 빼거나 engine_image_budget_bytes를 늘리십시오."
    ),
    (
        "Install what changes at different times in different layers, or raise "
        "engine_image_layer_budget_bytes."
    ): (
        "바뀌는 시점이 다른 것은 다른 레이어에 설치하거나 engine_image_layer_budget_bytes를 "
        "늘리십시오."
    ),
    "LD_LIBRARY_PATH in the image's environment": "이미지 환경 변수에 LD_LIBRARY_PATH가 있음",
    "Set LD_LIBRARY_PATH in the Dockerfile.": "Dockerfile에서 LD_LIBRARY_PATH를 설정하십시오.",
    "Build on a host of this architecture.": "이 아키텍처의 서버에서 빌드하십시오.",
    "a build that ended without a failed step": "실패한 단계 없이 끝난 빌드",
    "See the log.": "로그를 확인하십시오.",
    "See {path}.": "{path} 로그를 확인하십시오.",
}
