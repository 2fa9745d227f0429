#!/bin/sh
# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Turns a Debian 13 tree into a lab server: start script, docker service, sshd with keys only.
set -eu
root=$1
here=$(dirname "$0")

install -m 0755 "$here/lab-host" "$root/usr/local/sbin/lab-host"
install -m 0755 "$here/docker.init" "$root/etc/init.d/docker"
mkdir -p "$root/etc/ssh/sshd_config.d" "$root/etc/docker" "$root/root/.ssh"
chmod 0700 "$root/root/.ssh"
install -m 0644 "$here/sshd_lab.conf" "$root/etc/ssh/sshd_config.d/lab.conf"
# The lab gives every server its own pinned key.
rm -f "$root"/etc/ssh/ssh_host_*
rm -rf "$root"/var/cache/ldconfig/* "$root"/var/cache/apt/* "$root"/var/log/* "$root"/tmp/*
