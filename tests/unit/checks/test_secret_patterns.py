# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is secret is recognised wherever it stands, what only looks like it is not."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stt_checks.secret_commands import masked, secrets_in_command
from stt_checks.secret_files import secrets_in_file
from stt_checks.secret_patterns import secrets_in, secrets_in_settings

# What `docker image history` says of the Dockerfile lines beside it, in their order; a test on a
# real engine keeps both together.
COMMANDS = Path(__file__).parent / "commands"
GIVEN_AWAY = ("c0ffee", "Sup3rS3cret", "bWU6dDBw", "K7MD3NG")


def history(kind: str) -> list[str]:
    found: list[str] = json.loads((COMMANDS / f"{kind}.json").read_bytes())
    return found


@pytest.mark.parametrize("command", history("secret"))
def test_what_a_real_history_gives_away_is_found(command: str) -> None:
    assert list(secrets_in_command(command))
    assert not any(value in masked(command) for value in GIVEN_AWAY)


@pytest.mark.parametrize("command", history("harmless"))
def test_a_real_history_without_secrets_raises_no_alarm(command: str) -> None:
    assert list(secrets_in_command(command)) == []


LETTERS = string.ascii_letters + string.digits
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n"
SECRETS = [
    "hf_" + "aB3" * 12,
    "ghp_" + "aB3" * 12,
    "github_pat_" + "aB3_" * 15,
    "glpat-" + "aB3-" * 6,
    "pypi-" + "AgEIcHlwaS5vcmc" * 5,
    "npm_" + "aB3d" * 9,
    "dckr_pat_" + "aB3-" * 7,
    "AKIA" + "ABCD1234EFGH5678",
    "AIza" + "aB3d-" * 7,
    "xoxb-" + "123456-" * 4,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.dozjgNryP4J3jVmNHl0w5N",
    KEY,
    KEY.replace("\n", "\\n"),
    "Authorization: Bearer c2VjcmV0LXRva2Vu",
    '"auth": "bWU6dDBwczNjcmV0"',
    "//registry.example.com/:_authToken=c2VjcmV0LXRva2Vu",
    "https://me:t0ps3cret@index.example.com/simple",
    "http://:t0ps3cret@proxy.example.com:3128",
    "https://oauth2:c2VjcmV0@git.example.com/a.git",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_and_not_repeated(secret: str) -> None:
    text = f"RUN curl {secret} -o /tmp/x"
    assert list(secrets_in(text))
    assert secret not in masked(text)


@pytest.mark.parametrize(
    "command",
    [
        "RUN |1 HF_TOKEN=not-of-a-known-form /bin/sh -c fetch",
        "RUN fetch --password t0ps3cret",
        "RUN fetch --api-key=t0ps3cret",
        'ENV DB_PASSWORD="t0ps3cret"',
        "RUN export AWS_SECRET_ACCESS_KEY=abcdefgh1234 && go",
        "RUN echo 'password: t0ps3cret' > /etc/app.yml",
    ],
)
def test_a_value_with_a_secret_name_is_found_in_a_command(command: str) -> None:
    assert list(secrets_in_command(command))
    assert not any(
        secret in masked(command) for secret in ("t0ps3cret", "not-of-a-known-form", "abcdefgh1234")
    )


@pytest.mark.parametrize(
    "command",
    [
        "",
        'CMD ["/opt/app-root/bin/python3" "-m" "stt_engine"]',
        "RUN --mount=type=secret,id=netrc --mount=type=secret,id=ca pip install x",
        "RUN pip install --index-url https://index.example.com/simple tokenizers==0.23.3",
        "RUN |2 VARIANT=full CUDA=cu128 /bin/sh -c python3 layer.py /run/stt/lock.txt",
        "RUN fetch --token $HF_TOKEN --password-file /run/secrets/password",
        "RUN fetch https://${USER}:${PASSWORD}@index.example.com",
        "ENV HF_HUB_DISABLE_IMPLICIT_TOKEN=1 TOKENIZERS_PARALLELISM=false",
        "ENV GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D",
        "ENV PYTHON_SHA256=c909157bb25ec114e5869124cc2a9c4a4d4c1e957ca4ff553f1edc692101154e",
        "LABEL io.k8s.description=Python io.openshift.expose-services=8080:http",
        "LABEL url=https://access.redhat.com/containers/#/registry.access.redhat.com/ubi8",
        "RUN useradd -u 2000 stt-user --password ''",
        "RUN max_tokens=4096 generate",
        "COPY file:0123456789abcdef in /etc/pki/rpm-gpg",
        "see https://user:password@host/ for the form",
        "-----BEGIN PRIVATE KEY-----",
        "git@github.com:me/repository.git and ssh://git@host:22/path",
        "from http://127.0.0.1:8003/health to user@host",
    ],
)
def test_what_is_no_secret_raises_no_alarm(command: str) -> None:
    assert list(secrets_in_command(command)) == []


@given(
    st.text(LETTERS, min_size=36, max_size=36),
    st.text(string.printable, max_size=60),
    st.text(string.printable, max_size=60),
)
def test_a_token_is_found_in_any_surroundings(token: str, before: str, after: str) -> None:
    text = f"{before} hf_{token} {after}"
    assert "a Hugging Face token" in list(secrets_in(text))
    assert f"hf_{token}" not in masked(text)


def test_settings_are_judged_by_name_and_by_content() -> None:
    found = list(
        secrets_in_settings(
            {
                "PATH": "/usr/bin",
                "NETRC": "/run/secrets/netrc",
                "TOKEN_FILE": "something",
                "HTTPS_PROXY": "http://me:t0ps3cret@proxy:3128",
                "REGISTRY_TOKEN": "something",
            }
        )
    )
    assert found == [
        "HTTPS_PROXY: credentials in a URL",
        "REGISTRY_TOKEN: a value that its name calls secret",
    ]


FILES = [
    (".netrc", "machine a\n login b\n password c0ffee\n", True),
    (".netrc", "machine a login b password $TOKEN", False),
    (".pypirc", "[pypi]\nusername = me\npassword = c0ffee\n", True),
    ("credentials", "[default]\naws_secret_access_key = abcdef\n", True),
    ("notes.txt", "machine a login b password c0ffee", False),
    ("pip.conf", "[global]\nindex-url = https://index.example.com\n", False),
    ("pip.conf", "[global]\nindex-url = https://me:c0ffee@index.example.com\n", True),
    (".pgpass", "db.example.com:5432:*:me:c0ffee\n", True),
    (".pgpass", "# hostname:port:database:username:password\n", False),
    (".env", "DB_HOST=db\nDB_PASSWORD=c0ffee12\n", True),
    (".env", "export DB_PASSWORD='c0ffee 12'\n", True),
    (".env.production", "SMTP_PASS=c0ffee12 # of the relay\n", True),
    (".env.example", "DB_PASSWORD=changeme\nAPI_KEY=<your key>\nTOKEN=\n", False),
    (".env", "DB_PASSWORD=${DB_PASSWORD}\nTOKEN_FILE=/run/secrets/token\n", False),
    ("config.yml", "database:\n  host: db\n  password: c0ffee12\n", True),
    ("config.yaml", "users:\n  - {name: me, token: c0ffee12}\n", True),
    ("config.yml", "# password: c0ffee12\ntoken:\n  path: /x\n", False),
    ("openapi.yaml", "password:\n  type: string\ntoken: string\n", False),
    ("values.yml", "help: 'Enter password: the one of the database'\n", False),
    ("settings.json", '{"user": "me", "password": "c0ffee12"}', True),
    ("settings.json", '{\n  "client_secret": "c0ffee12"\n}', True),
    (
        "tokenizer_config.json",
        '{"bos_token": "<s>", "pad_token": "!!!!", "unk_token": "[UNK]"}',
        False,
    ),
    ("special_tokens_map.json", '{"eos_token": "endoftext", "start_token": "abcd"}', False),
    ("package-lock.json", '{"js-tokens": "^4.0.0", "token-types": "5.0.1"}', False),
    ("app.ini", "[db]\npassword = c0ffee12\n; password = x\n", True),
    (
        "openssl.cnf",
        "# input_password = secret12\nchallengePassword = A challenge password\n",
        False,
    ),
    ("my.cnf", "[client]\npassword=c0ffee12\n", True),
    ("application.properties", "spring.datasource.password=c0ffee12\r\n", True),
    ("terraform.tfvars", 'db_password = "c0ffee12"\n', True),
    ("nsswitch.conf", "passwd: files\nshadow: files sss\n", False),
    ("debconf.conf", "Name: config\nAccept-Type: password\n", False),
    ("settings.xml", "<server><id>a</id><password>c0ffee12</password></server>", True),
    ("settings.xml", "<server><password>${env.PASSWORD}</password></server>", False),
    ("main.py", "password = 'c0ffee12'\ntoken=tokenize(line)\n", False),
    ("id_ed25519", KEY, True),
]


@pytest.mark.parametrize(("name", "text", "found"), FILES)
def test_files_are_judged_by_what_they_are_for(name: str, text: str, found: bool) -> None:
    assert bool(list(secrets_in_file(name, text))) is found


def test_a_large_file_of_settings_takes_no_time() -> None:
    """Read once, whatever it holds: no pattern looks for the end of the file at every place."""
    for unit in ('{"a": ', "a", '"', "machine a ", "token=\n", "-" * 9 + " ", "https://a:"):
        assert list(secrets_in_file("data.json", unit * (900_000 // len(unit)))) == []
