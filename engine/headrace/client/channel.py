"""How both clients open a channel and turn a failed call into the project's error."""

from __future__ import annotations

from typing import Any

import grpc

from headrace.client.messages import MAX_MESSAGE_BYTES
from headrace.core.errors import HeadraceError
from headrace.wire.status import error_from_status

OPTIONS = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.use_local_subchannel_pool", 1),  # a client owns its connection: closing one never disturbs another
)


def error_from_call(error: grpc.RpcError, address: str) -> HeadraceError:
    """Build the project's error from a failed call; an unreachable server is named by its address."""
    code: Any = error.code()
    number = int(code.value[0])
    details = error.details()
    if number == grpc.StatusCode.UNAVAILABLE.value[0] and "connect" in (details or ""):
        details = f"no server answers at {address}: {details}"
    return error_from_status(number, details)
