# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory of clips: ``clips.json`` read and judged, and each recording looked at.

Read on the controller before anything is touched, and again by the checks in the container.
"""

from __future__ import annotations

import json
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ._judgement import Judgement

INDEX = "clips.json"
SPEECH, LONG, SILENCE = KINDS = ("speech", "long", "silence")
KEYS = ("file", "kind", "text", "language", "model", "limits")
LIMITS = ("cer", "wer")
# Where an entry names no limit. Words count only where somebody asks for it: Korean may be spaced
# in more than one right way.
CER = 0.2
# As Whisper's own tokenizer has them.
_CODES = """
af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he
hi hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl
nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz
vi yi yo yue zh
"""
LANGUAGES = frozenset(_CODES.split())
# How recordings begin, of every kind that FFmpeg's libraries are likely to meet here.
BEGINNINGS = (
    *(b"RIFF", b"RIFX", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b"caff", b"#!AMR", b".snd"),
    *(b"wvpk", b"MAC ", b"ADIF", b"\x1aE\xdf\xa3", b"0&\xb2u", b"\x0bw"),
)
BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
# What is often found in a recording's place.
STRANGERS = (
    (b"version https://git-lfs", "a Git LFS pointer (git lfs pull fetches the recording)"),
    (b"<", "a page of HTML or XML"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"%PDF", "a PDF document"),
)
SPECIAL = "a special file"
MEND = "correct the entry; docs/clips.md describes each key"
SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Entry:
    """One clip as ``clips.json`` describes it; None is what its user does not know."""

    file: str
    kind: str
    text: str | None
    language: str | None
    model: str | None
    cer: float
    wer: float | None

    @property
    def name(self) -> str:
        """What the clip is called: its file's name without directories."""
        return PurePosixPath(self.file).name


def judge_clips(directory: Path) -> tuple[list[Entry], Judgement]:
    """The clips of a directory, and everything that is wrong with it."""
    judgement = Judgement()
    index = directory / INDEX
    instead = _no_directory(directory)
    if instead:
        judgement.add(
            f"clips {directory}",
            instead,
            f"a directory with {INDEX} and the recordings that it lists",
            "correct model_check_clips, or remove it to have the collection's own clips",
        )
        return [], judgement
    entries = []
    for number, given in enumerate(_read(index, judgement), start=1):
        entry = _Judge(directory, number, judgement).entry(given)
        if entry is not None:
            entries.append(entry)
    _judge_names(index, entries, judgement)
    if not judgement.findings and all(entry.kind == SILENCE for entry in entries):
        judgement.add(
            str(index),
            "no clip in which somebody speaks",
            f"a clip of kind {SPEECH} or {LONG}: silence alone shows of no model that it hears",
            "put a recording of speech beside them; docs/clips.md describes how",
        )
    return entries, judgement


def _no_directory(directory: Path) -> str:
    """What is there instead of a directory; empty for one."""
    try:
        if directory.is_dir():
            return ""
        return "a file" if directory.exists() else "no such directory"
    except OSError as error:
        return f"a directory that cannot be read ({error.strerror})"


def _read(index: Path, judgement: Judgement) -> list[Any]:
    fix = f"write {INDEX} as docs/clips.md describes it"
    try:
        if _is_special(index):
            judgement.add(str(index), SPECIAL, "a JSON list with one object for each clip", fix)
            return []
        document = json.loads(index.read_bytes(), object_pairs_hook=_once)
    except FileNotFoundError:
        judgement.add(str(index), "no such file", "a JSON list with one object for each clip", fix)
    except UnicodeDecodeError:
        fix = "save it again in UTF-8"
        judgement.add(str(index), "text that is not in UTF-8", "JSON in UTF-8", fix)
    except (OSError, ValueError, RecursionError) as error:
        judgement.add(str(index), f"a file that is no JSON ({error})", "a JSON list of clips", fix)
    else:
        if isinstance(document, list) and document:
            return document
        found = "an empty list" if document == [] else f"no list but {_show(document)}"
        judgement.add(str(index), found, "a list with one object for each clip", fix)
    return []


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _value in pairs]
        twice = [name for name in found if names.count(name) > 1]
        raise ValueError(f"the key {twice[0]!r} twice in one object")
    return found


def _judge_names(index: Path, entries: list[Entry], judgement: Judgement) -> None:
    names = [entry.name for entry in entries]
    for name in sorted({name for name in names if names.count(name) > 1}):
        judgement.add(
            str(index),
            f"{names.count(name)} clips of the name {name}",
            "a name of its own for each recording: texts are kept by it",
            "rename the files, or remove the entry that is there twice",
        )


class _Judge:
    """Judges one entry; what is wrong is added by number and file."""

    def __init__(self, directory: Path, number: int, judgement: Judgement) -> None:
        self.directory = directory
        self.judgement = judgement
        self.object = f"{directory / INDEX}, clip {number}"
        self.good = True

    def entry(self, given: Any) -> Entry | None:
        """The entry, or None when it is not one."""
        if not isinstance(given, dict):
            self._add(f"{_show(given)}", "an object with the key file")
            return None
        file = given.get("file")
        if not isinstance(file, str) or not file:
            self._add(
                f"file {_show(file)}" if "file" in given else "no key file",
                "the name of a recording",
            )
            return None
        odd = _odd(file, "Cc", "Cs")
        self.object += f" ({_show(file) if odd else file})"
        if odd:
            self._add(f"a name with {odd}", "a name that a file can have and a report can show")
            return None
        for key in sorted(given.keys() - set(KEYS)):
            self._add(f"the key {_show(key)}", f"keys out of {', '.join(KEYS)}")
        kind = SPEECH if given.get("kind") is None else given["kind"]
        if kind not in KINDS:
            self._add(f"kind {_show(kind)}", f"one of {', '.join(KINDS)}")
        entry = Entry(
            file,
            str(kind),
            self._text(given.get("text"), kind),
            self._language(given.get("language")),
            self._model(given.get("model")),
            *self._limits(given.get("limits")),
        )
        self._file(file)
        return entry if self.good else None

    def _add(self, found: str, needed: str, fix: str = MEND) -> None:
        self.good = False
        self.judgement.add(self.object, found, needed, fix)

    def _text(self, text: Any, kind: Any) -> str | None:
        if text is None:
            return None
        if not isinstance(text, str):
            self._add(f"text {_show(text)}", "what is said, or null where nobody has typed it")
            return None
        if _odd(text, "Cs"):
            self._add(f"text with {_odd(text, 'Cs')}", "what is said, in whole characters")
            return None
        if kind == SILENCE:
            self._add(f"text {_show(text)} for a silence", "text null: nobody speaks in a silence")
        elif not any(letter.isalnum() for letter in text):
            self._add(
                f"text {_show(text)}, without a letter or digit",
                "what is said, null where nobody has typed it, or kind silence",
            )
        return text

    def _language(self, language: Any) -> str | None:
        if language is None:
            return None
        if isinstance(language, str) and language in LANGUAGES:
            return language
        self._add(
            f"language {_show(language)}",
            "a code that Whisper knows, or null where it may be any",
            "write ko for Korean, en for English, or the code of the language that is spoken",
        )
        return None

    def _model(self, model: Any) -> str | None:
        if model is None:
            return None
        if isinstance(model, str) and _odd(model, "Cs"):
            self._add(f"model with {_odd(model, 'Cs')}", "the name of a repository, or null")
            return None
        if isinstance(model, str) and model:
            return model
        self._add(
            f"model {_show(model)}", "a repository such as openai/whisper-large-v3-turbo, or null"
        )
        return None

    def _limits(self, limits: Any) -> tuple[float, float | None]:
        if limits is None:
            return CER, None
        if not isinstance(limits, dict):
            self._add(f"limits {_show(limits)}", "an object with cer, wer or both")
            return CER, None
        for key in sorted(limits.keys() - set(LIMITS)):
            self._add(f"the limit {_show(key)}", f"limits out of {', '.join(LIMITS)}")
        set_limits = {key: limits[key] for key in LIMITS if limits.get(key) is not None}
        for key, value in set_limits.items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not 0.0 <= value <= 1.0:
                self._add(f"limits.{key} {_show(value)}", "a number from 0 to 1")
                return CER, None
        return float(set_limits.get("cer", CER)), set_limits.get("wer")

    def _file(self, file: str) -> None:
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts:
            self._add(
                "a path that leaves the directory",
                f"a path below {self.directory}",
                "put the recording into the directory",
            )
            return
        for found in _not_audio(self.directory / file):
            self._add(
                found,
                "a recording (wav, flac, mp3, m4a, ogg)",
                "put the recording there, or remove the entry",
            )


def _not_audio(path: Path) -> Iterator[str]:
    """What a file is instead of a recording; nothing for one that begins like one."""
    try:
        if _is_special(path):
            yield SPECIAL
            return
        with path.open("rb") as stream:
            head = stream.read(512)
    except FileNotFoundError:
        yield "no such file" + _alike(path)
        return
    except OSError as error:
        yield f"a file that cannot be read ({error.strerror})"
        return
    if not head:
        yield "an empty file"
        return
    sound = head.lstrip(b"\0")
    frame = len(sound) > 1 and sound[0] == 0xFF and sound[1] >= 0xE0
    if frame or head.startswith(BEGINNINGS) or head[4:8] in BOXES:
        return
    for beginning, name in STRANGERS:
        if head.lstrip().startswith(beginning):
            yield name
            return
    yield f"a file that begins as no recording does ({head[:8].hex(' ')})"


def _alike(path: Path) -> str:
    """A hint at a name that looks the same: macOS takes Korean letters apart in names of files."""
    wanted = unicodedata.normalize("NFC", path.name)
    folder = path.parent
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        # Whose names nobody can list can have no name alike.
        names = []
    if any(unicodedata.normalize("NFC", name) == wanted for name in names):
        return ", but one whose name looks the same in another Unicode form (NFC and NFD)"
    near = [name for name in names if name.lower() == path.name.lower()]
    return f", but one named {near[0]}" if near else ""


def _is_special(path: Path) -> bool:
    """Whether a path is something that may never end, or wait for ever, when it is read."""
    mode = path.stat().st_mode
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _odd(text: str, *categories: str) -> str:
    """The first character of one of Unicode's categories, as words; empty where there is none.

    Half a surrogate pair is no character: no file can be named so, and no report be written.
    """
    odd = [letter for letter in text if unicodedata.category(letter) in categories]
    return f"the character U+{ord(odd[0]):04X}" if odd else ""


def _show(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    except RecursionError:
        return "a value of too many levels to be shown"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."
