# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package index on the loopback interface with small wheels, for a real pip."""

from __future__ import annotations

import hashlib
import http.server
import io
import threading
import urllib.parse
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

TAG = "cp311-cp311-manylinux_2_28_x86_64"


@dataclass
class PackageIndex:
    """The wheels of one index; hashes in its pages only where they are stated."""

    root: Path
    url: str = ""
    requests: list[str] = field(default_factory=list)
    refused: str = ""
    pins: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(
        self,
        name: str,
        version: str,
        *requires: str,
        tag: str = TAG,
        stated: bool = True,
        below: str = "simple",
    ) -> str:
        """Add a wheel and return its sha256."""
        file_name = name.replace("-", "_")
        directory = self.root / below / name
        directory.mkdir(parents=True, exist_ok=True)
        wheel = directory / f"{file_name}-{version}-{tag}.whl"
        info = f"{file_name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        with zipfile.ZipFile(wheel, "w") as archive:
            for entry, text in {
                f"{file_name}.py": f"version = {version!r}\n",
                f"{info}/METADATA": metadata,
                f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
                f"{info}/RECORD": "",
            }.items():
                archive.writestr(zipfile.ZipInfo(entry), text)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        self.pins[name, version] = digest
        fragment = f"#sha256={digest}" if stated else ""
        with (directory / "index.html").open("a") as page:
            page.write(f'<a href="{urllib.parse.quote(wheel.name)}{fragment}">{wheel.name}</a>\n')
        return digest

    def wheel(self, name: str) -> Path:
        """Return the one wheel of a package."""
        (path,) = (self.root / "simple" / name).glob("*.whl")
        return path

    def fetched(self) -> list[str]:
        """Return the names of the wheels that were fetched so far, sorted."""
        return sorted(
            {Path(urllib.parse.unquote(path)).name for path in self.requests if ".whl" in path}
        )


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files and notes what was asked for."""

    index: PackageIndex

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Note the path, then serve it, or refuse what is not to be had without a password."""
        self.index.requests.append(self.path)
        if self.index.refused and self.path.startswith(self.index.refused):
            self.send_error(http.HTTPStatus.UNAUTHORIZED)
            return None
        return super().send_head()

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the test's output to itself."""


@contextmanager
def package_index(root: Path) -> Iterator[PackageIndex]:
    """Serve an index that tests fill."""
    (root / "simple").mkdir(parents=True)
    index = PackageIndex(root)
    handler = type("Handler", (_Handler,), {"index": index})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(handler, directory=str(root))
    )
    index.url = f"http://127.0.0.1:{server.server_address[1]}/simple/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
