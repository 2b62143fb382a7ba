"""A worker's process: `python -m headrace.serving.workers DESCRIPTOR NUMBER`, started by the supervisor alone."""

from __future__ import annotations

import gc
import socket
import sys

from headrace.core.logging import configure_logging
from headrace.serving.workers.worker import Worker

if __name__ == "__main__":
    gc.set_threshold(200_000, 20, 20)  # as the command line does: imports make objects that stay
    configure_logging("auto", fields={"worker": int(sys.argv[2])})
    Worker(socket.socket(fileno=int(sys.argv[1]))).run()
