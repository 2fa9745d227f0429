# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to a hub: what is refused, where the token may go, which proxy is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._hub_access import (
    HubAccess,
    checked_token,
    is_loopback,
    proxy_secrets,
    read_token,
)

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("", "''"),
        ("hub.example.com", "'hub.example.com'"),
        ("ftp://hub.example.com", "'ftp://hub.example.com'"),
        ("https://", "'https:'"),
        ("https://hub.example.com:port", "'https://hub.example.com:port'"),
        ("https://hub.example.com?x=1", "'https://hub.example.com?x=1'"),
        ("https://user:secret@hub.example.com", "'https://***@hub.example.com'"),
    ],
)
def test_malformed_endpoint(endpoint: str, shown: str) -> None:
    with pytest.raises(SttError) as caught:
        HubAccess(endpoint)
    assert str(caught.value) == (
        f"endpoint: found {shown}; "
        "needed an address such as https://hub.example.com, without credentials or query; "
        "fix: correct endpoint; a token goes into token_file"
    )


@pytest.mark.parametrize("endpoint", ["http://hub.example.com", "http://10.0.0.7:8080"])
def test_token_over_plain_http(endpoint: str) -> None:
    with pytest.raises(SttError) as caught:
        HubAccess(endpoint, token="secret")
    assert str(caught.value) == (
        f"token: found the endpoint {endpoint}, which is not encrypted; "
        "needed https, or an address of this very host, before a token is sent; "
        "fix: use the https address of the hub, or leave token and token_file out"
    )


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80", "https://a.example"],
)
def test_token_over_loopback_or_https(endpoint: str) -> None:
    assert HubAccess(endpoint, token="secret").token == "secret"


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("proxy.example.com:3128", "'proxy.example.com:3128'"),
        ("socks5://proxy.example.com", "'socks5://proxy.example.com'"),
        ("ftp://me:secret@proxy.example.com", "'ftp://***@proxy.example.com'"),
    ],
)
def test_malformed_proxy(proxy: str, shown: str) -> None:
    with pytest.raises(SttError) as caught:
        HubAccess("https://hub.example.com", proxy=proxy)
    assert str(caught.value) == (
        f"proxy: found {shown}; needed an address such as http://proxy.example.com:3128; "
        "fix: correct proxy (whisper_model_proxy), or the proxy variables of the environment"
    )


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "No such file or directory"), (b"\xff\xfe", "'utf-8' codec can't decode byte")],
)
def test_unreadable_ca_bundle_and_token_file(
    tmp_path: Path, content: bytes | None, found: str
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SttError) as caught:
        read_token(str(path))
    assert str(caught.value).startswith(f"token file {path}: found {found}")
    assert "needed a readable text file that holds the token alone; fix: " in str(caught.value)
    with pytest.raises(SttError) as caught:
        HubAccess("https://hub.example.com", ca_bundle=str(path)).tls()
    assert str(caught.value).startswith(f"CA bundle {path}: found ")
    assert str(caught.value).endswith(
        "; needed a readable file of PEM certificates; "
        "fix: correct ca_bundle; it names a file on the server itself"
    )


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "x" * 5000, "모델"])
def test_token_that_cannot_stand_in_a_header_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(SttError) as caught:
        checked_token(token, "token")
    assert not token or token not in str(caught.value)
    assert "needed one token of printable characters" in str(caught.value)


def test_token_file_may_end_with_a_line_break(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("hf_secret\n")
    assert read_token(str(path)) == "hf_secret"
    assert read_token(None) is None
    assert read_token("") is None


def test_secrets_are_not_in_the_representation() -> None:
    access = HubAccess("https://h.example/", token="tok", proxy="http://me:secret@p.example:3128")
    assert "tok" not in repr(access)
    assert "secret" not in repr(access)
    assert access.endpoint == "https://h.example"
    assert proxy_secrets(access.proxy) == {"secret"}
    assert proxy_secrets(None) == proxy_secrets("http://p.example:3128") == set()


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.8.9.1", True), ("::1", True), ("LOCALHOST", True), ("localhost.example", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_proxy_of_the_parameter_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://env.example:1")
    monkeypatch.setenv("no_proxy", "inside.example")
    url = "https://hub.example.com/x"
    given = HubAccess("https://hub.example.com", proxy="http://own.example:2")
    assert given.proxy_for(url) == "http://own.example:2"
    assert HubAccess("https://hub.example.com").proxy_for(url) == "http://env.example:1"
    assert given.proxy_for("https://cdn.inside.example/x") is None
    assert given.proxy_for("http://127.0.0.1:8080/x") is None
    assert HubAccess("https://hub.example.com").proxy_for("http://hub.example.com/x") is None


def test_proxy_of_the_environment_without_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "env.example:3128")
    access = HubAccess("https://hub.example.com")
    assert access.proxy_for("https://hub.example.com") == "http://env.example:3128"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hub.example.com:443/x", True),
        ("https://hub.example.com/", True),
        ("http://hub.example.com/", False),
        ("https://hub.example.com:444/", False),
        ("https://hub.example.com.evil.example/", False),
        ("https://cdn.example.com/", False),
    ],
)
def test_token_stays_with_the_hub(url: str, expected: bool) -> None:
    assert HubAccess("https://hub.example.com/mirror").same_origin(url) is expected
