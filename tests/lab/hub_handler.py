# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hub answers to which request."""

from __future__ import annotations

import html
import json
import re
from pathlib import PurePosixPath
from typing import Any, cast
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from .hub_faults import Fault, FaultError
from .hub_files import Snapshot
from .hub_http import OWN_PAGES, Answering, EndedError

API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree|paths-info|refs)(?:/(.+))?)?")
RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
STORAGE = re.compile(r"/_storage/([^/]+/[^/]+)/([0-9a-f]{40})/(.+)")
MOST_BODY = 1 << 20
PAGE = b"<!DOCTYPE html><html><body><h1>Sign in to continue</h1></body></html>\n"


class HubHandler(Answering):
    """One connection of a client."""

    def _serve(self) -> None:
        split = urlsplit(self.path)
        self.route = unquote(split.path)
        self.query = {name: values[-1] for name, values in parse_qs(split.query).items()}
        self.names = (self.route,)
        self.left_out = set()
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST_BODY:
            self.close_connection = True
            self._reply(413, b"", "text/plain")
            return
        self.body = self.rfile.read(length) if length else b""
        if self.route in OWN_PAGES:
            self._own_pages()
            return
        self.hub.stats.begin(
            self.command,
            self.route,
            ranged="Range" in self.headers,
            authorized="Authorization" in self.headers,
        )
        try:
            self._find_names(split.path)
            if not self._spoil_request():
                self._answer(split.path)
        except EndedError:
            self.close_connection = True
        finally:
            self.hub.stats.end()

    # --- the hub's own pages -------------------------------------------------------------

    def _own_pages(self) -> None:
        if self.command == "POST" and self.route == "/_control":
            try:
                self._control(json.loads(self.body or b"{}"))
            except (FaultError, ValueError, TypeError) as error:
                self._reply_json(400, {"error": str(error)})
                return
        if self.route == "/_stats":
            self._reply_json(200, self.hub.stats.as_dict())
        elif self.route == "/_health":
            self._reply_json(200, {"repositories": self.hub.repositories.names()})
        else:
            self._reply_json(200, {"faults": self.hub.faults.as_list()})

    def _control(self, order: Any) -> None:
        if not isinstance(order, dict):
            raise FaultError("an order is a JSON object")
        unknown = sorted(set(order) - {"faults", "add", "clear", "clear_stats"})
        if unknown:
            raise FaultError(f"unknown order {unknown[0]!r}")
        if order.get("clear"):
            self.hub.faults.clear()
        if "faults" in order:
            self.hub.faults.replace(order["faults"])
        if "add" in order:
            self.hub.faults.add(**order["add"])
        if order.get("clear_stats"):
            self.hub.stats.clear()

    # --- faults before the answer --------------------------------------------------------

    def _find_names(self, path: str) -> None:
        """Let faults name a file as owner/name/file and a repository as owner/name."""
        match = RESOLVE.fullmatch(path) or STORAGE.fullmatch(path)
        if match:
            repository = unquote(match[1])
            self.names = (self.route, f"{repository}/{unquote(match[3])}", repository)
            return
        match = API.fullmatch(path)
        if match:
            self.names = (self.route, unquote(match[1]))

    def _spoil_request(self) -> bool:
        """Show the faults that replace the answer; True when one did."""
        if fault := self._take("headers"):
            self.left_out = {str(name).lower() for name in cast("list[str]", fault.value)}
        if fault := self._take("delay"):
            self._sleep(fault.number)
        if self._take("drop"):
            raise EndedError
        if fault := self._take("status"):
            extra = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            self._reply_json(int(fault.number), {"error": "planted fault"}, extra)
            return True
        if fault := self._token_refused():
            return True
        if self._take("html"):
            self._reply(200, PAGE, "text/html; charset=utf-8")
            return True
        return False

    def _token_refused(self) -> Fault | None:
        given = self.headers.get("Authorization")
        fault = self.hub.faults.take(
            "token", self.names, self.command, when=lambda fault: given != f"Bearer {fault.value}"
        )
        if fault is not None:
            status = 401 if given is None else 403
            self._refuse(status, "GatedRepo", "Access to this repository is restricted.")
        return fault

    # --- answers -------------------------------------------------------------------------

    def _answer(self, path: str) -> None:
        if self.route.startswith("/wheels"):
            self._wheels(self.route.removeprefix("/wheels"))
        elif match := API.fullmatch(path):
            self._api(unquote(match[1]), match[2] or "revision", match[3] or "main")
        elif match := RESOLVE.fullmatch(path):
            self._resolve(unquote(match[1]), unquote(match[2]), unquote(match[3]))
        elif match := STORAGE.fullmatch(path):
            self._storage(unquote(match[1]), match[2], unquote(match[3]))
        else:
            self._refuse(404, None, "Not Found")

    def _snapshot(self, repository: str, revision: str) -> Snapshot | None:
        """Return the revision's files; None after an error was sent."""
        if not self.hub.repositories.exists(repository):
            self._refuse(404, "RepoNotFound", "Repository not found")
            return None
        moved = self._take("branch")
        target = None if moved is None else str(moved.value)
        snapshot = self.hub.repositories.at(repository, revision, target)
        if snapshot is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        files = {
            name: file
            for name, file in snapshot.files.items()
            if not self.hub.faults.hidden(f"{repository}/{name}")
        }
        return Snapshot(repository, snapshot.commit, files)

    def _api(self, repository: str, part: str, rest: str) -> None:
        if part == "refs":
            self._refs(repository)
            return
        # Only tree has a path after its revision; a branch name with a slash comes quoted.
        revision, _unused, folder = rest.partition("/") if part == "tree" else (rest, "", "")
        snapshot = self._snapshot(repository, unquote(revision))
        if snapshot is None:
            return
        xet = self._take("xet") is not None
        if part == "tree":
            self._tree(snapshot, unquote(folder).strip("/"), xet=xet)
        elif part == "paths-info":
            wanted = self._wanted_paths()
            entries = [snapshot.files[name].entry(xet=xet) for name in wanted & set(snapshot.files)]
            self._reply_json(200, sorted(entries, key=lambda entry: str(entry["path"])))
        else:
            self._reply_json(200, self._revision(snapshot))

    def _refs(self, repository: str) -> None:
        if not self.hub.repositories.exists(repository):
            self._refuse(404, "RepoNotFound", "Repository not found")
            return
        branches = [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": snapshot.commit}
            for name, snapshot in self.hub.repositories.refs(repository).items()
        ]
        if moved := self._take("branch"):
            branches[0]["targetCommit"] = str(moved.value)
        self._reply_json(200, {"branches": branches, "tags": [], "converts": []})

    def _wanted_paths(self) -> set[str]:
        if self.headers.get_content_type() == "application/json":
            return {str(path) for path in json.loads(self.body or b"{}").get("paths", [])}
        return set(parse_qs(self.body.decode()).get("paths", []))

    def _revision(self, snapshot: Snapshot) -> dict[str, Any]:
        siblings: list[dict[str, Any]] = [{"rfilename": name} for name in sorted(snapshot.files)]
        if self.query.get("blobs", "").lower() in ("true", "1"):
            for sibling in siblings:
                entry = snapshot.files[sibling["rfilename"]].entry()
                sibling.update(size=entry["size"], blobId=entry["oid"])
                if "lfs" in entry:
                    lfs = entry["lfs"]
                    sibling["lfs"] = {"sha256": lfs["oid"], "size": lfs["size"], "pointerSize": 135}
        return {
            "_id": snapshot.commit[:24],
            "id": snapshot.repository,
            "modelId": snapshot.repository,
            "sha": snapshot.commit,
            "private": False,
            "gated": False,
            "disabled": False,
            "tags": ["automatic-speech-recognition"],
            "siblings": siblings,
        }

    def _tree(self, snapshot: Snapshot, folder: str, *, xet: bool) -> None:
        prefix = f"{folder}/" if folder else ""
        recursive = self.query.get("recursive", "").lower() in ("true", "1")
        entries: dict[str, dict[str, Any]] = {}
        for name, file in snapshot.files.items():
            if not name.startswith(prefix):
                continue
            inside = PurePosixPath(name.removeprefix(prefix))
            for parent in list(inside.parents)[-2::-1]:
                path = prefix + parent.as_posix()
                entries[path] = {"type": "directory", "oid": file.oid, "size": 0, "path": path}
            entries[name] = file.entry(xet=xet)
        listed = [
            entries[path]
            for path in sorted(entries)
            if recursive or "/" not in path.removeprefix(prefix)
        ]
        if folder and not listed:
            self._refuse(404, "EntryNotFound", f"{folder} does not exist on {snapshot.commit}")
            return
        start = int(self.query.get("cursor", "0"))
        end = start + min(self.hub.page_size, int(self.query.get("limit", self.hub.page_size)))
        extra = {}
        if end < len(listed):
            query = urlencode({**self.query, "cursor": str(end)})
            extra["Link"] = f'<{self._origin()}{urlsplit(self.path).path}?{query}>; rel="next"'
        self._reply_json(200, listed[start:end], extra)

    def _resolve(self, repository: str, revision: str, name: str) -> None:
        snapshot = self._snapshot(repository, revision)
        if snapshot is None:
            return
        headers = {"X-Repo-Commit": snapshot.commit}
        file = snapshot.files.get(name)
        if file is None:
            # A missing file that was asked for uses up one of the fault's requests.
            self._take("missing")
            self._refuse(404, "EntryNotFound", "Entry not found", headers)
            return
        headers |= {"ETag": f'"{file.etag}"', "X-Linked-Size": str(file.size)}
        if file.sha256 is not None:
            headers["X-Linked-ETag"] = f'"{file.sha256}"'
        if self._take("xet"):
            headers["X-Xet-Hash"] = file.etag
        if fault := self._take("redirect"):
            host = self.headers.get("Host", "localhost").partition(":")[0]
            target = f"/_storage/{repository}/{snapshot.commit}/{quote(name)}"
            target = f"{self.hub.scheme}://{host}:{self.hub.storage_port}{target}"
            headers["Location"] = target if fault.value is None else str(fault.value)
            self._reply(302, b"", "text/plain; charset=utf-8", headers)
            return
        self._send_file(file.source, f'"{file.etag}"', headers)

    def _storage(self, repository: str, commit: str, name: str) -> None:
        snapshot = self._snapshot(repository, commit)
        if snapshot is None:
            return
        file = snapshot.files.get(name)
        if file is None:
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        # Storage behind a hub has an ETag of its own, which is not the file's digest.
        etag = f'"{file.etag[:32]}-1"'
        self._send_file(file.source, etag, {"ETag": etag})

    def _origin(self) -> str:
        """Return the address by which the client knows this hub."""
        return f"{self.hub.scheme}://{self.headers.get('Host', 'localhost')}"

    def _wheels(self, inside: str) -> None:
        root = self.hub.wheels
        if root is None or not root.is_dir():
            self._refuse(404, None, "No wheels here")
            return
        files = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*.*"))}
        files = {name: path for name, path in files.items() if path.is_file()}
        name = inside.strip("/")
        if name in files:
            status = files[name].stat()
            etag = f'"{status.st_size:x}-{status.st_mtime_ns:x}"'
            self._send_file(files[name], etag, {"ETag": etag})
            return
        prefix = f"{name}/" if name else ""
        links = [
            f'<a href="/wheels/{quote(path)}">{html.escape(path)}</a><br>'
            for path in files
            if path.startswith(prefix)
        ]
        if name and not links:
            self._refuse(404, None, "No such wheel")
            return
        page = "<!DOCTYPE html><html><body>\n" + "\n".join(links) + "\n</body></html>\n"
        self._reply(200, page.encode(), "text/html; charset=utf-8")


# http.server looks for a method of this name for each kind of request.
for _method in ("GET", "HEAD", "POST"):
    setattr(HubHandler, f"do_{_method}", HubHandler._serve)
