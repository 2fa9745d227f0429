# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads from a hub on this host that misbehaves."""

from __future__ import annotations

import hashlib
import http.server
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._digest import git_blob_sha1_file
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_download import Download, Outcome
from ansible_collections.stt.engine.plugins.module_utils._fetch_source import HubSource, Source
from ansible_collections.stt.engine.plugins.module_utils._hub import RemoteFile
from ansible_collections.stt.engine.plugins.module_utils._hub_access import HubAccess
from tests.lab.hub import Hub

REPOSITORY = "lab/model"
CHUNK = 100_000
LARGE = random.Random(7).randbytes(2_345_678)
FILES = {"config.json": b'{"a": 1}', "empty.txt": b"", "model.safetensors": LARGE}
WEIGHTS = f"{REPOSITORY}/model.safetensors"


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repos")
    (root / REPOSITORY).mkdir(parents=True)
    for name, data in FILES.items():
        (root / REPOSITORY / name).write_bytes(data)
    return root


@pytest.fixture
def hub(repositories: Path) -> Iterator[Hub]:
    with Hub(repositories) as running:
        yield running


@pytest.fixture
def wanted(repositories: Path) -> list[RemoteFile]:
    files = []
    for name, data in FILES.items():
        lfs = hashlib.sha256(data).hexdigest() if name.endswith(".safetensors") else None
        blob = git_blob_sha1_file(repositories / REPOSITORY / name)
        files.append(RemoteFile(name, len(data), blob, lfs))
    return files


class Case:
    """A download into a directory of its own, with what it logged and reported."""

    def __init__(self, staging: Path, wanted: list[RemoteFile]) -> None:
        self.staging = staging
        self.wanted = wanted
        self.lines: list[str] = []
        self.reports: list[dict[str, Any]] = []

    def download(self, make_source: Callable[[], Source], **changes: Any) -> Download:
        settings = {"streams": 4, "chunk_bytes": CHUNK, "stall_seconds": 6.0, **changes}
        return Download(
            self.wanted,
            self.staging,
            make_source,
            progress=lambda **fields: self.reports.append(fields),
            log=self.lines.append,
            **settings,
        )

    def from_hub(
        self, hub: Hub | str, commit: str, token: str | None = None, **changes: Any
    ) -> Outcome:
        endpoint = hub if isinstance(hub, str) else hub.url
        access, locations = HubAccess(endpoint, token=token), dict[str, str]()
        timeout = changes.get("stall_seconds", 6.0) / 3

        def make_source() -> Source:
            return HubSource(access, REPOSITORY, commit, timeout, locations)

        return self.download(make_source, **changes).run()

    def check_all(self, outcome: Outcome) -> None:
        for name, data in FILES.items():
            assert (self.staging / "files" / name).read_bytes() == data
            assert outcome.sha256[name] == hashlib.sha256(data).hexdigest()


@pytest.fixture
def case(tmp_path: Path, wanted: list[RemoteFile]) -> Case:
    return Case(tmp_path / "staging", wanted)


def fails(case: Case, hub: Hub, **changes: Any) -> str:
    with pytest.raises(SttError) as caught:
        case.from_hub(hub, hub.commit(REPOSITORY), **changes)
    return str(caught.value)


CHECK_ENDPOINT = (
    "fix: check endpoint: the hub or mirror must serve this very commit; then run again"
)


def test_page_in_place_of_a_file(case: Case, hub: Hub) -> None:
    hub.faults.add("html", path=WEIGHTS)
    assert fails(case, hub) == (
        f"model.safetensors of {REPOSITORY}@{hub.commit(REPOSITORY)[:12]}: "
        "found a web page (HTTP 200, text/html; charset=utf-8); "
        f"needed the file's {len(LARGE)} bytes; "
        "fix: a sign-in page or a proxy answers in the hub's place: sign the server in, "
        "set proxy, or name a mirror in endpoint"
    )


def test_file_that_is_listed_but_missing(case: Case, hub: Hub) -> None:
    hub.faults.add("missing", path=WEIGHTS)
    found = fails(case, hub)
    assert f"found HTTP 404 EntryNotFound from {hub.url}; needed the file that the tree" in found
    assert found.endswith(CHECK_ENDPOINT)


def test_restricted_file(case: Case, hub: Hub) -> None:
    hub.faults.add("token", path=WEIGHTS, value="hf_right")
    assert fails(case, hub).endswith(
        "found HTTP 401 GatedRepo; needed access to the repository's files; "
        "fix: give a token of an account that was granted access, in token_file"
    )
    case.check_all(case.from_hub(hub, hub.commit(REPOSITORY), token="hf_right"))


def test_file_of_another_length(case: Case, hub: Hub) -> None:
    case.wanted[2] = RemoteFile("model.safetensors", len(LARGE) + 1, "", case.wanted[2].sha256)
    found = fails(case, hub)
    size = len(LARGE)
    assert f"/{size}' from {hub.url}; needed the range 'bytes " in found
    hub.faults.add("no_range", path=WEIGHTS)
    assert f"found {size} bytes from {hub.url}; needed {size + 1} bytes" in fails(case, hub)


def test_hub_that_announces_another_content(case: Case, hub: Hub) -> None:
    case.wanted[2] = RemoteFile("model.safetensors", len(LARGE), "", "0" * 64)
    digest = hashlib.sha256(LARGE).hexdigest()
    assert f"found sha256 {digest} announced from {hub.url}; needed sha256 000" in fails(case, hub)


def test_hub_that_answers_for_another_commit(case: Case, hub: Hub) -> None:
    hub.faults.add("branch", path=REPOSITORY, value="d" * 40)
    with pytest.raises(SttError) as caught:
        case.from_hub(hub, "main")
    assert f"found commit {'d' * 40} from {hub.url}; needed commit main; " in str(caught.value)


def test_content_that_stays_wrong_is_given_up_and_not_kept(case: Case, hub: Hub) -> None:
    hub.faults.add("corrupt", path=WEIGHTS, value=1234)
    found = fails(case, hub)
    assert found.startswith("model.safetensors: found sha256:")
    assert found.endswith(
        f" after 3 downloads; needed sha256:{hashlib.sha256(LARGE).hexdigest()}; "
        "fix: something on the way changes the content: check proxy and mirror, or name "
        "another endpoint; then run again"
    )
    assert not (case.staging / "files" / "model.safetensors").exists()
    hub.faults.clear()
    outcome = case.from_hub(hub, hub.commit(REPOSITORY))
    case.check_all(outcome)
    assert outcome.bytes_downloaded == len(LARGE)


def test_silence_is_given_up_and_what_was_there_is_used(case: Case, hub: Hub) -> None:
    hub.faults.add("stall", path=WEIGHTS, skip=5)
    began = time.monotonic()
    found = fails(case, hub, stall_seconds=1.5)
    assert 1.5 <= time.monotonic() - began < 12
    assert found.startswith("download: found no new byte for 1.5 s at ")
    assert f" of {sum(map(len, FILES.values()))} bytes (" in found
    assert found.endswith(
        "; needed data from the hub; fix: check the hub and the network, then run again: it goes "
        "on where it stopped; stall_seconds sets the patience"
    )
    hub.faults.clear()
    outcome = case.from_hub(hub, hub.commit(REPOSITORY))
    case.check_all(outcome)
    assert outcome.bytes_resumed >= 4 * CHUNK
    assert outcome.bytes_resumed + outcome.bytes_downloaded == sum(map(len, FILES.values()))


@pytest.mark.parametrize("status", [503, 429])
def test_lasting_refusal_ends_with_its_reason(case: Case, hub: Hub, status: int) -> None:
    hub.faults.add("status", path=WEIGHTS, value=status)
    assert f"bytes (HTTP {status}); needed data" in fails(case, hub, stall_seconds=1.0)


def test_wait_that_is_too_long_is_left_to_the_operator(case: Case, hub: Hub) -> None:
    hub.faults.add("status", path=WEIGHTS, value=429, retry_after=4000)
    began = time.monotonic()
    assert "found HTTP 429, to be asked again in 4000 s from " in fails(case, hub)
    assert time.monotonic() - began < 5


def test_server_without_ranges_that_breaks_off_at_one_place(case: Case, hub: Hub) -> None:
    hub.faults.add("no_range", path=WEIGHTS)
    hub.faults.add("cut", path=WEIGHTS, value=0.6)
    place = int(0.6 * len(LARGE))
    assert fails(case, hub) == (
        f"model.safetensors: found 3 tries that ended at or before byte {place} of {len(LARGE)} "
        f"(connection closed {len(LARGE) - place} bytes before the end), from a server without "
        "ranges; needed the whole file in one piece, or a server that answers ranges; "
        "fix: name a mirror in endpoint that supports range requests"
    )


def test_tls_is_verified_and_not_left_by_a_redirect(
    case: Case, tls_hub: tuple[Hub, str, str]
) -> None:
    hub, endpoint, authority = tls_hub
    commit = hub.commit(REPOSITORY)
    trusting = HubSource(HubAccess(endpoint, ca_bundle=authority), REPOSITORY, commit, 5.0, {})
    assert b"".join(trusting.stream(case.wanted[0], 0, 8)) == FILES["config.json"]
    bare = HubSource(HubAccess(endpoint), REPOSITORY, commit, 5.0, {})
    with pytest.raises(SttError) as caught:
        list(bare.stream(case.wanted[0], 0, 8))
    assert str(caught.value) == (
        f"model hub {endpoint}: found a certificate that cannot be verified "
        "(self-signed certificate); "
        "needed a certificate signed by an authority that this server trusts; "
        "fix: name the company's CA file in ca_bundle; verification cannot be switched off"
    )
    hub.faults.add("redirect")
    with pytest.raises(SttError, match="found a redirect from https to http from"):
        list(trusting.stream(case.wanted[0], 0, 8))


def test_redirect_to_something_else_than_http(case: Case, hub: Hub) -> None:
    hub.faults.add("redirect", path=WEIGHTS, value="file:///etc/passwd")
    assert f"found a redirect from http to file from {hub.url}; needed http or https" in (
        fails(case, hub)
    )


def test_plain_download_uses_several_ranges_at_once(case: Case, hub: Hub) -> None:
    hub.faults.add("rate", path=WEIGHTS, value=2_000_000)
    outcome = case.from_hub(hub, hub.commit(REPOSITORY))
    case.check_all(outcome)
    total = sum(map(len, FILES.values()))
    assert (outcome.bytes_downloaded, outcome.bytes_resumed, outcome.repeated) == (total, 0, [])
    counts = hub.stats.as_dict()
    assert counts["range_requests"] == 24
    assert counts["most_open"] >= 3
    assert case.reports[-1]["bytes"] == case.reports[-1]["total"] == total
    assert case.reports[-1]["phase"] == "verify"
    assert any(report["rate"] > 0 for report in case.reports)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_wrong_content_is_downloaded_again(case: Case, hub: Hub, name: str) -> None:
    hub.faults.add("corrupt", path=f"{REPOSITORY}/{name}", value=3, count=2)
    outcome = case.from_hub(hub, hub.commit(REPOSITORY))
    case.check_all(outcome)
    assert outcome.repeated == [name, name]
    total = sum(map(len, FILES.values()))
    assert outcome.bytes_downloaded == total + 2 * len(FILES[name])


def test_damage_in_what_was_staged_is_found(case: Case, hub: Hub) -> None:
    case.from_hub(hub, hub.commit(REPOSITORY))
    path = case.staging / "files" / "model.safetensors"
    with path.open("r+b") as stream:
        stream.seek(777_777)
        stream.write(b"\0\0\0\0\0\0\0\0")
    outcome = case.from_hub(hub, hub.commit(REPOSITORY))
    case.check_all(outcome)
    assert outcome.repeated == ["model.safetensors"]
    assert outcome.bytes_downloaded == len(LARGE)


@pytest.mark.parametrize("part", [0.1, 0.6, 0.99])
def test_broken_connections_cost_no_byte_twice(case: Case, hub: Hub, part: float) -> None:
    hub.faults.add("cut", path=WEIGHTS, value=part, count=8)
    outcome = case.from_hub(hub, hub.commit(REPOSITORY))
    case.check_all(outcome)
    assert outcome.bytes_downloaded == sum(map(len, FILES.values()))
    assert any("bytes before the end" in line for line in case.lines)


def test_silent_connection_is_replaced(case: Case, hub: Hub) -> None:
    hub.faults.add("stall", path=WEIGHTS, after=50_000, count=2)
    began = time.monotonic()
    outcome = case.from_hub(hub, hub.commit(REPOSITORY), stall_seconds=3.0)
    case.check_all(outcome)
    assert time.monotonic() - began < 10
    assert outcome.bytes_downloaded == sum(map(len, FILES.values()))


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "status", "value": 503, "count": 6},
        {"action": "status", "value": 500, "count": 2},
        {"action": "drop", "count": 4},
        {"action": "redirect"},
        {"action": "no_range"},
        {"action": "xet"},
        {"action": "headers", "value": ["ETag", "X-Linked-ETag", "X-Linked-Size", "X-Repo-Commit"]},
    ],
    ids=lambda fault: fault["action"],
)
def test_faults_that_are_no_obstacle(case: Case, hub: Hub, fault: dict[str, Any]) -> None:
    hub.faults.add(path=f"{REPOSITORY}/*", **fault)
    case.check_all(case.from_hub(hub, hub.commit(REPOSITORY)))


def test_retry_after_is_honoured_by_all_streams(case: Case, hub: Hub) -> None:
    hub.faults.add("status", path=WEIGHTS, value=429, retry_after=2, count=1)
    began = time.monotonic()
    case.check_all(case.from_hub(hub, hub.commit(REPOSITORY), stall_seconds=1.0))
    assert time.monotonic() - began >= 2
    assert hub.stats.as_dict()["statuses"]["429"] == 1


def test_storage_address_that_expires_is_asked_for_anew(case: Case, hub: Hub) -> None:
    hub.faults.add("redirect", path=WEIGHTS)
    hub.faults.add("status", path="/_storage/*", value=403, skip=6, count=1)
    case.check_all(case.from_hub(hub, hub.commit(REPOSITORY), streams=1))
    paths = hub.stats.as_dict()["paths"]
    resolved = [path for path in paths if "/resolve/" in path and path.endswith(".safetensors")]
    # Once at the start and once after the address expired; all other ranges go to storage.
    assert paths[resolved[0]]["GET"] == 2


def test_server_without_ranges_resumes_by_taking_the_file_whole(case: Case, hub: Hub) -> None:
    hub.faults.add("no_range", path=WEIGHTS)
    hub.faults.add("cut", path=WEIGHTS, value=0.5, count=1, skip=4)
    outcome = case.from_hub(hub, hub.commit(REPOSITORY))
    case.check_all(outcome)
    assert any("the server ignores ranges" in line for line in case.lines)
    assert case.reports[-1]["bytes"] == sum(map(len, FILES.values()))


def test_token_goes_to_the_hub_and_not_to_its_storage(case: Case, hub: Hub) -> None:
    seen: list[str | None] = []

    class Storage(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            start, end = self.headers["Range"].removeprefix("bytes=").split("-")
            body = LARGE[int(start) : int(end) + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(LARGE)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Storage) as storage:
        threading.Thread(target=storage.serve_forever, daemon=True).start()
        hub.faults.add("token", path=WEIGHTS, value="hf_secret")
        address = f"http://127.0.0.1:{storage.server_address[1]}/blob?signature=x"
        hub.faults.add("redirect", path=WEIGHTS, value=address)
        case.check_all(case.from_hub(hub, hub.commit(REPOSITORY), token="hf_secret"))
        storage.shutdown()
    assert len(seen) == 24
    assert set(seen) == {None}


def test_no_descriptor_and_no_thread_is_left_behind(case: Case, hub: Hub) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    hub.faults.add("cut", path=WEIGHTS, value=0.5, count=3)
    case.from_hub(hub, hub.commit(REPOSITORY))
    names = {thread.name for thread in threading.enumerate() if "_work" in thread.name}
    assert names == set()
    deadline = time.monotonic() + 5
    while count() > before + 8 and time.monotonic() < deadline:
        time.sleep(0.05)
    held = [os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()]
    assert not [path for path in held if str(case.staging) in path]


class LateCondition(threading.Condition):
    """Lets a thread in only after something else has happened."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = threading.Event()
        self.open = threading.Event()

    def __enter__(self) -> bool:
        self.arrived.set()
        assert self.open.wait(30)
        return super().__enter__()


@pytest.mark.parametrize("work", ["_flush", "_hash", "_take"])
def test_a_stop_just_before_a_thread_waits_is_heard(case: Case, work: str) -> None:
    download = case.download(lambda: pytest.fail("no source is needed"))
    changed = download._changed = LateCondition()
    thread = threading.Thread(target=getattr(download, work), daemon=True)
    thread.start()
    assert changed.arrived.wait(30)
    # The stop and its notice come while the thread is on its way to wait for them.
    download._stop.set()
    changed.open.set()
    thread.join(30)
    assert not thread.is_alive()
