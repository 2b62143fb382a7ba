from collections.abc import Sequence
from typing import Any, TypeAlias

NGHTTP2_VERSION: str
TLS: bool

Sparse: TypeAlias = list[tuple[int, int]]
Stages: TypeAlias = Sequence[tuple[float, float, float]]

def bucket(nanoseconds: int, /) -> int: ...
def arrivals(stages: Stages, poisson: bool, seed: int, count: int, /) -> list[int]: ...

class Settings:
    host: str
    port: str
    authority: str
    path: str
    metadata: list[tuple[str, str]]
    timeout_ms: float
    tls: bool
    ca_file: str
    certificate_file: str
    key_file: str
    server_name: str
    value_bytes: int
    tolerance: float
    connections: int
    streams: int
    threads: int
    poisson: bool
    seed: int
    warmup_s: float
    duration_s: float
    max_requests: int
    drain_s: float
    connect_s: float
    interval_s: float
    max_samples: int
    def set_bodies(self, bodies: Sequence[bytes], /) -> None: ...
    def set_expected(self, raw: Sequence[bytes], /) -> None: ...
    def set_stages(self, stages: Stages, /) -> None: ...

class Generator:
    def __init__(self, settings: Settings, /) -> None: ...
    def start(self) -> str: ...
    def wait(self, seconds: float, /) -> bool: ...
    def stop(self) -> None: ...
    def intervals(self, since: int, /) -> list[tuple[list[int], int, int, int, Sparse]]: ...
    def result(self) -> dict[str, Any]: ...
