"""The server's life: check the ports, load and warm the models, listen, follow the registry, drain on SIGTERM."""

from __future__ import annotations

from headrace.core.errors import UnimplementedError
from headrace.serving.config import ServingConfig


def serve(config: ServingConfig) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return.

    Raises:
        AlreadyExistsError: a port is taken.
        NotFoundError: a model is not in the registry.
        CorruptedError: a package was altered.
        UnavailableError: CUDA is required and not there.
    """
    raise UnimplementedError(f"serving {', '.join(config.models)} is not wired yet")
