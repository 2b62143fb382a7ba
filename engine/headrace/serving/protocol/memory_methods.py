"""The methods that register shared memory: the system's, and CUDA's, which is not here and says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headrace.core.errors import UnimplementedError
from headrace.serving.protocol.shared_memory import SystemRegions
from headrace.wire import inference_pb2 as pb


class SharedMemoryMethods:
    """SystemSharedMemory* and CudaSharedMemory*.

    Args:
        regions: the registered regions of system shared memory.
    """

    def __init__(self, regions: SystemRegions) -> None:
        self._regions = regions
        self.methods: dict[str, Callable[[Any], Any]] = {
            "SystemSharedMemoryStatus": self._status,
            "SystemSharedMemoryRegister": self._register,
            "SystemSharedMemoryUnregister": self._unregister,
            "CudaSharedMemoryStatus": lambda _: pb.CudaSharedMemoryStatusResponse(),
            "CudaSharedMemoryRegister": self._register_cuda,
            "CudaSharedMemoryUnregister": lambda _: pb.CudaSharedMemoryUnregisterResponse(),
        }

    def _status(self, request: pb.SystemSharedMemoryStatusRequest) -> pb.SystemSharedMemoryStatusResponse:
        response = pb.SystemSharedMemoryStatusResponse()
        for region in self._regions.listed(request.name):
            status = response.regions[region.name]
            status.name, status.key = region.name, region.key
            status.offset, status.byte_size = region.offset, region.byte_size
        return response

    def _register(self, request: pb.SystemSharedMemoryRegisterRequest) -> pb.SystemSharedMemoryRegisterResponse:
        self._regions.register(request.name, request.key, request.offset, request.byte_size)
        return pb.SystemSharedMemoryRegisterResponse()

    def _unregister(self, request: pb.SystemSharedMemoryUnregisterRequest) -> pb.SystemSharedMemoryUnregisterResponse:
        self._regions.unregister(request.name)
        return pb.SystemSharedMemoryUnregisterResponse()

    def _register_cuda(self, request: pb.CudaSharedMemoryRegisterRequest) -> Any:
        raise UnimplementedError(
            f"CUDA shared memory region '{request.name}': this server runs its models' inputs and outputs through host "
            "memory and takes no CUDA handles",
            hint="use system shared memory",
        )
