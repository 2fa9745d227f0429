# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An index of small wheels on the lab's build server, and a context that installs them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from locks.lock_from_report import Pin, lock_files, locked_versions

from tests.integration.build_host import CHECKOUT, BuildHost
from tests.lab.layout import BUILD_HOST, Places, cache_root
from tests.unit.stt_engine.package_index import PackageIndex

DOCKER = CHECKOUT / "docker"
SERVER = Path(__file__).with_name("index_server.py")
DOCKERFILE = "Dockerfile.engine.rhel89"
# Made up, and so the names of nothing else; only the proxy knows where it is.
NAME = "packages.company.test"


class PackageServer:
    """Wheels that are made here and served on the build server, where its builds reach them."""

    def __init__(self, host: BuildHost, scratch: Path) -> None:
        self.wheels = PackageIndex(scratch / "www")
        self._host = host
        self.place = f"{host.directory}/index"
        self.ports: dict[str, int] = {}
        self._pid = ""

    def url(self, path: str = "simple/") -> str:
        """Where a build finds the index without a proxy."""
        return f"http://{BUILD_HOST.address}:{self.ports['index']}/{path}"

    @property
    def proxy(self) -> str:
        """Host and port of the proxy, as a build reaches it."""
        return f"{BUILD_HOST.address}:{self.ports['proxy']}"

    def publish(self) -> None:
        """Bring the wheels as they are now to the server."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(self.wheels.root, arcname="www")
        self._host.ssh(f"rm -rf {self.place}/www")
        self._host.unpack(packed.getvalue(), "index")

    def start(self, settings: Mapping[str, object]) -> None:
        """Start both servers; returns when they listen."""
        self._host.put(
            {"settings.json": json.dumps(settings), "server.py": SERVER.read_text()}, "index"
        )
        self._pid = self._host.ssh(
            f"rm -f {self.place}/ports.json; setsid python3 {self.place}/server.py {self.place} "
            f">{self.place}/errors 2>&1 </dev/null & echo $!"
        ).strip()
        wait = f"until [ -s {self.place}/ports.json ]; do kill -0 {self._pid} || exit 1; done"
        self._host.ssh(f"timeout 30 sh -c '{wait}' || {{ cat {self.place}/errors >&2; false; }}")
        self.ports = json.loads(self._host.ssh(f"cat {self.place}/ports.json"))

    def requests(self) -> list[str]:
        """What was asked for since the last call: server, status and path."""
        log = f"{self.place}/requests.log"
        return self._host.ssh(f"cat {log} && : > {log}").splitlines()

    def stop(self) -> None:
        """End the servers."""
        if self._pid:
            self._host.ssh(f"kill {self._pid} 2>/dev/null; true")


@contextmanager
def package_server(host: BuildHost) -> Iterator[PackageServer]:
    """An index that is not started yet; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="stt-index-") as scratch:
        (Path(scratch) / "www" / "simple").mkdir(parents=True)
        server = PackageServer(host, Path(scratch))
        try:
            yield server
        finally:
            server.stop()


def add_locked_pip(server: PackageServer) -> None:
    """Serve the very pip that docker/locks/resolver.txt names."""
    wheels = Places(cache_root()).wheels
    fill = [sys.executable, str(DOCKER / "locks" / "fill_wheelhouse.py"), "--dest", str(wheels)]
    lock = DOCKER / "locks" / "resolver.txt"
    done = subprocess.run(
        [*fill, "--lock", str(lock)], capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode != 0:
        raise AssertionError(f"the resolver's pip cannot be fetched: {done.stderr}")
    (wheel,) = wheels.glob(f"pip-{locked_versions(lock)['pip']}-*.whl")
    directory = server.wheels.root / "simple" / "pip"
    directory.mkdir()
    (directory / wheel.name).write_bytes(wheel.read_bytes())
    (directory / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>\n')


def put_context(host: BuildHost, requirements: str, pins: Mapping[tuple[str, str], str]) -> str:
    """Copy docker/ to the server, with other requirements and a lock full-cu129 of these pins.

    Without pins there is no such lock. Returns the context's path.
    """
    names = [DOCKERFILE, ".dockerignore", "locks/resolver.txt"]
    names += [str(path.relative_to(DOCKER)) for path in sorted(DOCKER.glob("image/*.py"))]
    names += [str(path.relative_to(DOCKER)) for path in sorted(DOCKER.glob("locks/*.py"))]
    files = {name: (DOCKER / name).read_text() for name in names}
    files["requirements/resolver.in"] = (DOCKER / "requirements" / "resolver.in").read_text()
    files["requirements/full.in"] = requirements
    if pins:
        made = lock_files(Pin(name, version, digest) for (name, version), digest in pins.items())
        files.update({f"locks/full-cu129/{name}": text for name, text in made.items()})
    return host.put(files)
