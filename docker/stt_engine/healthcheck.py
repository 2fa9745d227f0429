# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exit 0 when the service of this container is healthy; what ``HEALTHCHECK`` runs."""

from __future__ import annotations

import http.client
import os
import sys

# Below the HEALTHCHECK's own time limit, so that a hang is reported with a reason.
TIMEOUT_SECONDS = 8


def main() -> int:
    """Ask /health once and print its answer."""
    port = int(os.environ.get("STT_PORT") or 8003)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        print(response.status, response.read(4096).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        print(f"127.0.0.1:{port}: {error!r}")
        return 1
    finally:
        connection.close()
    return 0 if response.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
