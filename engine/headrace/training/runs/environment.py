"""What a run ran on: enough to tell two machines apart, nothing that names a person or a secret."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import Any

# Distributions whose version may change what a run finds, or how long it takes.
LIBRARIES = (
    "fairlearn", "headrace", "lightgbm", "numba", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "optuna", "polars",
    "pyarrow", "scikit-learn", "scipy",
)  # fmt: skip


def describe_environment(*, threads: int) -> dict[str, Any]:
    """Python, platform, processors and the installed libraries' versions, as JSON data.

    Args:
        threads: compute threads of the run.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count() or 0,
        "threads": threads,
        "libraries": {name: version for name in LIBRARIES if (version := _installed(name)) is not None},
    }


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
