#!/bin/sh
# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Turns a minimal Debian 12 tree into the layout of UBI 8 python-311: venv and user of s2i.
set -eu
root=$1

echo 'default:x:1001:0:Default Application User:/opt/app-root/src:/sbin/nologin' >>"$root/etc/passwd"
# Written by hand: useradd would store today's date.
echo 'default:!:20000:0:99999:7:::' >>"$root/etc/shadow"

mkdir -p "$root/opt/app-root/src" "$root/usr/libexec/s2i"
chroot "$root" python3.11 -m venv /opt/app-root
# Compiled files that hold a hash stay valid whatever the archive does to time stamps.
find "$root/opt/app-root" -name __pycache__ -prune -exec rm -rf {} +
chroot "$root" /opt/app-root/bin/python -m compileall -q \
    --invalidation-mode unchecked-hash /opt/app-root/lib
chown -R 1001:0 "$root/opt/app-root"
chmod -R g+rwX "$root/opt/app-root"

printf '#!/bin/bash\nexec "$@"\n' >"$root/usr/bin/container-entrypoint"
printf '#!/bin/bash\necho "Stand-in for UBI 8 python-311: build an image FROM it."\n' \
    >"$root/usr/libexec/s2i/usage"
chmod 0755 "$root/usr/bin/container-entrypoint" "$root/usr/libexec/s2i/usage"

rm -rf "$root"/var/cache/ldconfig/* "$root"/var/cache/apt/* "$root"/var/log/* "$root"/tmp/*
