# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a name stands for a secret, and whether its value may be one."""

from __future__ import annotations

import re

SECRET_NAME = re.compile(
    r"(?i)passw(?:or)?d|passphrase|secret|token(?!i[sz]|s(?:$|[_.-]))|api[_-]?key|art[_-]api$"
    r"|(?:access|private|account|signing|encryption|deploy|master)[_-]?key|credential"
    r"|[a-z0-9][_.-](?:pass|pwd|pat|pw)$|^(?:pass|pw)$|(?:db|user|require)pass$|(?:^|[:/])_auth$"
)
# Its value says where something is, or whether, and not what it is.
HARMLESS_NAME = re.compile(
    r"(?i)(?:file|path|dir|url|uri|name|type|length|size|ttl|timeout|env|stdin|store|limit|count"
    r"|min|max|expiry|expires|format|header|prefix|policy|algorithm|helper|class|rate|budget)$"
    # What language models call the marks of their texts.
    r"|(?:^|[_.])(?:bos|eos|pad|unk|sep|cls|mask|start|end|stop|special|begin|image|audio|text"
    r"|next|last|first|prefix|suffix|decoder|prompt|transcript)_token$"
)
# Takes no value, so that the word behind it is another argument.
SWITCH = re.compile(
    r"(?i)(?:no|disabled?|without|skip|use|with|allow|enable|generate|show|ask|prompt|save|empty"
    r"|force|require|reset|hide|implicit)-"
)
PLACEHOLDER = re.compile(
    r"(?i)[$<{*\\^(`@#].*|\[[^\]]*|%(?:[sd(]|\w+%).*|\.\*.*|~.*|x+|\.+|-?\d{1,9}|-?\d*\.\d+(?:e-?\d+)?"
    r"|v?(?:\d:)?\d+(?:\.(?:\d+|\*))+[\w.+~:-]{0,24}"
    r"|true|false|yes|no|none|null|nil|undefined|on|off|enabled|disabled|str|string|bytes|int|bool"
    r"|integer|boolean|object|array|text|optional\b.*|secret|required|pass|passwd|password"
    r"|passphrase|token|example|changeme|change-me|redacted|files|compat|generic|basic|bearer"
    r"|jwt|default|prompt|stdin|your[_-].*|my[_-]?(?:token|password|secret|api[_-]?key)"
    r"|(?:file|env|fd|id|src|source|type):?=?[:=].*"
)
PATH = re.compile(r"\.{0,2}/.*")
# A path's parts are words; what is made by chance has letters of both kinds and digits in a row.
BY_CHANCE = re.compile(r"(?=[\w+]*[a-z])(?=[\w+]*[A-Z])(?=[\w+]*\d)[\w+]{20,}")
CODE = re.compile(r"[A-Za-z_][\w.]*[\[(].*")
REFERENCE = re.compile(r"[A-Za-z_]+(?:[._]+[A-Za-z_]+)+")
CLOSING = ")]},'\"\\"
SHORTEST = 4


def names_a_secret(name: str, value: str) -> bool:
    """Whether a name stands for a secret and its value may be one."""
    return (
        bool(SECRET_NAME.search(name))
        and not HARMLESS_NAME.search(name)
        and not is_placeholder(value)
        and len(value.strip().rstrip(CLOSING)) >= SHORTEST
    )


def is_placeholder(value: str) -> bool:
    """Whether a value only stands for another one, or says that there is none."""
    bare = value.strip().rstrip(CLOSING)
    if PATH.fullmatch(bare):
        return not BY_CHANCE.search(bare)
    if REFERENCE.fullmatch(bare) and SECRET_NAME.search(bare):
        return True
    return not bare or bool(PLACEHOLDER.fullmatch(bare))


def is_code(value: str) -> bool:
    """Whether a value without quotes is an expression of a program."""
    return bool(CODE.fullmatch(value.rstrip(CLOSING)))


def is_switch(name: str) -> bool:
    """Whether an option of this name takes no value."""
    return bool(SWITCH.match(name))
