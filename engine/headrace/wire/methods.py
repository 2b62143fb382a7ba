"""The service's methods: what each takes and returns, and the path it is called by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headrace.wire import inference_pb2 as pb

SERVICE = "inference.GRPCInferenceService"


@dataclass(frozen=True)
class Method:
    """One method of the service.

    Attributes:
        name: as in the .proto.
        request: message class the server reads.
        response: message class the server writes.
        streaming: both directions carry a stream of messages.
    """

    name: str
    request: type[Any]
    response: type[Any]
    streaming: bool = False

    @property
    def path(self) -> str:
        """HTTP/2 path of the method."""
        return f"/{SERVICE}/{self.name}"


def _declare() -> dict[str, Method]:
    service = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    return {
        method.name: Method(
            name=method.name,
            request=getattr(pb, method.input_type.name),
            response=getattr(pb, method.output_type.name),
            streaming=method.server_streaming,
        )
        for method in service.methods
    }


METHODS = _declare()
"""Every method of the service by name, read from the descriptor."""
