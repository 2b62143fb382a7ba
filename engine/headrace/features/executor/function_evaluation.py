"""The functions of expressions on Arrow arrays; `functions.py` and `Expression` say what each means."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    Function = Callable[[Sequence[Any], Sequence[Any]], Any]


def call_function(name: str, operands: Sequence[Any], parameters: Sequence[Any]) -> Any:
    """Apply a function of an expression.

    Args:
        name: one of those below.
        operands: pyarrow arrays, chunked arrays or scalars, of one length.
        parameters: the call's fixed values.
    """
    functions: dict[str, Function] = {
        "clip": _clip,
        "coalesce": _coalesce,
        "cross": _cross,
        "haversine": _haversine,
        "if_else": _if_else,
        "is_in": _is_in,
        "log1p": _log1p,
        "maximum": _maximum,
        "minimum": _minimum,
        "sqrt": _sqrt,
    }
    return functions[name](operands, parameters)


def _sqrt(operands: Sequence[Any], _: Sequence[Any]) -> Any:
    return pc.sqrt(pc.cast(operands[0], pa.float64()))


def _log1p(operands: Sequence[Any], _: Sequence[Any]) -> Any:
    return pc.log1p(pc.cast(operands[0], pa.float64()))


def _minimum(operands: Sequence[Any], _: Sequence[Any]) -> Any:
    return _chosen(pc.min_element_wise, operands)


def _maximum(operands: Sequence[Any], _: Sequence[Any]) -> Any:
    return _chosen(pc.max_element_wise, operands)


def _clip(operands: Sequence[Any], parameters: Sequence[Any]) -> Any:
    value = operands[0]
    for bound, choose in zip(parameters, (pc.max_element_wise, pc.min_element_wise), strict=True):
        if bound is not None:
            value = _chosen(choose, [value, pa.scalar(bound)])
    return value


def _chosen(choose: Any, operands: Sequence[Any]) -> Any:
    """Arrow prefers a number to NaN; here NaN stays, as everywhere. Zero has no sign, as in windows."""
    operands = _alike(operands)
    chosen = choose(*operands, skip_nulls=False)
    if not pa.types.is_floating(operands[0].type):
        return chosen
    computed = functools.reduce(pc.or_, [pc.fill_null(pc.is_nan(operand), False) for operand in operands])
    return pc.if_else(pc.and_(computed, pc.is_valid(chosen)), pa.scalar(float("nan")), pc.add(chosen, 0.0))


def _coalesce(operands: Sequence[Any], _: Sequence[Any]) -> Any:
    return pc.coalesce(*_alike(operands))


def _if_else(operands: Sequence[Any], _: Sequence[Any]) -> Any:
    condition, *values = operands
    return pc.if_else(condition, *_alike(values))


def _is_in(operands: Sequence[Any], parameters: Sequence[Any]) -> Any:
    value = operands[0]
    members = pa.array(list(parameters))
    if pa.types.is_integer(value.type):
        value = pc.cast(value, pa.int64())
    else:
        members = members.cast(value.type)
    return pc.if_else(pc.is_valid(value), pc.is_in(value, value_set=members), pa.scalar(None, pa.bool_()))


def _cross(operands: Sequence[Any], _: Sequence[Any]) -> Any:
    parts = [pc.cast(operand, pa.string()) for operand in operands]
    for character in ("\\", "|"):
        parts = [pc.replace_substring(part, pattern=character, replacement=f"\\{character}") for part in parts]
    return pc.binary_join_element_wise(*parts, "|")


def _haversine(operands: Sequence[Any], _: Sequence[Any]) -> Any:
    from headrace_kernels.cpu.haversine import haversine_km  # here: no other function compiles anything

    length = max((len(operand) for operand in operands if not isinstance(operand, pa.Scalar)), default=1)
    columns = [_floats(operand, length) for operand in operands]
    known = functools.reduce(np.logical_and, [valid for _, valid in columns])
    distances = haversine_km(*(values for values, _ in columns))
    result = pa.array(distances, mask=~known)
    return result[0] if all(isinstance(operand, pa.Scalar) for operand in operands) else result


def _floats(operand: Any, length: int) -> tuple[Any, Any]:
    array = pa.repeat(operand, length) if isinstance(operand, pa.Scalar) else operand
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    values = pc.fill_null(pc.cast(array, pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    return np.array(values, dtype=np.float64), pc.is_valid(array).to_numpy(zero_copy_only=False)


def _alike(operands: Sequence[Any]) -> list[Any]:
    """Numbers of one type: whole numbers stay whole among themselves."""
    types = [operand.type for operand in operands]
    if any(pa.types.is_floating(each) for each in types):
        return [pc.cast(operand, pa.float64()) for operand in operands]
    if all(pa.types.is_integer(each) for each in types):
        return [pc.cast(operand, pa.int64()) for operand in operands]
    return list(operands)
