"""The client for ordinary code: one call, one answer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Self

import grpc
import numpy.typing as npt

from headrace.client.channel import OPTIONS, error_from_call
from headrace.client.messages import (
    InferCall,
    InferResult,
    ModelDescription,
    as_features,
    read_metadata,
    read_response,
)
from headrace.core.errors import HeadraceError, UnavailableError
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS

DEFAULT_TIMEOUT_S = 10.0


class Client:
    """Talk to one server; safe to share between threads.

    Args:
        address: `host:port`.
        timeout_s: how long a call may take.
    """

    def __init__(self, address: str = "127.0.0.1:8001", *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self._channel = grpc.insecure_channel(address, options=OPTIONS)
        self._calls: dict[str, Any] = {
            method.name: self._channel.unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
            for method in METHODS.values()
            if not method.streaming
        }

    def infer(
        self,
        model: str,
        features: npt.ArrayLike,
        *,
        version: str = "",
        request_id: str = "",
        ids: Sequence[str] | None = None,
        routing_key: str | None = None,
    ) -> InferResult:
        """Score rows in one request.

        Args:
            model: name of the model.
            features: float32[n_rows, n_features]; NaN = missing.
            version: a version of the model; empty: the server's router chooses.
            request_id: echoed in the answer; names the predictions where `ids` are not given.
            ids: one prediction id a row, for joining labels later.
            routing_key: what a sticky split hashes; None: the request id.

        Raises:
            InvalidInputError: the features are not what the model takes.
            NotFoundError: the server has no such model or version.
            HeadraceError: any other status, as the error it stands for.
        """
        call = InferCall(model, features, version, request_id, ids, routing_key)
        return read_response(self._call("ModelInfer", call.to_message()))

    def infer_many(
        self,
        model: str,
        features: npt.ArrayLike,
        *,
        version: str = "",
        ids: Sequence[str] | None = None,
        rows_per_request: int = 1024,
        in_flight: int = 4,
    ) -> Iterator[InferResult]:
        """Score many rows in several requests and yield the answers in row order.

        Each request is routed on its own, by its first id where ids are given.

        Args:
            model: name of the model.
            features: float32[n_rows, n_features]; NaN = missing.
            version: a version of the model; empty: the server's router chooses.
            ids: one prediction id a row.
            rows_per_request: rows in one request.
            in_flight: requests that wait for an answer at a time.

        Raises:
            HeadraceError: a request failed; earlier answers have been yielded.
        """
        rows = as_features(features)
        waiting: deque[Any] = deque()
        try:
            for start in range(0, len(rows), rows_per_request):
                stop = start + rows_per_request
                chunk_ids = ids[start:stop] if ids is not None else None
                call = InferCall(model, rows[start:stop], version, chunk_ids[0] if chunk_ids else "", chunk_ids)
                waiting.append(self._calls["ModelInfer"].future(call.to_message(), timeout=self.timeout_s))
                if len(waiting) >= in_flight:
                    yield read_response(self._result(waiting.popleft()))
            while waiting:
                yield read_response(self._result(waiting.popleft()))
        finally:
            for future in waiting:
                future.cancel()

    def ready(self, model: str | None = None, version: str = "") -> bool:
        """Whether the server, or one model of it, takes requests; False also where nothing answers."""
        try:
            if model is None:
                return bool(self._call("ServerReady", pb.ServerReadyRequest()).ready)
            return bool(self._call("ModelReady", pb.ModelReadyRequest(name=model, version=version)).ready)
        except UnavailableError:
            return False

    def wait_until_ready(self, *, timeout_s: float = 30.0) -> None:
        """Return once the server takes requests.

        Raises:
            UnavailableError: it did not within the time.
        """
        limit = time.monotonic() + timeout_s
        while True:
            remaining = limit - time.monotonic()
            if remaining <= 0:
                raise UnavailableError(f"{self.address} was not ready within {timeout_s:g} s")
            try:
                ready = self._calls["ServerReady"](pb.ServerReadyRequest(), timeout=remaining, wait_for_ready=True)
            except grpc.RpcError:
                continue
            if ready.ready:
                return
            time.sleep(min(0.02, max(0.0, limit - time.monotonic())))

    def metadata(self, model: str, version: str = "") -> ModelDescription:
        """Describe a model: versions, inputs, outputs.

        Raises:
            NotFoundError: the server has no such model or version.
        """
        return read_metadata(self._call("ModelMetadata", pb.ModelMetadataRequest(name=model, version=version)))

    def server(self) -> tuple[str, str, tuple[str, ...]]:
        """Name, version and extensions of the server."""
        answer = self._call("ServerMetadata", pb.ServerMetadataRequest())
        return answer.name, answer.version, tuple(answer.extensions)

    def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _call(self, method: str, message: Any) -> Any:
        try:
            return self._calls[method](message, timeout=self.timeout_s)
        except grpc.RpcError as error:
            raise error_from_call(error, self.address) from None

    def _result(self, future: Any) -> Any:
        try:
            return future.result()
        except grpc.RpcError as error:
            raise error_from_call(error, self.address) from None
        except grpc.FutureCancelledError as error:
            raise HeadraceError("the call was cancelled: the client was closed") from error
