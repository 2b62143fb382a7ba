"""What goes into a graph and what comes out, as a served model has it: every tensor begins with rows, any number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from headrace.core.errors import CorruptedError, UnimplementedError
from headrace.serving.batching.tickets import Arrays
from headrace.serving.runtime.backend import Tensor
from headrace.wire.tensors import DTYPES

_DATATYPES = {
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(float16)": "FP16",
    "tensor(bfloat16)": "BF16",
    "tensor(int64)": "INT64",
    "tensor(int32)": "INT32",
    "tensor(int16)": "INT16",
    "tensor(int8)": "INT8",
    "tensor(uint64)": "UINT64",
    "tensor(uint32)": "UINT32",
    "tensor(uint16)": "UINT16",
    "tensor(uint8)": "UINT8",
    "tensor(bool)": "BOOL",
    "tensor(string)": "BYTES",
}


class Node(Protocol):
    """A tensor of a graph, as ONNX Runtime describes it."""

    name: str
    type: str
    shape: Sequence[int | str | None]


def read_signature(
    name: str, inputs: Sequence[Node], outputs: Sequence[Node]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], int | None]:
    """Read a graph's tensors.

    Returns:
        Inputs and outputs, the first extent of each -1: any number of rows; and the rows that the graph takes in a run,
        where it fixes them: more or fewer are run in pieces of so many.

    Raises:
        CorruptedError: a tensor is of a type that the protocol cannot carry.
        UnimplementedError: there is no input, an input has no rows, or inputs fix different numbers of rows.
    """
    if not inputs:
        raise UnimplementedError(f"{name}: the graph has no inputs; a served graph takes rows")
    scalar = next((node.name for node in inputs if not node.shape), None)
    if scalar is not None:
        raise UnimplementedError(f"{name}: input '{scalar}' of the graph is a scalar; its first dimension must be rows")
    fixed = {node.shape[0] for node in inputs if isinstance(node.shape[0], int)}
    if len(fixed) > 1 or 0 in fixed:
        extents = ", ".join(str(extent) for extent in sorted(fixed))
        raise UnimplementedError(f"{name}: the graph's inputs fix their rows to {extents}; one number above 0 may be")
    piece_rows = fixed.pop() if fixed else None
    return tuple(map(_tensor, inputs)), tuple(map(_tensor, outputs)), piece_rows


def zeros(tensors: Sequence[Tensor], rows: int) -> Arrays:
    """Rows of zeros (empty strings for BYTES); an extent that may be anything is 1."""
    return tuple(
        np.full(
            [rows, *(1 if extent < 0 else extent for extent in tensor.shape[1:])],
            b"" if tensor.datatype == "BYTES" else 0,
            dtype=DTYPES[tensor.datatype],
        )
        for tensor in tensors
    )


def samples(tensors: Sequence[Tensor], rows: int) -> Arrays:
    """Rows that differ: random numbers around 0 for floats, zeros for what may be an index; always the same ones."""
    rng = np.random.default_rng(rows)
    return tuple(
        rng.standard_normal(array.shape).astype(array.dtype) if array.dtype.kind == "f" else array
        for array in zeros(tensors, rows)
    )


def _tensor(node: Node) -> Tensor:
    if node.type not in _DATATYPES:
        raise CorruptedError(f"tensor '{node.name}' of the graph has type {node.type}, which the protocol cannot carry")
    trailing = (extent if isinstance(extent, int) and extent >= 0 else -1 for extent in node.shape[1:])
    return Tensor(node.name, _DATATYPES[node.type], (-1, *trailing))
