# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end of a release and its later verification need (R6), in Korean."""

from __future__ import annotations

# English to Korean; what stands in braces is taken over as it is.
KOREAN = {
    "no test container left on the host": "서버에 남은 테스트 컨테이너가 없음",
    (
        "Another run of this release may be checking there: run again when it has ended. Only "
        "where there is none, remove the container with docker rm --force."
    ): (
        "이 릴리스를 검사하는 다른 실행이 있을 수 있습니다. 그것이 끝난 뒤 다시 실행하십시오. 그런 "
        "실행이 없을 때만 docker rm --force로 컨테이너를 삭제하십시오."
    ),
    "the logs of build, download, conversion and checks, none of them empty": (
        "비어 있지 않은 빌드, 다운로드, 변환, 검사 로그"
    ),
    "Look for {names} below {path} on the host, then run again.": (
        "서버의 {path} 디렉터리 아래에서 다음 파일을 찾은 뒤 다시 실행하십시오: {names}"
    ),
    "the image and every model file listed with their digests": (
        "다이제스트와 함께 기록된 이미지와 모든 모델 파일"
    ),
    "Run the release from the build.": "빌드부터 릴리스를 다시 실행하십시오.",
    "every check of R1 to R6 passed, or skipped for a reason": (
        "R1부터 R6까지 모든 검사가 통과했거나 이유가 있어 건너뜀"
    ),
    "Look at the checks that failed.": "실패한 검사를 확인하십시오.",
    "every item of the closing checklist and the success criteria ticked": (
        "최종 체크리스트와 성공 기준의 모든 항목이 확인됨"
    ),
    "mend what the open items' checks name, then run the release again": (
        "완료되지 않은 항목의 검사가 알려 주는 문제를 해결한 뒤 릴리스를 다시 실행하십시오."
    ),
    "the image {id} with its {count} layers": "이미지 {id} (레이어 {count}개)",
    "Deliver the sealed image to this host, or release it again from its lock.": (
        "봉인된 이미지를 이 서버로 옮기거나, 잠금 파일로 다시 릴리스하십시오."
    ),
    "each file of the release's models below {path} with the sha256 that was sealed": (
        "{path} 아래 릴리스 모델의 모든 파일이 봉인된 sha256과 같음"
    ),
    "Fetch the models again with -e whisper_model_verify=full, or deliver the release again.": (
        "-e whisper_model_verify=full로 모델을 다시 내려받거나 릴리스를 다시 옮기십시오."
    ),
    (
        "each file of the release's models below {path} with the sha256 that was sealed, and no "
        "other file"
    ): ("{path} 아래 릴리스 모델의 모든 파일이 봉인된 sha256과 같고 다른 파일이 없음"),
    "both signatures by the known key, and every file of the release as it was sealed": (
        "알려진 키로 만든 두 서명과 봉인한 그대로인 릴리스의 모든 파일"
    ),
    (
        "Bring the release back as it was sealed, or name the key that sealed it with "
        "release_seal_public_key."
    ): ("릴리스를 봉인한 상태로 되돌리거나, 봉인한 키를 release_seal_public_key로 지정하십시오."),
    (
        "what serves here is the sealed image with the sealed model, unchanged, with the image's "
        "own command and environment and nothing else mounted, on a read-only root, as uid 2000 "
        "without capabilities, new privileges and parts of its host"
    ): (
        "서비스 중인 것이 봉인된 이미지와 봉인된 모델 그대로이고, 이미지의 명령과 환경 "
        "변수를 쓰며 다른 것을 마운트하지 않고, 읽기 전용 루트에서 uid 2000 사용자가 추가 "
        "권한이나 호스트의 자원 없이 실행함"
    ),
    "/health is 200 with the sealed model, and /transcribe gives a text": (
        "/health가 봉인된 모델로 200을 응답하고, /transcribe가 문장을 냄"
    ),
    "deploy the release again, or start the container as docs/service.md says": (
        "릴리스를 다시 배포하거나 docs/service.md의 설명대로 컨테이너를 시작하십시오."
    ),
    "/health is 200 with the sealed model, and /transcribe gives the sealed text": (
        "/health가 봉인된 모델로 200을 응답하고, /transcribe가 봉인된 문장을 냄"
    ),
    "look at the container's log (docker logs), and at its model and device": (
        "컨테이너 로그(docker logs)와 모델, 장치를 확인하십시오."
    ),
}
