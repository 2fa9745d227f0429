#!/bin/sh
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: prove.sh PRIVATE_KEY VERIFY_ARGUMENT... : verify.sh with the public half of a private key,
# for the controller that holds the key.
set -eu
private=$1
shift
public=$(mktemp)
trap 'rm -f "$public"' EXIT
if ! openssl pkey -in "$private" -pubout -out "$public" 2>/dev/null; then
    printf 'not judged: the key\n  found:  %s, which openssl does not read as a private key\n' "$private"
    printf '  needed: the key that sealed, or its public half\n'
    printf '  fix:    set release_seal_key_file, or release_seal_public_key\n'
    exit 2
fi
sh "$(dirname "$0")/verify.sh" "$public" "$@"
