# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab checks before it starts, and what it writes for its servers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import engine, hosts, preflight
from tests.lab.layout import BUILD_HOST, Places, cache_root
from tests.lab.shell import LabError, run

CHECKOUT = Path(__file__).resolve().parents[3]


def test_disk_budget_that_does_not_fit_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabError) as caught:
        preflight.check_disk(None, Places(tmp_path), 10**18)
    said = str(caught.value)
    assert said.startswith("disk: ")
    assert "the lab needs" in said
    assert "set STT_CACHE to another file system" in said


def test_disk_budget_counts_what_is_missing(tmp_path: Path) -> None:
    said = preflight.check_disk(None, Places(tmp_path), 1_000_000)
    assert " to write at " in said
    assert " free" in said


def test_port_in_use_is_named() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(LabError, match=f"127.0.0.1:{port}: .*; some-host needs it"):
            preflight.check_ports(None, {port: "some-host"})
    preflight.check_ports(None, {port: "some-host"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nameserver 192.0.2.1\n", ["192.0.2.1"]),
        ("# nameserver 192.0.2.9\nnameserver 127.0.0.53\nnameserver 192.0.2.2\n", ["192.0.2.2"]),
        ("nameserver fe80::1%eth0\nnameserver 192.0.2.3\n", ["192.0.2.3"]),
    ],
)
def test_nameservers_that_a_container_reaches(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text(text)
    assert hosts.nameservers([resolver]) == expected


def test_nameservers_of_a_local_resolver_come_from_behind_it(tmp_path: Path) -> None:
    local, behind = tmp_path / "resolv.conf", tmp_path / "behind.conf"
    local.write_text("nameserver 127.0.0.53\n")
    behind.write_text("nameserver 192.0.2.4\n")
    assert hosts.nameservers([local, behind]) == ["192.0.2.4"]
    with pytest.raises(LabError, match="no IPv4 name server"):
        hosts.nameservers([local])


def test_server_files_and_pinned_host_keys(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.create()
    hosts.prepare(BUILD_HOST, places)
    hosts.write_known_hosts(places)
    directory = places.host(BUILD_HOST)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    assert json.loads(before["daemon.json"])["dns"] == hosts.nameservers()
    assert before["ca-certificates.crt"] == hosts.ca_bundle().read_bytes()
    assert places.key.stat().st_mode & 0o777 == 0o600
    pinned = places.known_hosts.read_text()
    assert pinned.startswith(f"[127.0.0.1]:{BUILD_HOST.ssh_port} ssh-ed25519 ")
    assert pinned.split()[2].encode() in before["ssh_host_ed25519_key.pub"]
    hosts.prepare(BUILD_HOST, places)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STT_CACHE", "/some/where")
    assert cache_root() == Path("/some/where")
    monkeypatch.delenv("STT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_root() == Path("/caches/stt-engine")


def test_stale_process_id_is_not_the_engine(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.create()
    other = subprocess.Popen(["sleep", "60"])
    try:
        places.engine_pid.write_text(f"{other.pid}\n")
        assert engine.own_pid(places) is None
    finally:
        other.kill()
        other.wait()
    assert engine.own_pid(places) is None


def test_failing_program_is_one_sentence() -> None:
    with pytest.raises(LabError, match="sh -c echo no >&2; exit 3: exit status 3: no"):
        run(("sh", "-c", "echo no >&2; exit 3"))
    with pytest.raises(LabError, match="no-such-program: not found on this machine"):
        run(("no-such-program",))


def test_help_needs_nothing_but_python() -> None:
    command = [sys.executable, "-I", "-S", "-c"]
    script = f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from tests.lab.cli import main; "
    done = subprocess.run(
        [*command, script + "main(['--help'])"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "up|status|down" in done.stdout
