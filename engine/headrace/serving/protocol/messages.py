"""Bytes to messages: what cannot be read is the client's error, in words."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from headrace.core.errors import InvalidInputError
from headrace.wire.methods import METHODS


def parse(method: str, message: bytes) -> Any:
    """Parse the request of a method.

    Raises:
        InvalidInputError: the bytes are no such message.
    """
    kind = METHODS[method].request
    try:
        return kind.FromString(message)
    except DecodeError as error:
        raise InvalidInputError(f"{len(message)} bytes came that are no {kind.DESCRIPTOR.full_name} message") from error
