# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: a build server and a model hub in containers on this machine."""
