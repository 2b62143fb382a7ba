"""Request parameters of ModelInfer that this product reads, beside the protocol's own `timeout`.

`routing_key` (string): what the release router hashes instead of the request id.
`ids` (string): one prediction id a row, joined by newlines; without it rows are named after the request id.
`timeout` (int64): microseconds the request may take in the server; the protocol's reserved name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import InvalidInputError

ROUTING_KEY = "routing_key"
IDS = "ids"
TIMEOUT = "timeout"
ID_SEPARATOR = "\n"


@dataclass(frozen=True)
class InferOptions:
    """What a request's parameters ask for; None where they do not say."""

    routing_key: str | None = None
    ids: tuple[str, ...] | None = None
    timeout_us: int | None = None


NO_OPTIONS = InferOptions()


def read_options(parameters: Any, *, rows: int) -> InferOptions:
    """Read a request's parameter map.

    Args:
        parameters: map<string, InferParameter> of the request; unknown names are ignored.
        rows: rows of the request; `ids` must name exactly as many.

    Raises:
        InvalidInputError: a parameter of the wrong type, an empty id, ids of another count than `rows`, a negative
            timeout.
    """
    if not parameters:
        return NO_OPTIONS
    ids_text = _read(parameters, IDS, "string_param")
    ids = tuple(ids_text.split(ID_SEPARATOR)) if ids_text is not None else None
    if ids is not None and len(ids) != rows:
        raise InvalidInputError(f"parameter '{IDS}': {len(ids)} ids came, the request has {rows} rows")
    if ids is not None and "" in ids:
        raise InvalidInputError(f"parameter '{IDS}': id {ids.index('')} is empty")
    timeout_us = _read(parameters, TIMEOUT, "int64_param")
    if timeout_us is not None and timeout_us < 0:
        raise InvalidInputError(f"parameter '{TIMEOUT}': {timeout_us} came, allowed: microseconds of at least 0")
    return InferOptions(
        routing_key=_read(parameters, ROUTING_KEY, "string_param"),
        ids=ids,
        timeout_us=timeout_us or None,  # 0 is the protocol's "no timeout"
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


def _read(parameters: Any, name: str, kind: str) -> Any:
    if name not in parameters:
        return None
    parameter = parameters[name]
    came = parameter.WhichOneof("parameter_choice")
    if came != kind:
        raise InvalidInputError(f"parameter '{name}': {came or 'no value'} came, expected {kind}")
    return getattr(parameter, kind)
