# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the service starts, fails to start, goes bad and stops."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from stt_engine.application import create_app
from stt_engine.config import Settings
from stt_engine.engine import Engine, EngineError
from stt_engine.service import Service
from tests.unit.stt_engine.conftest import StartService
from tests.unit.stt_engine.test_metrics import scrape
from tests.unit.stt_engine.tiny_model import CLIPS

LONG_CLIP = CLIPS / "long-en.mp3"


def changed_copy(model: Path, target: Path, name: str) -> Path:
    """A copy of the model by links, without one file."""
    target.mkdir()
    for path in model.iterdir():
        if path.name != name:
            (target / path.name).symlink_to(path)
    return target


def test_a_gpu_that_is_not_there_is_a_failed_start(
    start_service: StartService, tiny_model: Path
) -> None:
    service = start_service(
        STT_MODEL_PATH=str(tiny_model), STT_DEVICE="cuda", STT_DEVICE_INDEX="63"
    )

    assert service.exit_status() == 1
    assert service.reasons()[0].startswith("device cuda:63: found ")


def test_a_type_that_the_device_lacks_is_a_failed_start(
    start_service: StartService, tiny_model: Path
) -> None:
    service = start_service(STT_MODEL_PATH=str(tiny_model), STT_COMPUTE_TYPE="float16")

    assert service.exit_status() == 1
    assert service.reasons()[0].startswith("compute type float16: device cpu supports only ")


@pytest.mark.parametrize("name", ["tokenizer.json", "preprocessor_config.json", "model.bin"])
def test_a_bad_model_is_a_failed_start(
    start_service: StartService, tiny_model: Path, tmp_path: Path, name: str
) -> None:
    model = changed_copy(tiny_model, tmp_path / "model", name)

    service = start_service(STT_MODEL_PATH=str(model))

    assert service.exit_status() == 1
    assert f"{name} is missing" in service.reasons()[0]


def test_bad_settings_are_a_failed_start(start_service: StartService) -> None:
    service = start_service(STT_DEVICE="auto", STT_QUEUE="many")

    assert service.exit_status() == 2
    assert "STT_DEVICE: found 'auto'" in service.reasons()[0]
    assert "STT_QUEUE: found 'many'" in service.reasons()[0]


def test_a_port_in_use_is_a_failed_start(start_service: StartService, tiny_model: Path) -> None:
    first = start_service(STT_MODEL_PATH=str(tiny_model))
    first.wait_until_healthy()

    second = start_service(STT_MODEL_PATH=str(tiny_model), STT_PORT=str(first.port))

    assert second.exit_status() != 0
    assert first.health().status_code == 200


def test_until_the_model_answers_everything_is_503(tiny_model: Path) -> None:
    settings = engine_for(tiny_model).settings
    # Without its context the client does not start the application, so nothing is ever loaded.
    client = TestClient(create_app(Service(settings, Engine(settings), lambda: None)))

    health = client.get("/health")
    refusal = client.post("/transcribe", files={"file": ("a.mp3", LONG_CLIP.read_bytes())})

    for response in (health, refusal):
        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
    assert health.json()["status"] == "unavailable"
    assert health.json()["reason"] == "the model is being loaded"
    assert health.json()["model"]["path"] == str(tiny_model)
    assert refusal.json() == {
        "success": False, "error": "not_ready", "message": "the model is being loaded",
    }  # fmt: skip


def first_answer(url: str) -> httpx.Response:
    """Return the first answer of /health that there is."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return httpx.get(f"{url}/health")
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_stop_loses_no_accepted_request(start_service: StartService, tiny_model: Path) -> None:
    service = start_service(STT_MODEL_PATH=str(tiny_model))
    service.wait_until_healthy()

    with ThreadPoolExecutor(4) as pool:
        pending = [pool.submit(service.transcribe, LONG_CLIP) for _unused in range(4)]
        service.wait_until_inside(4)
        service.terminate()
        responses = [future.result() for future in pending]

    assert [response.status_code for response in responses] == [200] * 4
    assert len({response.json()["text"] for response in responses}) == 1
    assert service.exit_status() == 0
    with pytest.raises(httpx.ConnectError):
        service.health()


def test_a_stopping_service_sends_the_new_elsewhere(
    start_service: StartService, tiny_model: Path, long_recording: Path
) -> None:
    service = start_service(STT_MODEL_PATH=str(tiny_model))
    service.wait_until_healthy()

    with ThreadPoolExecutor(1) as pool, httpx.Client(base_url=service.url) as kept_open:
        assert kept_open.get("/health").status_code == 200
        pending = pool.submit(service.transcribe, long_recording, {"beam_size": "16"})
        service.wait_until_inside(1)
        service.terminate()
        health = service.wait_until_stopping()
        # On a new connection with a whole upload, and on one that was there before.
        answers = [service.transcribe(LONG_CLIP), kept_open.post("/transcribe")]
        still_working = not pending.done()
        accepted = pending.result()

    assert still_working
    assert health.json()["reason"] == "the service is stopping"
    for answer in answers:
        assert answer.status_code == 503
        assert answer.json()["error"] == "stopping"
        assert answer.headers["retry-after"] == "5"
        assert answer.headers["connection"] == "close"
    assert accepted.status_code == 200
    assert accepted.json()["duration"] > 500
    assert service.exit_status() == 0


def test_a_stop_under_load_answers_everything_that_was_done(
    start_service: StartService, tiny_model: Path
) -> None:
    """Clients that go on until nobody listens: what was transcribed has reached one of them."""
    service = start_service(STT_MODEL_PATH=str(tiny_model))
    service.wait_until_healthy()

    def send_until_refused(_number: int) -> list[int]:
        statuses: list[int] = []
        while service.process.poll() is None:
            try:
                statuses.append(service.transcribe(CLIPS / "en-order.flac").status_code)
            except httpx.TransportError:
                # The port is closed, or was while this connection waited to be taken.
                break
        return statuses

    with ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(send_until_refused, number) for number in range(8)]
        try:
            deadline = time.monotonic() + 60
            while scrape(service)["stt_processing_seconds_count", ""] < 10:
                assert time.monotonic() < deadline
            service.terminate()
            assert service.exit_status() == 0
        finally:
            # Else a failure would let the clients go on.
            service.process.kill()
        statuses = [status for client in clients for status in client.result()]

    done = sum(event["event"] == "transcribed" for event in service.events())
    assert statuses.count(200) == done >= 10
    assert set(statuses) <= {200, 503}


def test_a_stop_waits_for_an_upload_that_has_begun(
    start_service: StartService, tiny_model: Path
) -> None:
    service = start_service(STT_MODEL_PATH=str(tiny_model))
    service.wait_until_healthy()
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = head + LONG_CLIP.read_bytes() + b"\r\n--b--\r\n"

    with service.connection() as connection:
        connection.putrequest("POST", "/transcribe")
        connection.putheader("content-type", "multipart/form-data; boundary=b")
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body[:1000])
        service.wait_until_inside(1)
        service.terminate()
        service.wait_until_stopping()
        connection.send(body[1000:])
        response = connection.getresponse()
        assert response.status == 200
        assert json.loads(response.read())["success"] is True

    assert service.exit_status() == 0


def test_an_upload_that_outlasts_the_stop_is_told(
    start_service: StartService, tiny_model: Path
) -> None:
    service = start_service(STT_MODEL_PATH=str(tiny_model), STT_DRAIN_SECONDS="1")
    service.wait_until_healthy()

    with service.connection() as connection:
        connection.putrequest("POST", "/transcribe")
        connection.putheader("content-type", "multipart/form-data; boundary=b")
        connection.putheader("content-length", "1000")
        connection.endheaders(b"--b\r\n")
        service.wait_until_inside(1)
        service.terminate()

        assert service.exit_status() == 3
    assert service.events()[-1]["requests"] == 1


def test_a_stop_does_not_wait_for_ever(start_service: StartService, tiny_model: Path) -> None:
    service = start_service(STT_MODEL_PATH=str(tiny_model), STT_DRAIN_SECONDS="0")
    service.wait_until_healthy()

    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(service.transcribe, LONG_CLIP, {"beam_size": "16"})
        service.wait_until_inside(1)
        service.terminate()
        status = service.exit_status()
        abandoned = pending.exception() is not None or pending.result().status_code >= 500

    assert abandoned
    assert status == 3
    assert service.events()[-1]["event"] == "stopped before these were done"


def test_a_stop_while_loading_is_orderly(start_service: StartService, tiny_model: Path) -> None:
    service = start_service(STT_MODEL_PATH=str(tiny_model))
    first_answer(service.url)

    service.terminate()

    assert service.exit_status() == 0


def engine_for(model: Path, **settings: str) -> Engine:
    """An engine in this process."""
    variables = {"STT_MODEL_PATH": str(model), "STT_DEVICE": "cpu", "STT_CPU_THREADS": "1"}
    return Engine(Settings.from_environment({**variables, **settings}))


def test_the_loaded_type_is_read_back(tiny_model: Path) -> None:
    engine = engine_for(tiny_model, STT_COMPUTE_TYPE="int8")
    assert engine.problem() == "the model is being loaded"

    engine.load()

    assert engine.problem() is None
    assert engine.describe()["compute_type"].startswith("int8")


def test_a_tokenizer_that_does_not_work_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    # It passes every look from outside, but the library cannot make a tokenizer of it.
    model = changed_copy(tiny_model, tmp_path / "model", "tokenizer.json")
    tokenizer = json.loads((tiny_model / "tokenizer.json").read_text())
    tokenizer["pre_tokenizer"] = {"type": "Nothing"}
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))

    with pytest.raises(EngineError, match="cannot be loaded: data did not match any variant"):
        engine_for(model).load()


def test_an_engine_that_stops_answering_is_unhealthy(tiny_model: Path) -> None:
    engine = engine_for(tiny_model)
    engine.load()
    assert engine.problem() is None

    extractor = engine._model.feature_extractor.own
    extractor.mel_filters = extractor.mel_filters[:80]
    engine.probe()

    problem = engine.problem()
    assert problem is not None
    assert problem.startswith("the model does not answer: ")


def test_a_model_that_loads_but_does_not_answer_is_refused(
    tiny_model: Path, tmp_path: Path
) -> None:
    model = changed_copy(tiny_model, tmp_path / "model", "preprocessor_config.json")
    config = json.loads((tiny_model / "preprocessor_config.json").read_text())
    config["hop_length"] = 0
    (model / "preprocessor_config.json").write_text(json.dumps(config))

    with pytest.raises(EngineError, match=r"cannot be loaded: |the model does not answer: "):
        engine_for(model).load()
