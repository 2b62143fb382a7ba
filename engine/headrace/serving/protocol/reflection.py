"""Server reflection, so that clients such as grpcurl list and describe the services."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from headrace.core.errors import InvalidInputError
from headrace.serving.transport.seam import Call, Conversation, Replies
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import SERVICE

_V1 = "grpc.reflection.v1.ServerReflection"
_V1_ALPHA = "grpc.reflection.v1alpha.ServerReflection"
_METHOD = "ServerReflectionInfo"


class ReflectionService:
    """Answers both versions of the reflection service, whose messages are the same on the wire.

    The library behind it is loaded by the first stream: a server that nobody asks does not pay for it.
    """

    def __init__(self) -> None:
        self.streams: dict[str, Callable[[Call, Replies], Conversation]] = {
            f"/{service}/{_METHOD}": lambda _call, replies: _Reflection(self, replies) for service in (_V1, _V1_ALPHA)
        }

    def describe(self, message: bytes) -> bytes:
        """Answer one reflection request.

        Raises:
            InvalidInputError: the bytes are no such request.
        """
        kind, servicer = self._servicer
        try:
            request = kind.FromString(message)
        except DecodeError as error:
            raise InvalidInputError(f"{len(message)} bytes came that are no reflection request") from error
        (answer,) = servicer.ServerReflectionInfo(iter((request,)), None)
        return bytes(answer.SerializeToString())

    @cached_property
    def _servicer(self) -> tuple[Any, Any]:
        from grpc_health.v1 import health_pb2
        from grpc_reflection.v1alpha import reflection, reflection_pb2

        pool = DescriptorPool()
        for module in (pb, health_pb2, reflection_pb2):
            pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        names = (SERVICE, health, reflection.SERVICE_NAME)
        return reflection_pb2.ServerReflectionRequest, reflection.ReflectionServicer(names, pool=pool)


class _Reflection:
    def __init__(self, service: ReflectionService, replies: Replies) -> None:
        self._service = service
        self._replies = replies

    def received(self, message: bytes) -> None:
        self._replies.send(self._service.describe(message))

    def half_closed(self) -> None:
        self._replies.finish()

    def ended(self) -> None:
        pass
