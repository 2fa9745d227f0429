# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand in for the pip bootstrap script that ansible-test downloads.

ansible-test takes a script from its cache before it downloads one. This one uses the pip that
Python carries, then installs what it is asked for, so that the sanity tests need the package index
and nothing else.
"""

from __future__ import annotations

import subprocess
import sys

# Options of the bootstrap script that pip itself does not know.
BOOTSTRAP_ONLY = {"--no-setuptools", "--no-wheel"}


def main() -> int:
    """Put pip into this environment, then hand the rest of the arguments to it."""
    subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True)
    arguments = [argument for argument in sys.argv[1:] if argument not in BOOTSTRAP_ONLY]
    install = [sys.executable, "-m", "pip", "install", *arguments]
    return subprocess.run(install, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
