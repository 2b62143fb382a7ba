"""Request parameters of ModelInfer that the server reads; every other name is ignored, as the protocol has it.

`routing_key` (string): what the release router hashes instead of the request id.
`ids` (string): one prediction id a row, joined by newlines; without it rows are named after the request id.
`timeout` (int64): microseconds the request may take in the server; the protocol's reserved name.
`priority` (uint64): 1 is served first; 0 or none is the server's default; the protocol's reserved name.

Names that begin with `triton_` are reserved by the protocol and refused, but for the one that clients of streams send.
`sequence_id`, `sequence_start` and `sequence_end` are ignored: every answer depends on its own request alone, so
requests of a sequence get the answers they would get outside of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import InvalidInputError

ROUTING_KEY = "routing_key"
IDS = "ids"
TIMEOUT = "timeout"
PRIORITY = "priority"
ID_SEPARATOR = "\n"

FINAL_ASKED = "triton_enable_empty_final_response"
"""Asks a server that may send many answers a request to mark the last one; ours sends one, and marks it in streams."""

FINAL = "triton_final_response"
"""Response parameter of streams: this answer is the request's last."""

_RESERVED_PREFIX = "triton_"


@dataclass(frozen=True)
class InferOptions:
    """What a request's parameters ask for; None where they do not say."""

    routing_key: str | None = None
    ids: tuple[str, ...] | None = None
    timeout_us: int | None = None
    priority: int = 0

    def check(self, *, rows: int, priority_levels: int) -> None:
        """Check what depends on the request's rows and on the server.

        Raises:
            InvalidInputError: ids of another count than `rows`, a priority beyond `priority_levels`.
        """
        if self.ids is not None and len(self.ids) != rows:
            raise InvalidInputError(f"parameter '{IDS}': {len(self.ids)} ids came, the request has {rows} rows")
        if self.priority > priority_levels:
            raise InvalidInputError(
                f"parameter '{PRIORITY}': {self.priority} came, "
                f"allowed: 1 (first) to {priority_levels}, 0 for the default"
            )


NO_OPTIONS = InferOptions()


def read_options(parameters: Any) -> InferOptions:
    """Read a request's parameter map.

    Args:
        parameters: map<string, InferParameter> of the request; unknown names are ignored.

    Raises:
        InvalidInputError: a parameter of the wrong type, an empty id, a negative number, a reserved name.
    """
    if not parameters:
        return NO_OPTIONS
    reserved = [name for name in parameters if name.startswith(_RESERVED_PREFIX) and name != FINAL_ASKED]
    if reserved:
        raise InvalidInputError(f"parameter '{reserved[0]}': names with the prefix '{_RESERVED_PREFIX}' are reserved")
    ids_text = read_text(parameters, IDS)
    ids = tuple(ids_text.split(ID_SEPARATOR)) if ids_text is not None else None
    if ids is not None and "" in ids:
        raise InvalidInputError(f"parameter '{IDS}': id {ids.index('')} is empty")
    return InferOptions(
        routing_key=read_text(parameters, ROUTING_KEY),
        ids=ids,
        timeout_us=read_count(parameters, TIMEOUT, "int64_param") or None,  # 0 is the protocol's "no timeout"
        priority=read_count(parameters, PRIORITY, "uint64_param") or 0,
    )


def join_ids(ids: Sequence[str], *, rows: int) -> str:
    """Encode one prediction id a row.

    Raises:
        InvalidInputError: another count of ids than rows, an empty id, or an id that holds a newline.
    """
    if len(ids) != rows:
        raise InvalidInputError(f"{len(ids)} ids for {rows} rows; give exactly one id a row")
    for position, name in enumerate(ids):
        if not name or ID_SEPARATOR in name:
            raise InvalidInputError(f"id {position} is {name!r}; an id is not empty and holds no newline")
    return ID_SEPARATOR.join(ids)


def read_text(parameters: Any, name: str) -> str | None:
    """Read a string, or None where the map has no such name.

    Raises:
        InvalidInputError: it is of another type.
    """
    text: str | None = _read(parameters, name, "string_param") if name in parameters else None
    return text


def read_count(parameters: Any, name: str, kind: str = "int64_param") -> int | None:
    """Read a number of at least 0, or None where the map has no such name.

    Either integer field will do: clients whose language has one kind of integer pick one.

    Raises:
        InvalidInputError: it is of another type, or negative.
    """
    if name not in parameters:
        return None
    came = parameters[name].WhichOneof("parameter_choice")
    value: int = _read(parameters, name, came if came in {"int64_param", "uint64_param"} else kind)
    if value < 0:
        raise InvalidInputError(f"parameter '{name}': {value} came, allowed: at least 0")
    return value


def _read(parameters: Any, name: str, kind: str) -> Any:
    parameter = parameters[name]
    came = parameter.WhichOneof("parameter_choice")
    if came != kind:
        raise InvalidInputError(f"parameter '{name}': {came or 'no value'} came, expected {kind}")
    return getattr(parameter, kind)
