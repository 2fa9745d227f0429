# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hub speaks the hub's protocol, and each fault really strikes: over real HTTP."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.lab.hub import Hub

REPOSITORY = "stt-lab/tiny"
WEIGHTS = bytes(range(256)) * 6000
CONFIG = b'{"model_type": "whisper"}\n'


class Answer:
    """Status, headers and as much of the body as arrived."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.complete = True
        try:
            self.body = response.read()
        except http.client.IncompleteRead as error:
            self.body = error.partial
            self.complete = False

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    repository = tmp_path / "repos" / REPOSITORY
    (repository / "extra").mkdir(parents=True)
    (repository / "config.json").write_bytes(CONFIG)
    (repository / "model.safetensors").write_bytes(WEIGHTS)
    (repository / "extra" / "note.txt").write_bytes(b"a note\n")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "some_package-1.0-py3-none-any.whl").write_bytes(b"wheel" * 100)
    with Hub(tmp_path / "repos", wheels=wheels) as running:
        yield running


def ask(hub: Hub, path: str, method: str = "GET", **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(hub, path, method, None, sent)


def send(hub: Hub, path: str, method: str, body: bytes | None, headers: dict[str, str]) -> Answer:
    split = urlsplit(hub.url)
    connection = http.client.HTTPConnection(str(split.hostname), split.port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def weights(hub: Hub, method: str = "GET", **headers: str) -> Answer:
    return ask(hub, f"/{REPOSITORY}/resolve/main/model.safetensors", method, **headers)


def control(hub: Hub, order: dict[str, Any]) -> Answer:
    return send(hub, "/_control", "POST", json.dumps(order).encode(), {})


def test_revision_names_the_commit_and_the_files(hub: Hub) -> None:
    answer = ask(hub, f"/api/models/{REPOSITORY}/revision/main").json()
    assert answer["id"] == REPOSITORY
    assert answer["sha"] == hub.commit(REPOSITORY)
    names = [sibling["rfilename"] for sibling in answer["siblings"]]
    assert names == ["config.json", "extra/note.txt", "model.safetensors"]


def test_commit_follows_from_the_content_alone(hub: Hub, tmp_path: Path) -> None:
    before = hub.commit(REPOSITORY)
    note = tmp_path / "repos" / REPOSITORY / "extra" / "note.txt"
    note.write_bytes(b"another note\n")
    assert hub.commit(REPOSITORY) != before
    note.write_bytes(b"a note\n")
    assert hub.commit(REPOSITORY) == before


def test_tree_gives_sha256_for_large_files_and_the_git_blob_id_for_others(hub: Hub) -> None:
    listed = ask(hub, f"/api/models/{REPOSITORY}/tree/main?recursive=true&expand=false").json()
    entries = {entry["path"]: entry for entry in listed}
    assert entries["extra"]["type"] == "directory"
    weights_entry = entries["model.safetensors"]
    assert weights_entry["lfs"]["oid"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert weights_entry["size"] == weights_entry["lfs"]["size"] == len(WEIGHTS)
    blob = b"blob %d\0" % len(CONFIG) + CONFIG
    assert entries["config.json"]["oid"] == hashlib.sha1(blob).hexdigest()
    assert "lfs" not in entries["config.json"]


def test_tree_is_paged_by_link(hub: Hub) -> None:
    hub.server.page_size = 2
    path: str | None = f"/api/models/{REPOSITORY}/tree/main?recursive=true"
    seen: list[str] = []
    pages = 0
    while path is not None:
        answer = ask(hub, path)
        seen += [entry["path"] for entry in answer.json()]
        pages += 1
        link = answer.headers.get("Link")
        path = link.partition("<")[2].partition(">")[0].removeprefix(hub.url) if link else None
    assert pages == 2
    assert seen == ["config.json", "extra", "extra/note.txt", "model.safetensors"]


def test_tree_without_recursion_lists_one_level(hub: Hub) -> None:
    top = ask(hub, f"/api/models/{REPOSITORY}/tree/main").json()
    assert [entry["path"] for entry in top] == ["config.json", "extra", "model.safetensors"]
    inner = ask(hub, f"/api/models/{REPOSITORY}/tree/main/extra").json()
    assert [entry["path"] for entry in inner] == ["extra/note.txt"]


def test_head_carries_commit_digest_and_size(hub: Hub) -> None:
    answer = weights(hub, "HEAD")
    assert answer.status == 200
    assert answer.body == b""
    assert answer.headers["X-Repo-Commit"] == hub.commit(REPOSITORY)
    assert answer.headers["X-Linked-ETag"] == f'"{hashlib.sha256(WEIGHTS).hexdigest()}"'
    assert answer.headers["X-Linked-Size"] == str(len(WEIGHTS))
    assert answer.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", WEIGHTS[:1]),
        ("bytes=100-", WEIGHTS[100:]),
        ("bytes=-5", WEIGHTS[-5:]),
        (f"bytes=10-{len(WEIGHTS) * 2}", WEIGHTS[10:]),
    ],
)
def test_range(hub: Hub, asked: str, expected: bytes) -> None:
    answer = weights(hub, Range=asked)
    assert answer.status == 206
    assert answer.body == expected
    assert answer.headers["Content-Range"].endswith(f"/{len(WEIGHTS)}")


def test_range_past_the_end_is_refused(hub: Hub) -> None:
    answer = weights(hub, Range=f"bytes={len(WEIGHTS)}-")
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(WEIGHTS)}"


def test_range_of_another_version_gets_the_whole_file(hub: Hub) -> None:
    answer = weights(hub, Range="bytes=0-9", If_Range='"something-else"')
    assert (answer.status, answer.body) == (200, WEIGHTS)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/models/stt-lab/none/revision/main", "RepoNotFound"),
        (f"/api/models/{REPOSITORY}/revision/nowhere", "RevisionNotFound"),
        (f"/{REPOSITORY}/resolve/main/none.json", "EntryNotFound"),
        (f"/{REPOSITORY}/resolve/main/../../secret", "EntryNotFound"),
    ],
)
def test_errors_carry_their_code(hub: Hub, path: str, code: str) -> None:
    answer = ask(hub, path)
    assert (answer.status, answer.headers["X-Error-Code"]) == (404, code)


def test_more_revisions_come_from_refs_json(hub: Hub, tmp_path: Path) -> None:
    old = tmp_path / "repos" / "stt-lab" / "tiny-old"
    old.mkdir()
    (old / "config.json").write_bytes(b"{}\n")
    notes = tmp_path / "repos" / f"{REPOSITORY}.refs.json"
    notes.write_text(json.dumps({"v1": "tiny-old", "fixed": "a" * 40}))
    by_name = ask(hub, f"/{REPOSITORY}/resolve/v1/config.json")
    assert by_name.body == b"{}\n"
    commit = by_name.headers["X-Repo-Commit"]
    assert ask(hub, f"/{REPOSITORY}/resolve/{commit}/config.json").body == b"{}\n"
    assert ask(hub, f"/{REPOSITORY}/resolve/{'a' * 40}/config.json").body == CONFIG


def test_wheels_are_listed_and_sent_in_ranges(hub: Hub) -> None:
    name = "some_package-1.0-py3-none-any.whl"
    assert f'href="/wheels/{name}"'.encode() in ask(hub, "/wheels/").body
    assert ask(hub, f"/wheels/{name}", Range="bytes=0-4").body == b"wheel"
    assert ask(hub, "/wheels/none.whl").status == 404


def test_rate_slows_a_connection(hub: Hub) -> None:
    hub.faults.add("rate", path="*/model.safetensors", value=len(WEIGHTS) * 2)
    began = time.monotonic()
    assert weights(hub).body == WEIGHTS
    assert 0.4 <= time.monotonic() - began < 3


@pytest.mark.parametrize(("value", "expected"), [(1000, 1000), (0.5, len(WEIGHTS) // 2)])
def test_cut_ends_the_connection(hub: Hub, value: float, expected: int) -> None:
    hub.faults.add("cut", path=f"{REPOSITORY}/model.safetensors", value=value, count=1)
    answer = weights(hub)
    assert not answer.complete
    assert answer.body == WEIGHTS[:expected]
    assert weights(hub).body == WEIGHTS


def test_skip_lets_requests_pass_first(hub: Hub) -> None:
    hub.faults.add("status", path="*/config.json", value=503, skip=1, count=1)
    path = f"/{REPOSITORY}/resolve/main/config.json"
    assert [ask(hub, path).status for _unused in range(3)] == [200, 503, 200]


def test_stall_sends_a_part_and_then_nothing(hub: Hub) -> None:
    hub.faults.add("stall", path="*/model.safetensors", value=0.5, after=2000)
    began = time.monotonic()
    answer = weights(hub)
    assert answer.body == WEIGHTS[:2000]
    assert time.monotonic() - began >= 0.5


def test_corrupt_flips_one_byte_of_the_range_that_holds_it(hub: Hub) -> None:
    hub.faults.add("corrupt", path="*/model.safetensors", value=500, count=1)
    assert weights(hub, Range="bytes=0-99").body == WEIGHTS[:100]
    damaged = weights(hub, Range="bytes=400-599").body
    assert [at for at in range(200) if damaged[at] != WEIGHTS[400 + at]] == [100]
    assert weights(hub).body == WEIGHTS


def test_status_may_say_when_to_retry(hub: Hub) -> None:
    hub.faults.add("status", value=429, retry_after=7, count=1)
    answer = weights(hub)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")


def test_missing_hides_the_file_everywhere(hub: Hub) -> None:
    hub.faults.add("missing", path="*/config.json")
    listed = ask(hub, f"/api/models/{REPOSITORY}/tree/main?recursive=true").json()
    assert "config.json" not in [entry["path"] for entry in listed]
    assert ask(hub, f"/{REPOSITORY}/resolve/main/config.json").status == 404
    assert weights(hub, "HEAD").status == 200


def test_html_page_with_status_200(hub: Hub) -> None:
    hub.faults.add("html", path="*/model.safetensors", method="GET")
    answer = weights(hub)
    assert answer.status == 200
    assert answer.body.startswith(b"<!DOCTYPE html>")
    assert weights(hub, "HEAD").headers["X-Linked-Size"] == str(len(WEIGHTS))


def test_redirect_leads_to_storage_with_an_etag_of_its_own(hub: Hub) -> None:
    hub.faults.add("redirect", path="*/resolve/*/model.safetensors")
    answer = weights(hub)
    assert answer.status == 302
    assert answer.headers["X-Linked-ETag"] == f'"{hashlib.sha256(WEIGHTS).hexdigest()}"'
    storage = urlsplit(answer.headers["Location"])
    assert storage.port == hub.storage.server_port != hub.server.server_port
    stored = ask(hub, storage.path, Range="bytes=0-9")
    assert (stored.status, stored.body) == (206, WEIGHTS[:10])
    assert stored.headers["ETag"] != answer.headers["X-Linked-ETag"]


def test_redirect_to_a_chosen_place(hub: Hub) -> None:
    hub.faults.add("redirect", path="*/config.json", value="https://sign-in.example.com/")
    answer = ask(hub, f"/{REPOSITORY}/resolve/main/config.json")
    assert (answer.status, answer.headers["Location"]) == (302, "https://sign-in.example.com/")


def test_token_is_required_and_checked(hub: Hub) -> None:
    hub.faults.add("token", path=f"{REPOSITORY}*", value="right")
    assert weights(hub).status == 401
    refused = weights(hub, Authorization="Bearer wrong")
    assert (refused.status, refused.headers["X-Error-Code"]) == (403, "GatedRepo")
    assert weights(hub, Authorization="Bearer right").body == WEIGHTS


def test_branch_moves_and_the_old_commit_stays(hub: Hub) -> None:
    old, new = hub.commit(REPOSITORY), "b" * 40
    hub.faults.add("branch", path=REPOSITORY, value=new)
    assert ask(hub, f"/api/models/{REPOSITORY}/revision/main").json()["sha"] == new
    for revision in (old, new):
        answer = ask(hub, f"/{REPOSITORY}/resolve/{revision}/config.json")
        assert (answer.body, answer.headers["X-Repo-Commit"]) == (CONFIG, revision)


def test_xet_hashes_are_listed_without_their_token_route(hub: Hub) -> None:
    hub.faults.add("xet")
    listed = ask(hub, f"/api/models/{REPOSITORY}/tree/main?recursive=true").json()
    assert [entry["path"] for entry in listed if "xetHash" in entry] == ["model.safetensors"]
    assert ask(hub, f"/api/models/{REPOSITORY}/xet-read-token/main").status == 404


def test_no_range_sends_the_whole_file(hub: Hub) -> None:
    hub.faults.add("no_range")
    answer = weights(hub, Range="bytes=5-9")
    assert (answer.status, answer.body) == (200, WEIGHTS)
    assert "Accept-Ranges" not in answer.headers


def test_drop_closes_without_an_answer(hub: Hub) -> None:
    hub.faults.add("drop", count=1)
    with pytest.raises(ConnectionError):
        weights(hub)
    assert weights(hub).status == 200


def test_headers_can_be_left_out(hub: Hub) -> None:
    hub.faults.add("headers", value=["X-Linked-ETag", "ETag"], path="*/model.safetensors")
    answer = weights(hub, "HEAD")
    assert "ETag" not in answer.headers
    assert "X-Linked-ETag" not in answer.headers
    assert "X-Repo-Commit" in answer.headers


def test_control_puts_faults_in_force_and_ends_them(hub: Hub) -> None:
    fault = {"action": "status", "value": 503, "path": "*/config.json", "count": 2}
    shown = control(hub, {"faults": [fault]}).json()["faults"]
    assert shown[0]["hits"] == 0
    assert ask(hub, f"/{REPOSITORY}/resolve/main/config.json").status == 503
    assert ask(hub, "/_control").json()["faults"][0]["hits"] == 1
    assert control(hub, {"clear": True}).json() == {"faults": []}
    assert ask(hub, f"/{REPOSITORY}/resolve/main/config.json").status == 200


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"add": {"action": "explode"}}, "action 'explode' is not one of"),
        ({"add": {"action": "rate"}}, "rate: value is missing"),
        ({"add": {"action": "rate", "value": 0}}, "rate: value is bytes per second"),
        ({"add": {"action": "html", "value": 1}}, "html: takes no value"),
        ({"add": {"action": "branch", "value": "main"}}, "not a commit of 40 hex digits"),
        ({"add": {"action": "html", "paht": "*"}}, "html: unknown field 'paht'"),
        ({"add": {"action": "html", "count": -1}}, "count: -1 is not a whole number"),
        ({"remove": 1}, "unknown order 'remove'"),
        ([1], "an order is a JSON object"),
    ],
)
def test_control_refuses_what_it_does_not_understand(hub: Hub, order: Any, said: str) -> None:
    answer = control(hub, order)
    assert answer.status == 400
    assert said in answer.json()["error"]
    assert ask(hub, "/_control").json() == {"faults": []}


def test_stats_count_requests_ranges_and_bytes(hub: Hub) -> None:
    weights(hub)
    weights(hub, Range="bytes=0-9")
    weights(hub, "HEAD")
    # The client may have the last byte before the server has counted it.
    while (stats := ask(hub, "/_stats").json())["open"]:
        time.sleep(0.01)
    path = f"/{REPOSITORY}/resolve/main/model.safetensors"
    assert stats["requests"] == 3
    assert stats["range_requests"] == 1
    assert stats["bytes"] == len(WEIGHTS) + 10
    assert stats["paths"][path] == {"GET": 2, "HEAD": 1, "bytes": len(WEIGHTS) + 10}
    assert stats["statuses"] == {"200": 2, "206": 1}
    control(hub, {"clear_stats": True})
    assert ask(hub, "/_stats").json()["requests"] == 0


def test_connection_is_kept_for_further_requests(hub: Hub) -> None:
    split = urlsplit(hub.url)
    connection = http.client.HTTPConnection(str(split.hostname), split.port, timeout=10)
    for _unused in range(3):
        connection.request("GET", f"/{REPOSITORY}/resolve/main/config.json")
        assert connection.getresponse().read() == CONFIG
    connection.close()


def test_https_with_a_certificate_of_ones_own(hub: Hub, tmp_path: Path) -> None:
    pem, key = tmp_path / "hub.pem", tmp_path / "hub.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=hub",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    command += ["-keyout", str(key), "-out", str(pem)]
    subprocess.run(command, check=True, capture_output=True)
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + pem.read_bytes())
    with Hub(hub.server.repositories.root, certificate=both) as secure:
        url = f"{secure.url}/{REPOSITORY}/resolve/main/config.json"
        assert url.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(pem))
        with urllib.request.urlopen(url, context=trusting, timeout=10) as answer:
            assert answer.read() == CONFIG
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(url, context=ssl.create_default_context(), timeout=10)
