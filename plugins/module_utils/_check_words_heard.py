# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What checks of the models and of the service find wrong, or skip, in Korean."""

from __future__ import annotations

# English to Korean; what stands in braces is told in Korean itself where that is known.
KOREAN = {
    # Transcripts.
    "{count} of {all} clips are wrong: {what}": "음성 파일 {all}개 중 {count}개가 틀림: {what}",
    "{recording} gave {heard}": "{recording}: {heard}",
    "{recording} gave no text": "{recording}: 문장이 나오지 않음",
    "{recording} gave {heard} for {wanted}": "{recording}: {wanted} 대신 {heard}",
    "{recording} gave {heard} for {wanted}, {rates}": "{recording}: {wanted} 대신 {heard}, {rates}",
    "{recording} gave {heard} for {wanted} as heard by {name}, {rates}": (
        "{recording}: {name}(으)로 들은 {wanted} 대신 {heard}, {rates}"
    ),
    "{recording} gave {heard} as heard by {name}, {rates}": (
        "{recording}: {name}(으)로 들은 것과 다른 {heard}, {rates}"
    ),
    "{recording} gave {name} {heard} for {wanted} as heard by {other}, {rates}": (
        "{recording}: {other}(으)로 들은 {wanted} 대신 {name}(으)로는 {heard}, {rates}"
    ),
    "{recording} gave {heard} for {wanted} as accepted {date}, {rates}": (
        "{recording}: {date}에 승인한 {wanted} 대신 {heard}, {rates}"
    ),
    "{recording} gave {heard} for {wanted} in {language} for {other}": (
        "{recording}: {wanted} 대신 {heard}, 언어가 {other} 대신 {language}"
    ),
    "{recording} gave {heard} in {language} for {other}": (
        "{recording}: {heard}, 언어가 {other} 대신 {language}"
    ),
    "{recording} gave {heard} with a mean log-probability of {figure}": (
        "{recording}: {heard}, 평균 로그 확률 {figure}"
    ),
    "{recording} gave {heard} in {language} with a mean log-probability of {figure}": (
        "{recording}: {heard}, 언어 {language}, 평균 로그 확률 {figure}"
    ),
    "{recording} gave {heard} in {language} for {other} with a mean log-probability of {figure}": (
        "{recording}: {heard}, 언어가 {other} 대신 {language}, 평균 로그 확률 {figure}"
    ),
    (
        "half of {count} texts have a mean log-probability of {figure} or less, below {limit}"
    ): "문장 {count}개 중 절반의 평균 로그 확률이 {figure} 이하로 한도 {limit}보다 작음",
    # Of one transcript.
    "CER {rate} above {limit}": "문자 오류율(CER) {rate}로 한도 {limit} 초과",
    "WER {rate} above {limit}": "단어 오류율(WER) {rate}로 한도 {limit} 초과",
    "CER {rate} above {limit}, WER {words} above {most}": (
        "문자 오류율(CER) {rate}로 한도 {limit} 초과, 단어 오류율(WER) {words}로 한도 {most} 초과"
    ),
    "CER {rate} above {limit} in {language} for {other}": (
        "문자 오류율(CER) {rate}로 한도 {limit} 초과, 언어가 {other} 대신 {language}"
    ),
    "not to be accepted: {what}": "승인할 수 없음: {what}",
    "{count} transcripts to accept, once a person has read them": (
        "사람이 읽어 본 뒤 승인할 전사문 {count}개"
    ),
    "every clip's text is known for this model: none to accept": (
        "이 모델에 대해 모든 음성 파일의 정답을 알고 있어 승인할 것이 없음"
    ),
    "both decoders agree on {count} of {all} clips of unknown text": (
        "정답을 모르는 음성 파일 {all}개 중 {count}개에서 두 디코더가 일치함"
    ),
    "there is no clip without speech": "말이 없는 음성 파일이 없음",
    "no clip's text was set for this model": "이 모델용으로 정답을 정한 음성 파일이 없음",
    "every clip's text is known for this model and judged as such": (
        "이 모델에 대해 모든 음성 파일의 정답을 알고 있어 그것으로 판정함"
    ),
    "every clip of known text is a long one, and none is unknown": (
        "정답을 아는 음성 파일이 모두 긴 것이고, 정답을 모르는 파일은 없음"
    ),
    # The audio itself.
    "the audio is on {device}": "오디오가 {device} 장치에 있음",
    "the features have the shape {kind}": "특징의 모양이 {kind}",
    "there are features that are no finite numbers": "유한한 수가 아닌 특징이 있음",
    "the features do not vary (standard deviation {figure})": (
        "특징이 변하지 않음 (표준 편차 {figure})"
    ),
    (
        "{recording}: {seconds} s on {device}, features {bins} x {frames}; a known sound's are "
        "right within {figure}"
    ): (
        "{recording}: {device} 장치에서 {seconds}초, 특징 {bins} x {frames}, 알려진 소리의 특징이 "
        "{figure} 이내로 맞음"
    ),
    "{bins} mel bins of a known sound are right within {figure}": (
        "알려진 소리의 멜 대역 {bins}개가 {figure} 이내로 맞음"
    ),
    "a known sound's features have the shape {kind}, not {bins} x {frames} or more": (
        "알려진 소리의 특징 모양이 {bins} x {frames} 이상이 아니라 {kind}"
    ),
    "a known sound's features differ by up to {figure} from their definition": (
        "알려진 소리의 특징이 정의와 최대 {figure}만큼 다름"
    ),
    "{recording} correlates with itself: {what}": "{recording}: 원래 음성과의 상관 계수 {what}",
    "by way of {rate} Hz nothing of the clip is left: {share} of it is below {band} Hz": (
        "{rate} Hz를 거치면 음성이 남지 않음: {band} Hz 아래의 비율이 {share}"
    ),
    "by way of {rate} Hz the clip correlates with itself by {figure}": (
        "{rate} Hz를 거친 음성과 원래 음성의 상관 계수가 {figure}"
    ),
    "no directory of clips was given": "음성 파일 디렉터리가 주어지지 않음",
    "{recording} is no mono float32": "{recording}이(가) 모노 float32가 아님",
    "{recording} has {count} samples only": "{recording}의 표본이 {count}개뿐임",
    "{recording} has samples that are no numbers": "{recording}에 수가 아닌 표본이 있음",
    "{recording} peaks at {figure} of full scale": (
        "{recording}의 최대값이 전체 진폭의 {figure}배"
    ),
    "{recording} has no sound in it": "{recording}에 소리가 없음",
    "{recording} lasts {seconds} s and is called speech": (
        "{recording}의 길이가 {seconds}초인데 speech로 되어 있음"
    ),
    "there is no clip with speech": "말이 있는 음성 파일이 없음",
    "{seconds} s became {others} s at {rate} Hz": "{rate} Hz에서 {seconds}초가 {others}초로 바뀜",
    # Encoders and loading.
    "the cosine is {figure}": "코사인이 {figure}",
    "{count} values against {other}": "값의 수가 {count}개와 {other}개로 다름",
    "the cosine of {recording} is no number": "{recording}의 코사인이 수가 아님",
    "{whose} gives values that are no numbers": "{whose} 출력에 수가 아닌 값이 있음",
    "{whose} gives nothing but zeros": "{whose} 출력이 모두 0",
    "the model is not on the GPU: {why}": "모델이 GPU에 있지 않음: {why}",
    "the service's model is not on the GPU: {why}": "서비스의 모델이 GPU에 있지 않음: {why}",
    "the driver does not tell how much GPU memory is in use": (
        "쓰고 있는 GPU 메모리의 크기를 드라이버가 알려 주지 않음"
    ),
    (
        "{left} more GPU memory is in use with the model than without, where its weights take "
        "at least {size}"
    ): ("모델을 올린 뒤 늘어난 GPU 메모리가 {left}인데 가중치만 {size} 이상임"),
    "the model has {count} parameters, its file {other}": (
        "모델의 매개변수는 {count}개인데 파일에는 {other}개"
    ),
    "the model is on {device}, not {other}": "모델이 {other}이(가) 아니라 {device} 장치에 있음",
    "the model is on {device}, not on {other}": "모델이 {other}이(가) 아니라 {device} 장치에 있음",
    "the model is on {device}": "모델이 {device} 장치에 있음",
    "the model computes in {type}, not in {other}": (
        "모델이 {other} 형식이 아니라 {type} 형식으로 계산함"
    ),
    "the original computes in {type}": "원본 모델이 {type} 형식으로 계산함",
    "the processor makes {bins} mel bins while the model takes {other}": (
        "프로세서는 멜 대역 {bins}개를 만들지만 모델은 {other}개를 받음"
    ),
    "audio would have {bins} mel bins while the model takes {other}": (
        "오디오의 멜 대역은 {bins}개가 되지만 모델은 {other}개를 받음"
    ),
    "loaded {what} in {type}, multilingual, {bins} mel bins": (
        "{type} 형식으로 로드됨 ({what}), 다국어, 멜 대역 {bins}개"
    ),
    "loaded {what} in {type}, one language, {bins} mel bins": (
        "{type} 형식으로 로드됨 ({what}), 단일 언어, 멜 대역 {bins}개"
    ),
    "the weights' header: {what}": "가중치 파일의 헤더: {what}",
    "this {device} computes in {names} only, not in {other}": (
        "{device} 장치는 {names} 형식으로만 계산하며 {other} 형식은 안 됨"
    ),
    "no text for {names}": "문장이 나오지 않은 음성 파일: {names}",
    "{count} texts and {other} encoder outputs, on {device}": (
        "{device} 장치에서 문장 {count}개와 인코더 출력 {other}개"
    ),
    "there is no place to leave the reference": "기준 결과를 남길 곳이 없음",
    "the encoder's cosine with float32 is {figure}, below {limit}": (
        "float32 인코더 출력과의 코사인이 {figure}로 한도 {limit}보다 작음"
    ),
    "R5.9 reference_float32 left no reference to compare with": (
        "R5.9 reference_float32 검사가 비교할 기준 결과를 남기지 않음"
    ),
    # The service.
    "it ends with exit status 0, as if all were well": "이상이 없는 것처럼 종료 상태 0으로 끝남",
    "without a model it {what} and {others}": "모델이 없을 때: {what}, {others}",
    "the service does not transcribe within {seconds} s: {what}": (
        "서비스가 {seconds}초 안에 전사하지 못함: {what}"
    ),
    "the service does not become healthy within {seconds} s: {what}": (
        "서비스가 {seconds}초 안에 정상 상태가 되지 않음: {what}"
    ),
    "something answers on port {port} before the service is started": (
        "서비스를 시작하기 전에 포트 {port}에서 응답이 있음"
    ),
    (
        "/health answers 200 after {seconds} s and is not believed: service_transcribes "
        "decides; SIGTERM ended it with {status}"
    ): (
        "{seconds}초 뒤 /health가 200으로 응답하지만 그대로 믿지 않고 service_transcribes 검사로 "
        "판정함, SIGTERM을 받고 {status}(으)로 끝남"
    ),
    "after broken audio /health gives {what}": "깨진 오디오를 보낸 뒤 /health 응답: {what}",
    "before the model was loaded: {what}": "모델을 올리기 전: {what}",
    "/health names no model: {what}": "/health에 모델이 나오지 않음: {what}",
    "/health without a model: {what}": "모델이 없을 때의 /health: {what}",
    "/transcribe without a model: {what}": "모델이 없을 때의 /transcribe: {what}",
    "/health says {key} {what} where {others} was asked for": (
        "{others}을(를) 요청했는데 /health의 {key} 값이 {what}"
    ),
    "{recording} gets {what}": "{recording}에 대한 응답: {what}",
    "no answer": "응답 없음",
    "status {status} with {what}": "상태 {status}, 내용 {what}",
    "SIGTERM does not end it within {seconds} s": "SIGTERM을 보내도 {seconds}초 안에 끝나지 않음",
    "SIGTERM ends it with exit status {status}": "SIGTERM을 받고 종료 상태 {status}로 끝남",
    "{what}; broken audio gets 4xx": "{what}, 깨진 오디오에는 4xx로 응답함",
    "{what}; broken audio gets 4xx; {count} of the check archive's own get an answer": (
        "{what}, 깨진 오디오에는 4xx로 응답함, 검사 아카이브의 녹음 {count}개에도 답함"
    ),
    "{count} of {all} recordings of the check archive's own: {what}": (
        "검사 아카이브의 녹음 {all}개 중 {count}개가 틀림: {what}"
    ),
    "the check archive has not all of {count} recordings of its own": (
        "검사 아카이브에 자체 녹음 {count}개가 다 있지 않음"
    ),
    "the check archive has no {file}": "검사 아카이브에 {file}이(가) 없음",
    # How fast.
    "{figure} on {device}: {seconds} s of speech in {others} s, within the limit of {limit}": (
        "{device} 장치에서 {figure}: 음성 {seconds}초를 {others}초에 전사, 한도 {limit} 이내"
    ),
    "{figure} on {device}: {seconds} s of speech in {others} s, above the limit of {limit}": (
        "{device} 장치에서 {figure}: 음성 {seconds}초를 {others}초에 전사, 한도 {limit} 초과"
    ),
    "{figure} on {device}: {seconds} s of speech in {others} s; no limit is set for a CPU": (
        "{device} 장치에서 {figure}: 음성 {seconds}초를 {others}초에 전사, CPU에는 한도가 없음"
    ),
    "{what}, within the limit of {limit}": "{what}, 한도 {limit} 이내",
    "{what}, above the limit of {limit}": "{what}, 한도 {limit} 초과",
    "{what}; no limit is set for a CPU": "{what}, CPU에는 한도가 없음",
    "{what}, so its time means nothing": "{what}, 따라서 걸린 시간이 의미가 없음",
    # The model's files.
    "it returned a {type}, not a dict": "dict가 아니라 {type} 값을 돌려줌",
    "its answer has no errors entry, so it can report none": (
        "응답에 errors 항목이 없어 오류를 알릴 수 없음"
    ),
    "{count} errors: {what}": "오류 {count}개: {what}",
    "it calls the model invalid without an error": "오류 없이 모델이 올바르지 않다고 함",
    "model.bin has {size} bytes; between {least} and {most} were expected": (
        "model.bin이 {size}바이트임. {least}에서 {most} 사이여야 함"
    ),
    "no quantization was given to compare with": "비교할 양자화 형식이 주어지지 않음",
    "{path} differs from {other}": "{path} 파일이 {other} 파일과 다름",
    "the original's weights in {path}: {what}": "{path} 디렉터리의 원본 가중치: {what}",
}
