# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be broken on the build server without disturbing anybody else's work on it."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.release.conftest import Lab

# Answers every request over TLS, with a certificate that only its own authority signs.
SERVER = """
import http.server, ssl, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()
    do_GET = do_HEAD
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem", "server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"""
AUTHORITY = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
    "-subj '/CN=Company CA' -keyout ca.key -out ca.pem && "
    "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost "
    "-keyout server.key -out server.csr && printf subjectAltName=DNS:localhost > names && "
    "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
    "-extfile names -out server.pem"
)


@dataclass(frozen=True)
class Daemon:
    """A Docker engine of its own on the build server, and a client that speaks to no other."""

    lab: Lab
    place: str

    @property
    def docker(self) -> str:
        """The client's path."""
        return f"{self.place}/docker"

    def stop(self) -> None:
        """End the engine."""
        gone = "until ! kill -0 $number 2>/dev/null; do sleep 0.1; done"
        self.lab.ssh(
            f"cd {self.place} && [ ! -e pid ] || {{ export number=$(cat pid) && kill $number && "
            f"timeout 30 sh -c {shlex.quote(gone)}; }}"
        )


@contextmanager
def corner(lab: Lab) -> Iterator[str]:
    """A directory of this test on the build server."""
    place = f"/tmp/stt-test-{secrets.token_hex(4)}"
    lab.ssh(f"mkdir -p {place}")
    try:
        yield place
    finally:
        lab.ssh(f"umount {place}/* 2>/dev/null; rm -rf {place}")


def write(lab: Lab, path: str, text: str, mode: str = "755") -> str:
    """Write a file on the build server; returns its path."""
    lab.ssh(f"printf %s {shlex.quote(text)} > {path} && chmod {mode} {path}")
    return path


@contextmanager
def own_daemon(lab: Lab, size: str = "64m") -> Iterator[Daemon]:
    """A Docker engine beside the server's own, its data on a small file system."""
    with corner(lab) as place:
        daemon = Daemon(lab, place)
        write(
            lab, daemon.docker, f'#!/bin/sh\nDOCKER_HOST=unix://{place}/socket exec docker "$@"\n'
        )
        write(lab, f"{place}/daemon.json", "{}")
        options = (
            f"--config-file {place}/daemon.json --data-root {place}/data --exec-root {place}/run "
            f"--pidfile {place}/pid --host unix://{place}/socket --bridge none --iptables=false "
            "--ip6tables=false --containerd-namespace stt-test --containerd-plugins-namespace "
            "stt-test-plugins"
        )
        answers = shlex.quote(f"until {daemon.docker} info >/dev/null 2>&1; do sleep 0.2; done")
        try:
            lab.ssh(
                f"mkdir {place}/data && mount -t tmpfs -o size={size} tmpfs {place}/data && "
                # Without a network of its own it would take away the bridge of the server's engine.
                f"(setsid unshare --net dockerd {options} > {place}/log 2>&1 < /dev/null &) && "
                f"timeout 60 sh -c {answers} || {{ tail {place}/log >&2; exit 1; }}"
            )
            yield daemon
        finally:
            daemon.stop()


@contextmanager
def small_mount(lab: Lab, size: str = "64m") -> Iterator[str]:
    """A small file system; returns where it is mounted."""
    with corner(lab) as place:
        lab.ssh(f"mkdir {place}/small && mount -t tmpfs -o size={size} tmpfs {place}/small")
        yield f"{place}/small"


@contextmanager
def shadow(lab: Lab, script: str) -> Iterator[str]:
    """A program that stands before docker; returns its path."""
    with corner(lab) as place:
        yield write(lab, f"{place}/docker", f"#!/bin/sh\n{script}\n")


@contextmanager
def company_server(lab: Lab) -> Iterator[str]:
    """A server that only the company's own authority vouches for; returns its address."""
    with corner(lab) as place:
        write(lab, f"{place}/server.py", SERVER)
        number = lab.ssh(
            f"cd {place} && ({AUTHORITY}) 2>/dev/null && "
            "(setsid python3 server.py > port 2> log < /dev/null & echo $!)"
        ).strip()
        try:
            port = lab.ssh(
                f"timeout 20 sh -c 'until [ -s {place}/port ]; do sleep 0.1; done' && "
                f"cat {place}/port"
            )
            yield f"https://localhost:{port.strip()}"
        finally:
            lab.ssh(f"kill {number}")
