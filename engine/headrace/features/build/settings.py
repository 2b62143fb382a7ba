"""How a build may use the machine."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.core.errors import InvalidInputError
from headrace.features.build.layout import MAX_PARTITIONS
from headrace.features.device import CPU_ONLY, Devices

GIB = 1 << 30


@dataclass(frozen=True)
class BuildSettings:
    """How a build may use the machine; the result does not depend on it.

    Attributes:
        memory_bytes: what the process may take altogether; larger tables are cut to fit.
        threads: worker threads.
        pieces: cut everything that can be cut into so many chunks or partitions, whatever fits; None cuts as needed.
        devices: CUDA devices for what has kernels there.
    """

    memory_bytes: int = 4 * GIB
    threads: int = 2
    pieces: int | None = None
    devices: Devices = CPU_ONLY

    def __post_init__(self) -> None:
        if self.memory_bytes < GIB // 4:
            raise InvalidInputError(f"memory is {self.memory_bytes:,} bytes; a build needs at least 256 MiB")
        if self.threads < 1:
            raise InvalidInputError(f"threads is {self.threads}; it must be at least 1")
        if self.pieces is not None and not 1 <= self.pieces <= MAX_PARTITIONS:
            raise InvalidInputError(f"pieces is {self.pieces}; allowed: 1 to {MAX_PARTITIONS}")
