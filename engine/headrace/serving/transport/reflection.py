"""Server reflection over descriptors kept out of protobuf's default pool."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import SERVICE

REFLECTION_THREADS = 2


def add_reflection(server: Any) -> None:
    """Let clients such as grpcurl list and describe the services.

    A reflection call is a stream that holds a thread for as long as the client keeps it open, so it gets threads of its
    own: a few curious clients must not take those that answer requests.
    """
    pool = DescriptorPool()
    for module in (pb, health_pb2, reflection_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    names = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
    servicer = reflection.ReflectionServicer(names, pool=pool)
    answer = servicer.ServerReflectionInfo

    def reflect(requests: Any, context: Any) -> Any:
        return answer(requests, context)

    reflect.experimental_thread_pool = ThreadPoolExecutor(REFLECTION_THREADS, "reflection")  # type: ignore[attr-defined]
    servicer.ServerReflectionInfo = reflect
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
