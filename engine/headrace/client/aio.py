"""The client for asyncio code; the same names and meanings as the sync one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import grpc
import grpc.aio
import numpy.typing as npt

from headrace.client.channel import OPTIONS, error_from_call
from headrace.client.messages import InferCall, InferResult, ModelDescription, read_metadata, read_response
from headrace.client.sync import DEFAULT_TIMEOUT_S
from headrace.core.errors import UnavailableError
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS


class AsyncClient:
    """Talk to one server from the event loop that is running when the client is made.

    Args:
        address: `host:port`.
        timeout_s: how long a call may take.
    """

    def __init__(self, address: str = "127.0.0.1:8001", *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self._channel = grpc.aio.insecure_channel(address, options=OPTIONS)
        self._calls: dict[str, Any] = {
            method.name: self._channel.unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
            for method in METHODS.values()
            if not method.streaming
        }

    async def infer(
        self,
        model: str,
        features: npt.ArrayLike,
        *,
        version: str = "",
        request_id: str = "",
        ids: Sequence[str] | None = None,
        routing_key: str | None = None,
    ) -> InferResult:
        """Score rows in one request; arguments and errors as `Client.infer`."""
        call = InferCall(model, features, version, request_id, ids, routing_key)
        return read_response(await self._call("ModelInfer", call.to_message()))

    async def ready(self, model: str | None = None, version: str = "") -> bool:
        """Whether the server, or one model of it, takes requests; False also where nothing answers."""
        try:
            if model is None:
                return bool((await self._call("ServerReady", pb.ServerReadyRequest())).ready)
            return bool((await self._call("ModelReady", pb.ModelReadyRequest(name=model, version=version))).ready)
        except UnavailableError:
            return False

    async def metadata(self, model: str, version: str = "") -> ModelDescription:
        """Describe a model: versions, inputs, outputs.

        Raises:
            NotFoundError: the server has no such model or version.
        """
        return read_metadata(await self._call("ModelMetadata", pb.ModelMetadataRequest(name=model, version=version)))

    async def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def _call(self, method: str, message: Any) -> Any:
        try:
            return await self._calls[method](message, timeout=self.timeout_s)
        except grpc.aio.AioRpcError as error:
            raise error_from_call(error, self.address) from None
