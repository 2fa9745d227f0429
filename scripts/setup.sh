#!/usr/bin/env bash
# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Make .venv from the locked packages and the link that lets Ansible find this checkout as stt.engine.
# Nothing is done when both are there and the lock has not changed. `setup.sh test` also sees to the programs that only
# the tests need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lock=requirements/control.txt
stamp=.venv/.control.sha256

usable() { # a Python that runs, is new enough and can make environments
    "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3; do
        if usable "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

install_packages() { # WHAT-IS-MISSING HOW-TO-INSTALL-IT PACKAGE...
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "$1: not found on this machine; needed to go on; fix: install it ($2)" >&2
        exit 1
    fi
    echo "==> $1 is missing: installing ${*:3} (about 20 s)"
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${@:3}" </dev/null >/dev/null
}

install_python() {
    install_packages "Python >= 3.11 with its venv module" \
        "Debian: apt-get install python3-venv; RHEL: dnf install python3.11" python3-venv
}

install_chromium() { # and letters for the Korean pages
    command -v chromium >/dev/null || install_packages chromium "Debian: apt-get install chromium fonts-nanum" chromium fonts-nanum
}

make_environment() {
    local python wanted
    wanted=$(grep -v '^ *#' "$lock" | sha256sum | cut -d' ' -f1) # comments do not count
    if [ -x .venv/bin/ansible-playbook ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    find_python >/dev/null || install_python
    python=$(find_python) || {
        echo "Python: found none >= 3.11 with the venv module; needed one; fix: install python3.11 or newer" >&2
        exit 1
    }
    echo "==> Control-side packages into .venv, from $lock with $("$python" --version) (1 to 3 minutes, once)"
    "$python" -m venv --clear .venv
    .venv/bin/python -m pip install -qq --no-input --disable-pip-version-check --require-hashes -r "$lock"
    echo "$wanted" >"$stamp"
}

make_link() {
    local link=.collections/ansible_collections/stt/engine
    mkdir -p "${link%/*}"
    [ "$(readlink "$link" 2>/dev/null)" = "../../.." ] || ln -sfn ../../.. "$link"
}

mkdir -p .collections
exec 9>.collections/.setup.lock
if command -v flock >/dev/null; then
    flock 9 # two makes at once: the second waits and then finds everything there
fi
make_environment
make_link
if [ "${1:-}" = test ]; then
    install_chromium
fi
