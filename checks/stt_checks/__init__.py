# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of an engine image and its models, carried into the container that they judge."""
