# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a self-test plants, in Korean."""

from __future__ import annotations

# English to Korean; what stands in braces is taken over as it is.
KOREAN = {
    "a CUDA library that is a link to nothing": "가리키는 곳이 없는 링크로 바꾼 CUDA 라이브러리",
    "a GPU that the environment hides (CUDA_VISIBLE_DEVICES=-1)": (
        "환경 변수로 숨긴 GPU (CUDA_VISIBLE_DEVICES=-1)"
    ),
    "a base whose layers are not the image's lowest": (
        "이미지의 맨 아래 레이어가 아닌 레이어를 가진 베이스"
    ),
    "a clip of unknown text in which something else was heard before": (
        "정답을 모르고 앞서 다른 문장이 들린 음성 파일"
    ),
    (
        "a clip of unknown text, and a tokenizer.json beside model.bin alone whose pieces have "
        "other numbers"
    ): "정답을 모르는 음성 파일과, model.bin 옆의 것만 조각 번호를 바꾼 tokenizer.json",
    "a clips.json in which the texts of two clips are swapped": (
        "두 음성 파일의 정답을 서로 바꾼 clips.json"
    ),
    "a compiler, a program sudo and one with its owner's rights": (
        "컴파일러, sudo 프로그램, 소유자 권한으로 실행되는 프로그램"
    ),
    "a config.json that its owner may not read (mode 0000)": (
        "소유자도 읽을 수 없는 config.json (권한 0000)"
    ),
    "a container started as root": "root로 시작한 컨테이너",
    "a container started as root, with a writable file system": (
        "root로 시작하고 파일 시스템에 쓸 수 있는 컨테이너"
    ),
    "a container whose {what} is mounted read-only": "{what}이(가) 읽기 전용인 컨테이너",
    "a container whose {what} are mounted read-only": "{what}이(가) 읽기 전용인 컨테이너",
    "a container with CUDA_VISIBLE_DEVICES=-1": "CUDA_VISIBLE_DEVICES=-1인 컨테이너",
    "a container with a writable root file system": "루트 파일 시스템에 쓸 수 있는 컨테이너",
    "a container with the host's network": "호스트 네트워크를 쓰는 컨테이너",
    "a damaged recording": "손상된 녹음",
    "a file that is a link out of its model directory": "모델 디렉터리 밖을 가리키는 링크 파일",
    "a file that no manifest lists, and one that is gone": (
        "명세에 없는 파일 하나와 사라진 파일 하나"
    ),
    "a label that names another base than the image was built on": (
        "이미지를 만든 베이스가 아닌 다른 베이스를 적은 레이블"
    ),
    "a library for another processor": "다른 프로세서용 라이브러리",
    "a library that is a link to nothing": "가리키는 곳이 없는 링크로 바꾼 라이브러리",
    "a library that needs a newer C library": "더 새로운 C 라이브러리가 필요한 라이브러리",
    "a library that needs a newer C++ library": "더 새로운 C++ 라이브러리가 필요한 라이브러리",
    "a limit of the real-time factor that no machine keeps": (
        "어떤 장비도 지킬 수 없는 실시간 배율 한도"
    ),
    "a model.bin of 0 bytes": "0바이트 model.bin",
    "a model.bin that was cut off": "중간에서 잘린 model.bin",
    "a module of the service that imports a package which is not installed": (
        "설치되지 않은 패키지를 임포트하는 서비스 모듈"
    ),
    "a preprocessor_config.json with another number of mel bins": (
        "멜 대역 수를 바꾼 preprocessor_config.json"
    ),
    "a preprocessor_config.json with another window of the Fourier transform (n_fft)": (
        "푸리에 변환 창의 크기(n_fft)를 바꾼 preprocessor_config.json"
    ),
    "a recording of 31 seconds that is called speech": "speech로 적은 31초짜리 녹음",
    "a recording of a twentieth of a second": "20분의 1초짜리 녹음",
    "a recording of nothing among those with speech": "말이 있는 녹음 사이에 넣은 무음 녹음",
    "a recording of speech among those without speech": "말이 없는 녹음 사이에 넣은 음성 녹음",
    "a recording of unknown text that is said to be in another language": (
        "정답을 모르고 다른 언어라고 적은 녹음"
    ),
    "a service that SIGTERM ends with exit status 3": (
        "SIGTERM을 받고 종료 상태 3으로 끝나는 서비스"
    ),
    "a service that answers 200, success: false": "200과 success: false로 응답하는 서비스",
    "a service that answers with status 500 before its model is loaded": (
        "모델을 올리기 전에 상태 500으로 응답하는 서비스"
    ),
    "a service that calls itself healthy at once, without a model": (
        "모델 없이 바로 정상이라고 하는 서비스"
    ),
    "a service that does not say how sure it is of a text": (
        "문장을 얼마나 확신하는지 알려 주지 않는 서비스"
    ),
    "a service that ends with exit status 0 without a model": (
        "모델이 없는데 종료 상태 0으로 끝나는 서비스"
    ),
    "a service that gives a clip of unknown text a text which nobody else heard": (
        "정답을 모르는 음성 파일에 다른 디코더는 듣지 못한 문장을 주는 서비스"
    ),
    "a service that hears words in a recording without speech": (
        "말이 없는 녹음에서 문장을 만들어 내는 서비스"
    ),
    "a service that is never healthy and transcribes without a model": (
        "정상 상태가 되지 않으면서 모델 없이 전사하는 서비스"
    ),
    "a service that refuses every recording but the planted one": (
        "심은 녹음 말고는 모든 녹음을 거부하는 서비스"
    ),
    "a service that names another language for a clip of unknown text": (
        "정답을 모르는 음성 파일의 언어를 다르게 말하는 서비스"
    ),
    "a service that transcribes what is no audio": "오디오가 아닌 것을 전사하는 서비스",
    "a service whose health is right and that has nothing on the GPU": (
        "상태 응답은 맞지만 GPU에 아무것도 올리지 않은 서비스"
    ),
    "a service whose health names another device": "상태 응답의 장치가 다른 서비스",
    "a service whose health names another type of computation": (
        "상태 응답의 계산 형식이 다른 서비스"
    ),
    "a service whose log-probability is below -1 on every clip": (
        "모든 음성 파일의 로그 확률이 -1보다 작은 서비스"
    ),
    "a service whose log-probability of a text is below -2": (
        "한 문장의 로그 확률이 -2보다 작은 서비스"
    ),
    "a token in a file, and in one that a later layer removed": (
        "파일과, 뒤의 레이어가 지운 파일에 든 토큰"
    ),
    "a tokenizer.json whose word pieces have other numbers": "조각 번호를 바꾼 tokenizer.json",
    "a tone that 8 kHz cannot hold in the place of speech": (
        "음성 대신 넣은, 8 kHz에 담을 수 없는 음"
    ),
    "a torch whose matrix products are off by one part in a hundred": (
        "행렬 곱이 100분의 1만큼 틀리는 torch"
    ),
    "a torchaudio that resamples to another rate than it was asked for": (
        "요청과 다른 주파수로 리샘플링하는 torchaudio"
    ),
    "a user of another name than the one that is asked for": "요구한 것과 이름이 다른 사용자",
    "a vocabulary.json that is an object instead of a list": "목록 대신 객체로 된 vocabulary.json",
    "a vocabulary.json that is an object instead of a list, and a manifest that says so": (
        "목록 대신 객체로 된 vocabulary.json과 그에 맞춘 명세"
    ),
    "an LD_LIBRARY_PATH with a directory that does not exist": (
        "없는 디렉터리가 든 LD_LIBRARY_PATH"
    ),
    "an image that exposes no port": "포트를 열지 않는 이미지",
    "an image that runs as root": "root로 실행되는 이미지",
    "an image that was built for a CUDA version which no driver has": (
        "어떤 드라이버도 지원하지 않는 CUDA 버전용으로 빌드한 이미지"
    ),
    "an installed package one of whose modules is gone": "모듈 하나가 사라진 설치 패키지",
    "an installed package that tells no version": "버전을 알려 주지 않는 설치 패키지",
    "an original model of one layer more than the conversion has": (
        "변환된 모델보다 레이어가 하나 더 많은 원본 모델"
    ),
    "an original model whose config.json speaks of one layer more than its weights have": (
        "config.json의 레이어가 가중치보다 하나 더 많은 원본 모델"
    ),
    "an original model without its weights": "가중치가 없는 원본 모델",
    "models in a place that the container may write": "컨테이너가 쓸 수 있는 곳에 둔 모델",
    "negated weights in the conversion to {type}, and a manifest that says so": (
        "{type} 변환의 가중치 부호를 뒤집고 그에 맞춘 명세"
    ),
    (
        "negated weights in the decoder of the conversion to {type}, a manifest that says so, "
        "and a clip of unknown text"
    ): "{type} 변환의 디코더 가중치 부호를 뒤집고 그에 맞춘 명세, 정답을 모르는 음성 파일",
    "negated weights of the encoder's last normalisation": (
        "부호를 뒤집은 인코더 마지막 정규화의 가중치"
    ),
    "no GPU device in a container whose GPU policy is required": (
        "GPU 정책이 required인데 GPU 장치가 없는 컨테이너"
    ),
    "no preprocessor_config.json beside model.bin": "model.bin 옆에 없는 preprocessor_config.json",
    "one flipped bit of a weight in model.bin": "model.bin 가중치의 비트 하나를 뒤집음",
    "one flipped bit of a weight in the conversion to {type}": (
        "{type} 변환의 가중치 비트 하나를 뒤집음"
    ),
    "other versions in the lock than those that are installed": (
        "설치된 것과 다른 버전을 적은 잠금 파일"
    ),
}
