"""Serve a model repository until SIGTERM; the settings are one JSON argument."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from headrace.core.logging import configure_logging
from headrace.serving import ServingConfig, serve
from headrace.serving.config import BatchingConfig, Door


def main() -> None:
    """Serve."""
    configure_logging("json", level="error")
    given = json.loads(sys.argv[1])
    config = ServingConfig(
        repository=Path(given["repository"]),
        door=Door(given["door"]),
        port=given["port"],
        metrics_port=None,
        batching=BatchingConfig(**given["batching"]),
    )
    serve(config)


if __name__ == "__main__":
    main()
