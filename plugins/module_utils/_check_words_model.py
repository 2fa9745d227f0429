# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the model and everything that hears with it need (R3 and R5), in Korean."""

from __future__ import annotations

# English to Korean; what stands in braces is taken over as it is.
KOREAN = {
    "a commit of 40 hexadecimal digits, as no hub is asked which commit a branch means": (
        "16진수 40자리 커밋 (브랜치가 가리키는 커밋을 허브에 묻지 않기 때문)"
    ),
    (
        "Set whisper_model_revision to the commit that was brought, or bring the lock of the "
        "release that fetched it."
    ): (
        "가져온 모델의 커밋을 whisper_model_revision에 지정하거나, 그 모델을 내려받은 "
        "릴리스의 잠금 파일을 함께 가져오십시오."
    ),
    "at least one quantization in whisper_model_quantizations, none of them twice": (
        "whisper_model_quantizations에 양자화가 하나 이상 있고 중복이 없음"
    ),
    "Correct whisper_model_quantizations; the first is the one that is served.": (
        "whisper_model_quantizations를 고치십시오. 첫 번째 것을 서비스에 씁니다."
    ),
    "{repository} at {commit}, every file by its hash": (
        "{repository} 저장소의 {commit} 커밋, 모든 파일의 해시 일치"
    ),
    "Run again; the download continues where it stopped.": (
        "다시 실행하십시오. 멈춘 곳부터 이어서 내려받습니다."
    ),
    "the original and {quantizations} on the host's own disk": (
        "서버 디스크에 있는 원본과 {quantizations}"
    ),
    "Run again with whisper_model_verify=full.": "whisper_model_verify=full로 다시 실행하십시오.",
    "config.json, weights, tokenizer.json and preprocessor_config.json, none of them empty": (
        "비어 있지 않은 config.json, 가중치, tokenizer.json, preprocessor_config.json"
    ),
    "Choose a revision of the repository that holds them.": (
        "이 파일들이 들어 있는 리비전을 선택하십시오."
    ),
    "a conversion to {quantization}, every file by its hash": (
        "{quantization} 변환 모델, 모든 파일의 해시 일치"
    ),
    "a conversion to {quantization}, its files as in its manifest": (
        "{quantization} 변환 모델, 파일이 명세와 같음"
    ),
    "see what else writes to {path}, then run again": (
        "{path} 디렉터리에 쓰는 다른 프로그램이 있는지 확인한 뒤 다시 실행하십시오."
    ),
    "the engine's diagnose_faster_whisper_model finds no errors": (
        "엔진의 diagnose_faster_whisper_model이 오류를 찾지 못함"
    ),
    "convert the model again; if our own structure check passes, look into the engine's code": (
        "모델을 다시 변환하십시오. 구조 검사는 통과한다면 엔진 코드를 살펴보십시오."
    ),
    (
        "model.bin, vocabulary, tokenizer, preprocessor and config fit together, weights are "
        "{quantization}"
    ): (
        "model.bin, 어휘, 토크나이저, 전처리 설정, 구성이 서로 맞고 가중치가 {quantization} 형식임"
    ),
    "model.bin, vocabulary, tokenizer, preprocessor and config fit together": (
        "model.bin, 어휘, 토크나이저, 전처리 설정, 구성이 서로 맞음"
    ),
    "convert the model again from a verified source": "검증된 원본에서 모델을 다시 변환하십시오.",
    "convert the model again; this file is the converter's, not the original model's": (
        "모델을 다시 변환하십시오. 이 파일은 원본 모델이 아니라 변환기가 만든 것입니다."
    ),
    "convert the model again, or make the file readable": (
        "모델을 다시 변환하거나 파일을 읽을 수 있게 하십시오."
    ),
    "fetch the real file (git lfs pull, or through the hub) and convert again": (
        "실제 파일을 내려받아(git lfs pull 또는 허브) 다시 변환하십시오."
    ),
    "an error page was saved as the file: repair the download, then convert again": (
        "오류 페이지가 파일로 저장되었습니다. 다운로드를 복구한 뒤 다시 변환하십시오."
    ),
    "model.bin has the size that the original's tensors give in its quantization": (
        "model.bin의 크기가 원본 텐서를 그 양자화로 계산한 크기와 같음"
    ),
    "convert the model again from the original beside it": (
        "옆에 있는 원본에서 모델을 다시 변환하십시오."
    ),
    "fetch the original model again": "원본 모델을 다시 내려받으십시오.",
    "fetch the model again with verify=full": "verify=full로 모델을 다시 내려받으십시오.",
    "tokenizer.json beside model.bin is the original model's": (
        "model.bin 옆의 tokenizer.json이 원본 모델의 것과 같음"
    ),
    "copy tokenizer.json from the original model, or convert again": (
        "원본 모델의 tokenizer.json을 복사하거나 다시 변환하십시오."
    ),
    "faster-whisper loads the converted model on {device} in {type}": (
        "faster-whisper가 변환된 모델을 {device} 장치에서 {type} 형식으로 로드함"
    ),
    (
        "faster-whisper loads the converted model on {device} in {type}, and its weights take "
        "their memory there"
    ): (
        "faster-whisper가 변환된 모델을 {device} 장치에서 {type} 형식으로 로드하고, 가중치가 "
        "그 장치의 메모리를 차지함"
    ),
    "look at the message: a missing file beside model.bin, or a device without this type": (
        "메시지를 확인하십시오. model.bin 옆에 파일이 빠졌거나, 장치가 이 형식을 지원하지 않습니다."
    ),
    "copy preprocessor_config.json from the original model": (
        "원본 모델의 preprocessor_config.json을 복사하십시오."
    ),
    (
        "AutoProcessor and AutoModelForSpeechSeq2Seq load every weight, offline, on {device} in "
        "{type}"
    ): (
        "AutoProcessor와 AutoModelForSpeechSeq2Seq가 오프라인에서 모든 가중치를 {device} "
        "장치에 {type} 형식으로 로드함"
    ),
    "AutoProcessor and AutoModelForSpeechSeq2Seq load every weight, offline": (
        "AutoProcessor와 AutoModelForSpeechSeq2Seq가 오프라인에서 모든 가중치를 로드함"
    ),
    "fetch the original model again and run with whisper_model_verify=full": (
        "원본 모델을 다시 내려받고 whisper_model_verify=full로 실행하십시오."
    ),
    "every clip decodes to 16 kHz mono with sound in it where something is spoken": (
        "모든 음성 파일이 16 kHz 모노로 디코딩되고, 말이 있는 파일에는 소리가 있음"
    ),
    "the message names the clip; the image's audio decoder lacks its format, or it is damaged": (
        "메시지에 나온 음성 파일을 확인하십시오. 이미지의 오디오 디코더가 그 형식을 지원하지 "
        "않거나 파일이 손상되었습니다."
    ),
    (
        "a clip's log-mel features have the model's shape and finite, varying values, and those "
        "of a known sound its known values"
    ): (
        "음성 파일의 log-mel 특징이 모델에 맞는 크기와 유한하고 변하는 값을 가지며, 알려진 "
        "소리의 특징은 알려진 값과 같음"
    ),
    "a clip's log-mel features have the model's shape and finite, varying values": (
        "음성 파일의 log-mel 특징이 모델에 맞는 크기와 유한하고 변하는 값을 가짐"
    ),
    "look at preprocessor_config.json of the original model, and at the package lock": (
        "원본 모델의 preprocessor_config.json과 패키지 잠금 파일을 확인하십시오."
    ),
    "faster-whisper makes a known sound's known log-mel features for the converted model": (
        "faster-whisper가 변환된 모델을 위해 만든 알려진 소리의 log-mel 특징이 알려진 값과 같음"
    ),
    "copy preprocessor_config.json from the original model, and look at the package lock": (
        "원본 모델의 preprocessor_config.json을 복사하고 패키지 잠금 파일을 확인하십시오."
    ),
    "a clip that torchaudio takes to 8 or 48 kHz and back stays the same speech": (
        "torchaudio로 8 kHz나 48 kHz로 바꾸었다가 되돌린 음성이 원래와 같음"
    ),
    (
        "long recordings give a text; on a CPU the time has no limit without "
        "model_check_real_time_factor_limit"
    ): ("긴 녹음이 전사됨 (CPU에서는 model_check_real_time_factor_limit이 없으면 시간 제한 없음)"),
    "long recordings take at most {limit} times as long to transcribe as to listen to": (
        "긴 녹음의 전사 시간이 녹음 길이의 {limit}배 이하"
    ),
    (
        "see what else uses this GPU or processor, compare other quantizations "
        "(whisper_model_quantizations), or set model_check_real_time_factor_limit to what "
        "production needs"
    ): (
        "이 GPU나 프로세서를 쓰는 다른 프로그램을 확인하거나, 다른 양자화와 "
        "비교하거나(whisper_model_quantizations), model_check_real_time_factor_limit을 "
        "운영에 필요한 값으로 설정하십시오."
    ),
    ("faster-whisper is sure of some text, in the right language, for each clip of unknown text"): (
        "정답을 모르는 모든 음성 파일에서 faster-whisper가 올바른 언어로 확신하는 문장을 냄"
    ),
    (
        "listen to the clip: give it the language that is spoken in it, kind silence where "
        "nobody speaks, or type its text into clips.json"
    ): (
        "음성 파일을 들어 보고, 실제로 쓰인 언어를 지정하거나, 말이 없으면 종류를 silence로 "
        "하거나, 들리는 문장을 clips.json에 입력하십시오."
    ),
    (
        "listen to the clip and read both texts: where the given one is not what is spoken, "
        "correct it in clips.json; a wrong tokenizer, damaged weights or a changed decoder changes "
        "every clip; a hard recording changes one, and then its limits are to be raised"
    ): (
        "음성 파일을 듣고 두 문장을 비교하십시오. 적어 둔 문장이 실제 말과 다르면 clips.json에서 "
        "고치십시오. 모든 파일이 다르면 잘못된 토크나이저, "
        "손상된 가중치, 바뀐 디코더가 원인입니다. 알아듣기 어려운 녹음 하나만 다르면 그 "
        "파일의 허용 한도를 늘리십시오."
    ),
    (
        "listen to the clip and read both texts: when the new one is right, or was changed on "
        "purpose, accept it with -e model_check_accept_transcripts=true; else mend what changed "
        "the model, its tokenizer or the decoder since it was accepted"
    ): (
        "음성 파일을 듣고 두 문장을 비교하십시오. 새 문장이 맞거나 일부러 바꾼 것이면 -e "
        "model_check_accept_transcripts=true로 승인하고, 아니면 승인 이후 모델, 토크나이저, "
        "디코더에서 바뀐 것을 바로잡으십시오."
    ),
    "mend the directory of clips as docs/clips.md describes it": (
        "음성 파일 디렉터리를 docs/clips.md의 설명대로 고치십시오."
    ),
    "correct the entry; docs/clips.md describes each key": (
        "해당 항목을 고치십시오. 각 키는 docs/clips.md에 설명되어 있습니다."
    ),
    "give it the kind long in clips.json: a model hears {seconds} s at once": (
        "clips.json에서 종류를 long으로 바꾸십시오. 모델은 한 번에 {seconds}초까지 듣습니다."
    ),
    "faster-whisper gives each clip's text within its limits, and its language": (
        "faster-whisper가 모든 음성 파일의 문장을 허용 한도 안에서, 올바른 언어로 전사함"
    ),
    (
        "faster-whisper gives each clip's text within its limits, and its language; where no "
        "text is known some text of which it is sure"
    ): (
        "faster-whisper가 모든 음성 파일의 문장을 허용 한도 안에서, 올바른 언어로 전사하고, "
        "정답을 모르면 확신하는 문장을 냄"
    ),
    (
        "faster-whisper's batched pipeline gives each single clip's text within its limits; "
        "where none is known what was heard before, within {share} of the characters, in the "
        "right language"
    ): (
        "faster-whisper의 배치 처리가 각 음성 파일을 허용 한도 안에서 전사하고, 정답을 "
        "모르면 앞서 들은 문장과 글자 기준 {share} 이내로, 올바른 언어로 일치함"
    ),
    (
        "/transcribe gives each clip's text within its limits, or where none is known what was "
        "heard before, and 4xx for broken audio"
    ): (
        "/transcribe가 모든 음성 파일을 허용 한도 안에서, 정답을 모르면 앞서 들은 문장과 "
        "같게 전사하고, 깨진 오디오에는 4xx로 응답함"
    ),
    (
        "faster-whisper's batched pipeline gives each single clip's text within its limits, or "
        "where none is known some text of which it is sure, in the right language"
    ): (
        "faster-whisper의 배치 처리가 각 음성 파일을 허용 한도 안에서 전사하고, 정답을 "
        "모르면 올바른 언어로 확신하는 문장을 냄"
    ),
    "faster-whisper's batched pipeline gives each single clip's text within its limits": (
        "faster-whisper의 배치 처리가 각 음성 파일을 허용 한도 안에서 전사함"
    ),
    (
        "put a recording of speech, in a language that the model knows, into the directory of "
        "model_check_clips; docs/clips.md describes it"
    ): (
        "모델이 아는 언어로 말한 녹음을 model_check_clips 디렉터리에 넣으십시오. 자세한 "
        "방법은 docs/clips.md에 있습니다."
    ),
    (
        "have the service take wav, flac, mp3, m4a and ogg, mono and stereo, of any rate and "
        "length: the message names the recording and the answer"
    ): (
        "서비스가 wav, flac, mp3, m4a, ogg를 모노와 스테레오, 모든 샘플링 속도와 길이로 받도록 "
        "고치십시오. 녹음과 응답은 메시지에 있습니다."
    ),
    "recordings without speech give no text": "말이 없는 녹음에서 문장이 나오지 않음",
    "transformers gives each clip's text within its limits, and none for silence": (
        "transformers가 모든 음성 파일을 허용 한도 안에서 전사하고, 무음에서는 문장을 내지 않음"
    ),
    (
        "faster-whisper and transformers agree on clips of unknown text, within {share} of the "
        "characters, with some text, the right language and a mean log-probability of {least} or "
        "more, on half of the clips {median}"
    ): (
        "정답을 모르는 음성 파일에서 faster-whisper와 transformers의 결과가 글자 기준 "
        "{share} 이내로 일치하고, 문장이 있으며, 언어가 맞고, 평균 로그 확률이 {least} "
        "이상(절반의 파일에서는 {median} 이상)임"
    ),
    (
        "faster-whisper and transformers agree on clips of unknown text, within {share} of the "
        "characters, with some text and the right language"
    ): (
        "정답을 모르는 음성 파일에서 faster-whisper와 transformers의 결과가 글자 기준 "
        "{share} 이내로 일치하고, 문장이 있으며 언어가 맞음"
    ),
    (
        "/health answers 200 only once the model is loaded, names device and type; SIGTERM ends "
        "the service with exit status 0"
    ): (
        "/health가 모델을 로드한 뒤에만 200으로 응답하고 장치와 형식을 알리며, SIGTERM을 "
        "받으면 서비스가 종료 상태 0으로 끝남"
    ),
    "look at the service's log in the evidence; the service must not claim what is not loaded": (
        "증거에 있는 서비스 로그를 확인하십시오. 서비스는 로드하지 않은 것을 로드했다고 하면 "
        "안 됩니다."
    ),
    "with an empty model directory /health never answers 200": (
        "모델 디렉터리가 비어 있으면 /health가 200으로 응답하지 않음"
    ),
    "the service must load the model before it calls itself healthy": (
        "서비스가 모델을 로드한 뒤에 정상 상태를 알리도록 고치십시오."
    ),
    "/transcribe gives each clip's text within its limits, and 4xx for broken audio": (
        "/transcribe가 모든 음성 파일을 허용 한도 안에서 전사하고, 깨진 오디오에는 4xx로 응답함"
    ),
    "set CMD or ENTRYPOINT in its Dockerfile": "Dockerfile에서 CMD나 ENTRYPOINT를 설정하십시오.",
    "run the checks in a container of their own": "검사를 별도의 컨테이너에서 실행하십시오.",
    "the encoder outputs of faster-whisper and transformers have a cosine of at least {bound}": (
        "faster-whisper와 transformers의 인코더 출력 코사인이 {bound} 이상"
    ),
    "a weight differs: run with whisper_model_verify=full and convert the model again": (
        "가중치가 다릅니다. whisper_model_verify=full로 실행하고 모델을 다시 변환하십시오."
    ),
    "transformers in float32 gives texts and encoder outputs to compare with": (
        "transformers가 float32로 비교 기준이 될 문장과 인코더 출력을 냄"
    ),
    "mend what R5.3 and R5.6 name: without a reference no conversion can be compared": (
        "R5.3과 R5.6이 알려 주는 문제를 해결하십시오. 기준이 없으면 변환 모델을 비교할 수 없습니다."
    ),
    (
        "the conversion to {quantization} has its manifest's files, computes in {type} on "
        "{device}, gives every clip's text and an encoder cosine with float32 of at least {bound}"
    ): (
        "{quantization} 변환 모델의 파일이 명세와 같고, {device} 장치에서 {type} 형식으로 "
        "계산하며, 모든 음성 파일을 전사하고, float32와의 인코더 코사인이 {bound} 이상"
    ),
    "convert the model again to this quantization from a verified source": (
        "검증된 원본에서 이 양자화로 모델을 다시 변환하십시오."
    ),
    "leave this quantization out on hosts of this kind": "이런 서버에서는 이 양자화를 빼십시오.",
    "one result for every planned check": "계획된 모든 검사마다 결과 하나",
    (
        "look at the end of the checks' log; use the check archive of this collection, and raise "
        "the memory or time limit if one was reached"
    ): (
        "검사 로그의 끝부분을 확인하십시오. 이 컬렉션의 검사 아카이브를 사용하고, 메모리나 "
        "시간 제한에 걸렸으면 제한을 늘리십시오."
    ),
    "look at the check's output for what it waited for, or raise model_check_deadline_seconds": (
        "검사가 무엇을 기다렸는지 출력에서 확인하거나 model_check_deadline_seconds를 늘리십시오."
    ),
    "give the container more memory, or find what killed the process": (
        "컨테이너에 메모리를 더 주거나, 프로세스를 강제로 종료한 원인을 찾으십시오."
    ),
    ("read in the check's output what the library said before it ended, and replace its package"): (
        "검사 출력에서 라이브러리가 끝나기 전에 남긴 메시지를 확인하고 그 패키지를 교체하십시오."
    ),
    "look at the check's output in the log; a check that says nothing counts as broken": (
        "로그에서 검사 출력을 확인하십시오. 결과를 말하지 않는 검사는 오류로 봅니다."
    ),
    "look at the check's output in the log": "로그에서 검사 출력을 확인하십시오.",
}
