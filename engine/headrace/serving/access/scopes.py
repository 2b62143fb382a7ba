"""Which scope a method asks for."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

from headrace.wire.methods import SERVICE


class Scope(Enum):
    """What a key may do; `*` is everything, methods without a scope of their own included."""

    INFER = "infer"
    READ = "read"
    CONTROL = "control"
    ALL = "*"


OPEN = frozenset({"ServerLive", "ServerReady"})
"""Methods of the service that anybody may call, as health may be: probes carry no keys."""

METHOD_SCOPES: dict[str, Scope] = {
    "ModelInfer": Scope.INFER,
    "ModelStreamInfer": Scope.INFER,
    "ServerMetadata": Scope.READ,
    "ModelReady": Scope.READ,
    "ModelMetadata": Scope.READ,
    "ModelConfig": Scope.READ,
    "ModelStatistics": Scope.READ,
    "RepositoryIndex": Scope.READ,
    "SystemSharedMemoryStatus": Scope.READ,
    "CudaSharedMemoryStatus": Scope.READ,
    "RepositoryModelLoad": Scope.CONTROL,
    "RepositoryModelUnload": Scope.CONTROL,
    "SystemSharedMemoryRegister": Scope.CONTROL,
    "SystemSharedMemoryUnregister": Scope.CONTROL,
    "CudaSharedMemoryRegister": Scope.CONTROL,
    "CudaSharedMemoryUnregister": Scope.CONTROL,
    "TraceSetting": Scope.CONTROL,
    "LogSettings": Scope.CONTROL,
}

_HEALTH = "/grpc.health.v1.Health/"
_REFLECTION = "/grpc.reflection."


@lru_cache(maxsize=256)  # asked for every call; a client may make paths up
def scope_of(path: str) -> Scope | None:
    """Scope that a call of this HTTP/2 path needs; None where anybody may call it.

    A method that the table does not know needs `*`: what is added later is closed until somebody opens it.
    """
    service, _, method = path.removeprefix("/").rpartition("/")
    if path.startswith(_HEALTH) or (service == SERVICE and method in OPEN):
        return None
    if path.startswith(_REFLECTION):
        return Scope.READ
    return METHOD_SCOPES.get(method, Scope.ALL) if service == SERVICE else Scope.ALL
