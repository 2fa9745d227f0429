# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build needs to know and an image must not: searched for in every byte that stays.

An index that wants a name and a password, known to one authority of its own, behind the only proxy
that leads to it, which wants another name and password.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from tests.bench import caught
from tests.integration.build_host import BASE, BuildHost
from tests.integration.package_server import (
    DOCKER,
    DOCKERFILE,
    NAME,
    PackageServer,
    add_locked_pip,
    package_server,
    put_context,
)
from tests.lab.layout import HUB_ADDRESS, HUB_PORT

pytestmark = pytest.mark.long

INDEX_URL = f"https://{NAME}/simple/"


@dataclass
class Company:
    """The servers, what a build must know to use them, and where it finds that."""

    host: BuildHost
    server: PackageServer
    accounts: dict[str, dict[str, str]]

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets of a build: files by id."""
        return {name: f"{self.host.directory}/keys/{name}" for name in ("ca", "netrc", "proxy")}

    def write(self, **passwords: str) -> None:
        """Write the files of the secrets, with other passwords where given."""
        known = {name: {**account} for name, account in self.accounts.items()}
        for name, password in passwords.items():
            known[name]["password"] = password
        index, proxy = known["index"], known["proxy"]
        login = f"{proxy['user']}:{quote(proxy['password'], safe='')}"
        self.host.put(
            {
                "netrc": f"machine {NAME} login {index['user']} password {index['password']}\n",
                "proxy": f"http://{login}@{self.server.proxy}\n",
            },
            "keys",
        )

    def words(self) -> list[str]:
        """Everything that gives a secret away, in each form in which it travels."""
        found = [f"http://{self.accounts['proxy']['user']}:"]
        for account in self.accounts.values():
            user, password = account["user"], account["password"]
            found += [password, quote(password, safe="")]
            # Without its last group, which depends on what follows.
            pair = base64.b64encode(f"{user}:{password}".encode()).decode()
            found.append(pair.rstrip("=")[:-2])
        bundle = self.host.ssh(f"cat {self.host.directory}/keys/ca").splitlines()
        return [*dict.fromkeys(found), bundle[1]]

    def count(self, command: str, *words: str) -> int:
        """How many lines of what a command prints hold one of the words."""
        patterns = " ".join(f"-e {shlex.quote(word)}" for word in words)
        return int(self.host.ssh(f"({command}) | grep -c -a -F {patterns} || true"))


@pytest.fixture
def company() -> Iterator[Company]:
    host = BuildHost()
    mark = host.prefix[-8:]
    accounts = {
        "index": {"user": "packages-reader", "password": f"index+{mark}=Zq"},
        # Signs that an address only takes percent-encoded.
        "proxy": {"user": "build-server", "password": f"pro@xy/{mark}:Zq"},
    }
    try:
        with package_server(host) as server:
            company = Company(host, server, accounts)
            keys = f"{host.directory}/keys"
            host.ssh(
                f"mkdir -p {keys} && openssl req -x509 -newkey ec -pkeyopt "
                f"ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={NAME} "
                f"-addext subjectAltName=DNS:{NAME} -keyout {keys}/key -out {keys}/ca 2>/dev/null"
            )
            # Of this run alone, so that no step of the build comes from a cache.
            server.wheels.add("h11", f"0.{int(mark, 16)}", tag="py3-none-any")
            add_locked_pip(server)
            server.publish()
            certificate = {"certificate": f"{keys}/ca", "key": f"{keys}/key"}
            server.start({**accounts, **certificate, "name": NAME})
            company.write()
            yield company
    finally:
        host.clean()


def build(company: Company, **changes: Any) -> dict[str, Any]:
    """Build the layers of the lock with the secrets."""
    arguments = {"CUDA": "cu129", "OS": "debian12", "INDEX_URL": INDEX_URL}
    return company.host.build(
        dockerfile=DOCKERFILE,
        target="packages",
        build_args=arguments,
        secrets=company.secrets,
        **changes,
    )


@pytest.mark.fault("credentials given to a build")
def test_no_byte_of_a_secret_stays(company: Company, record_property: caught.Record) -> None:
    host, words = company.host, company.words()
    put_context(host, "h11\n", company.server.wheels.pins)

    built = build(company)

    assert built["status"] == "built", built
    asked = company.server.requests()
    assert f"proxy 200 {NAME}:443" in asked
    assert any(line.startswith("index 200 /simple/h11/h11-") for line in asked)
    # Each credential was needed: both servers turned down who came without.
    assert f"proxy 407 {NAME}:443" not in asked
    tag, jobs = built["tag"], f"{host.directory}/jobs"
    places = {
        "every byte of the image": f"docker save {tag}",
        "history": f"docker history --no-trunc {tag}",
        "labels and environment": f"docker image inspect {tag}",
        "log": f"zcat {built['log_path']}",
        "job": f"cat {jobs}/*/*.json",
        "build cache": "docker buildx du --verbose",
    }
    assert {place: company.count(places[place], *words) for place in places} == dict.fromkeys(
        places, 0
    )
    searched = f"in none of: {', '.join(places)}"
    caught.recovered(record_property, "stt_image_build", searched, outcome="kept out")
    assert not [word for word in words if word in json.dumps(built)]
    # The search sees what is there: a file of the wheel, an argument, an instruction.
    ((_name, version),) = (key for key in company.server.wheels.pins if key[0] == "h11")
    assert company.count(places["every byte of the image"], f"version = '{version}'") > 0
    assert company.count(places["history"], INDEX_URL) > 0
    assert company.count(places["log"], f"h11-{version}") > 0


def test_a_leak_would_be_found(company: Company) -> None:
    """The search's own control: the same words, left behind by a careless Dockerfile."""
    host, words = company.host, company.words()
    lines = [f"ARG BASE_IMAGE\nFROM {BASE}\nUSER 0"]
    lines.append("RUN --mount=type=secret,id=proxy cp /run/secrets/proxy /etc/pip-proxy")
    host.put({"Dockerfile": "\n".join(lines)}, "careless")
    tag = f"{host.prefix}:careless"
    host.ssh(
        f"docker buildx build --quiet --load --secret id=proxy,src={company.secrets['proxy']} "
        f"--tag {tag} {host.directory}/careless"
    )

    assert company.count(f"docker save {tag}", *words) > 0


@pytest.mark.parametrize("which", ["index", "proxy"])
def test_a_refused_password_is_not_repeated(company: Company, which: str) -> None:
    host = company.host
    wrong = f"wrong-{host.prefix[-8:]}@Zq"
    company.write(**{which: wrong})
    words = [*company.words(), wrong, quote(wrong, safe="")]
    put_context(host, "h11\n", company.server.wheels.pins)

    failed = build(company)

    assert failed["failed"] is True
    refused = {"index": "index 401 /simple/h11/", "proxy": f"proxy 407 {NAME}:443"}
    assert refused[which] in company.server.requests()
    status = {"index": "401 Client Error", "proxy": "407 Proxy Authentication Required"}
    assert status[which] in " ".join(failed["lines"])
    assert not [word for word in words if word in json.dumps(failed)]
    assert company.count(f"cat {host.directory}/jobs/*/*", *words) == 0
    assert host.images() == []


def test_a_malformed_proxy_is_named_and_not_repeated(company: Company) -> None:
    host = company.host
    password = company.accounts["proxy"]["password"]
    host.put({"proxy": f"http://build-server:{password}@{company.server.proxy}\n"}, "keys")
    put_context(host, "h11\n", company.server.wheels.pins)

    failed = build(company)

    assert "secret proxy: found 1 lines that are not one address" in failed["found"]
    assert password not in json.dumps(failed)
    assert company.server.requests() == []


@pytest.mark.parametrize("direct", [True, False])
def test_what_no_proxy_names_is_reached_without_it(company: Company, direct: bool) -> None:
    """The lab's hub has the service's wheels; this proxy leads to the company's index only."""
    host, lock = company.host, "locks/full-cu129/packages.txt"
    pin = re.search(r"^h11==.*\n.*\n", (DOCKER / "locks/full-cu128/packages.txt").read_text(), re.M)
    assert pin is not None
    put_context(host, "h11\n", company.server.wheels.pins)
    host.put({lock: f"# {host.prefix}\n{pin[0]}"})

    done = host.build(
        dockerfile=DOCKERFILE,
        target="packages",
        build_args={
            "CUDA": "cu129",
            "OS": "debian12",
            "INDEX_URL": "none",
            "FIND_LINKS": f"http://{HUB_ADDRESS}:{HUB_PORT}/wheels/",
            "NO_PROXY": HUB_ADDRESS if direct else "elsewhere.example.com",
        },
        secrets=company.secrets,
    )

    assert done.get("status") == ("built" if direct else None), done
    assert company.server.requests() == []
    assert direct or "No matching distribution found for h11" in done["found"]


def test_a_lock_is_resolved_with_the_same_secrets(company: Company) -> None:
    host, words = company.host, company.words()
    put_context(host, "h11\n", {})
    secrets = " ".join(f"--secret id={name},src={path}" for name, path in company.secrets.items())
    arguments = f"--build-arg BASE_IMAGE={BASE} --build-arg INDEX_URL={INDEX_URL}"

    printed = host.ssh(
        f"docker buildx build --progress=plain --provenance=false --target lock {secrets} "
        f"--output type=local,dest={host.directory}/lock {arguments} "
        f"--file {host.directory}/context/{DOCKERFILE} {host.directory}/context 2>&1"
    )

    lock = host.ssh(f"cat {host.directory}/lock/*.txt")
    assert company.server.wheels.pins.popitem()[1] in lock
    assert not [word for word in (*words, NAME) if word in lock]
    assert not [word for word in words if word in printed]
