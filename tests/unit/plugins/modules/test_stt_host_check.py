# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_host_check as Ansible runs it, on this machine without a Docker command."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.stt.engine.plugins.modules import stt_host_check


def run(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
        stt_host_check.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert ended.value.code == (1 if result.get("failed") else 0)
    return result


def test_wrong_policy_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = run(capsys, root=str(tmp_path), gpu="maybe")
    assert result["msg"].startswith("value of gpu must be one of: required, auto, absent")


def test_problems_are_results_not_a_failure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for check_mode in (False, True):
        result = run(
            capsys,
            root=str(tmp_path / "stt"),
            docker=f"{tmp_path}/docker",
            architecture=platform.machine(),
            gpu="absent",
            _ansible_check_mode=check_mode,
        )
        assert result["changed"] is False
        assert [check["name"] for check in result["checks"] if check["status"] == "failed"] == [
            "docker_engine",
            "buildx",
        ]
        assert result["facts"]["docker_version"] == ""
        assert result["facts"]["python_version"] == platform.python_version()
    assert list(tmp_path.iterdir()) == []


def test_passwords_of_proxies_and_urls_are_in_no_result(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    endpoints = [
        {"url": "http://hub.invalid/", "proxy": "http://user:hu%21sh@localhost:1"},
        {"url": "http://user:wh%21st@127.0.0.1:1/"},
        {"url": "http://hub.invalid/", "proxy": "socks5://user:pl%21gh@localhost:1"},
    ]
    result = run(capsys, root=str(tmp_path), docker=f"{tmp_path}/docker", endpoints=endpoints)
    asked = {
        check["name"]: check["found"]
        for check in result["checks"]
        if check["name"].startswith("reachability_")
    }
    assert asked == {
        "reachability_hub_invalid": "endpoint http://hub.invalid/: Connection refused (through the "
        "proxy localhost)",
        "reachability_127_0_0_1_1": "endpoint http://127.0.0.1:1/: Connection refused (without a "
        "proxy)",
        "reachability_hub_invalid_2": "proxy: 'socks5://***@localhost:1'",
    }
    shown = json.dumps(result)
    for secret in ("hu%21sh", "hu!sh", "wh%21st", "wh!st", "pl%21gh", "pl!gh"):
        assert secret not in shown


def test_a_proxy_may_lie_in_a_file_and_none_of_it_is_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("http://user:hu%21sh@localhost:1\n")
    bad.write_text("user hush\nwh1st\n")
    endpoints = [
        {"url": "http://hub.invalid/", "proxy_file": str(good)},
        {"url": "http://127.0.0.1:1/", "proxy_file": str(bad)},
        {"url": "http://127.0.0.1:2/", "proxy_file": str(tmp_path / "nothing")},
    ]
    result = run(capsys, root=str(tmp_path), docker=f"{tmp_path}/docker", endpoints=endpoints)
    found = [check["found"] for check in result["checks"] if "reach" in check["name"]]
    assert [words.partition("refused ")[2] for words in found] == [
        "(through the proxy localhost)",
        "(without a proxy)",
        "(without a proxy)",
    ]
    shown = json.dumps({**result, "invocation": None})
    for secret in ("hu%21sh", "hu!sh", "hush", "wh1st"):
        assert secret not in shown
