#!/usr/bin/env bash
# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Resolve requirements/*.in into hash-locked *.txt without naming an index: control.txt for every Python >= 3.11 and
# platform, tools.txt for the servers only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../requirements"

for source in *.in; do
    target=${source%.in}.txt
    options=(--universal)
    case $source in
    tools.in)
        # Models travel over plain HTTP; hf-xet alone is bigger than all the others.
        options=(--python-platform linux --no-emit-package hf-xet)
        ;;
    tools-xet.in) options=(--python-platform linux) ;;
    esac
    echo "==> requirements/$source -> requirements/$target (seconds)"
    uv pip compile --quiet --no-config --upgrade --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-header "${options[@]}" "$source" --output-file "$target.new"
    {
        printf '# Copyright (c) stt.engine contributors\n# SPDX-License-Identifier: GPL-3.0-or-later\n#\n'
        echo "# Made from $source by 'make lock'."
        cat "$target.new"
    } >"$target"
    rm "$target.new"
done
echo "    Next: make setup takes the new control.txt; git diff shows what moved."
