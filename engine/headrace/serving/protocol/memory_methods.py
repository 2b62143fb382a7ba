"""The methods that register shared memory: the system's and CUDA's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headrace.serving.protocol.cuda_memory import CudaRegion
from headrace.serving.protocol.shared_memory import SharedMemory
from headrace.serving.protocol.system_memory import SystemRegion
from headrace.wire import inference_pb2 as pb


class SharedMemoryMethods:
    """SystemSharedMemory* and CudaSharedMemory*.

    Args:
        memory: the registered regions.
    """

    def __init__(self, memory: SharedMemory) -> None:
        self._memory = memory
        self.methods: dict[str, Callable[[Any], Any]] = {
            "SystemSharedMemoryStatus": self._system_status,
            "SystemSharedMemoryRegister": self._register_system,
            "SystemSharedMemoryUnregister": self._unregister_system,
            "CudaSharedMemoryStatus": self._cuda_status,
            "CudaSharedMemoryRegister": self._register_cuda,
            "CudaSharedMemoryUnregister": self._unregister_cuda,
        }

    def _system_status(self, request: pb.SystemSharedMemoryStatusRequest) -> pb.SystemSharedMemoryStatusResponse:
        response = pb.SystemSharedMemoryStatusResponse()
        for region in self._memory.listed(SystemRegion, request.name):
            status = response.regions[region.name]
            status.name, status.key = region.name, region.key
            status.offset, status.byte_size = region.offset, region.byte_size
        return response

    def _register_system(self, request: pb.SystemSharedMemoryRegisterRequest) -> pb.SystemSharedMemoryRegisterResponse:
        self._memory.register_system(request)
        return pb.SystemSharedMemoryRegisterResponse()

    def _unregister_system(
        self, request: pb.SystemSharedMemoryUnregisterRequest
    ) -> pb.SystemSharedMemoryUnregisterResponse:
        self._memory.unregister(SystemRegion, request.name)
        return pb.SystemSharedMemoryUnregisterResponse()

    def _cuda_status(self, request: pb.CudaSharedMemoryStatusRequest) -> pb.CudaSharedMemoryStatusResponse:
        response = pb.CudaSharedMemoryStatusResponse()
        for region in self._memory.listed(CudaRegion, request.name):
            status = response.regions[region.name]
            status.name, status.device_id, status.byte_size = region.name, region.device_id, region.byte_size
        return response

    def _register_cuda(self, request: pb.CudaSharedMemoryRegisterRequest) -> pb.CudaSharedMemoryRegisterResponse:
        self._memory.register_cuda(request)
        return pb.CudaSharedMemoryRegisterResponse()

    def _unregister_cuda(self, request: pb.CudaSharedMemoryUnregisterRequest) -> pb.CudaSharedMemoryUnregisterResponse:
        self._memory.unregister(CudaRegion, request.name)
        return pb.CudaSharedMemoryUnregisterResponse()
