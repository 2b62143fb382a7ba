"""An ONNX graph as plain data: nodes, constants, inputs and outputs, and who produces what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from headrace.core.errors import UnimplementedError
from headrace.serving.runtime.forest.schema import model_class

FLOAT32, UINT8, INT32, INT64, FLOAT64 = 1, 2, 6, 7, 11
Array: TypeAlias = npt.NDArray[Any]
_DTYPES: dict[int, np.dtype[Any]] = {
    FLOAT32: np.dtype("<f4"),
    UINT8: np.dtype("u1"),
    INT32: np.dtype("<i4"),
    INT64: np.dtype("<i8"),
    FLOAT64: np.dtype("<f8"),
}
_F, _I, _S, _T, _FLOATS, _INTS, _STRINGS = 1, 2, 3, 4, 6, 7, 8


@dataclass(frozen=True)
class Node:
    """One operator.

    Attributes:
        operator: name, with the domain before a point where it is not ONNX's own ("ai.onnx.ml.TreeEnsemble").
        inputs: names of values; "" for one left out.
        outputs: names of values.
        attributes: int, float, bytes, an array, or a tuple of bytes, by name.
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def array(self, name: str) -> Array:
        """An attribute that must be a list of numbers.

        Raises:
            UnimplementedError: it is not there, or something else.
        """
        value = self.attributes.get(name)
        if not isinstance(value, np.ndarray) or value.ndim != 1:
            raise UnimplementedError(f"attribute '{name}' is no list of numbers")
        return value

    def integer(self, name: str, default: int) -> int:
        """An attribute that must be a whole number if it is there.

        Raises:
            UnimplementedError: it is something else.
        """
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise UnimplementedError(f"attribute '{name}' is no whole number")
        return value


@dataclass(frozen=True)
class Value:
    """An input or output: name, ONNX element type, shape with -1 for any."""

    name: str
    element_type: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """A graph without control flow.

    Attributes:
        nodes: in order of execution.
        constants: initializers by name.
        inputs: what a caller gives.
        outputs: what a caller gets.
    """

    nodes: tuple[Node, ...]
    constants: dict[str, Array]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    @cached_property
    def producers(self) -> dict[str, Node]:
        """The node behind each value that a node makes."""
        return {output: node for node in self.nodes for output in node.outputs}


def read_graph(model: bytes) -> Graph:
    """Read a graph from a serialised ModelProto.

    Raises:
        UnimplementedError: the bytes are no such message, or hold something that is not read here.
    """
    try:
        message = model_class().FromString(model)
    except DecodeError as error:
        raise UnimplementedError("the bytes are no ONNX model") from error
    if message.functions or message.graph.sparse_initializer:
        raise UnimplementedError("the graph has functions or sparse constants")
    constants = {array.name: _array(array) for array in message.graph.initializer}
    return Graph(
        nodes=tuple(_node(node) for node in message.graph.node),
        constants=constants,
        inputs=tuple(_value(value) for value in message.graph.input if value.name not in constants),
        outputs=tuple(_value(value) for value in message.graph.output),
    )


def _node(node: Any) -> Node:
    operator = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    attributes = {attribute.name: _attribute(attribute) for attribute in node.attribute}
    return Node(operator, tuple(node.input), tuple(node.output), attributes)


def _attribute(attribute: Any) -> Any:
    kind = attribute.type
    if kind == _T:
        return _array(attribute.t)
    if kind in (_FLOATS, _INTS):
        return np.array(attribute.floats, np.float32) if kind == _FLOATS else np.array(attribute.ints, np.int64)
    plain = {_F: attribute.f, _I: attribute.i, _S: attribute.s, _STRINGS: tuple(attribute.strings)}
    if kind not in plain:
        raise UnimplementedError(f"attribute '{attribute.name}' is of type {kind}, which is not read here")
    return plain[kind]


def _array(array: Any) -> Array:
    dtype = _DTYPES.get(array.data_type)
    if dtype is None or array.data_location:
        raise UnimplementedError(f"constant '{array.name}' is of type {array.data_type} or kept outside the file")
    if array.HasField("raw_data"):
        if len(array.raw_data) % dtype.itemsize:
            raise UnimplementedError(f"constant '{array.name}' has {len(array.raw_data)} bytes")
        values: Array = np.frombuffer(array.raw_data, dtype)
    else:
        fields = {FLOAT32: array.float_data, INT64: array.int64_data, FLOAT64: array.double_data}
        values = np.array(fields.get(array.data_type, array.int32_data)).astype(dtype)
    shape = tuple(array.dims)
    if values.size != np.prod(shape, dtype=np.int64):
        raise UnimplementedError(f"constant '{array.name}' has {values.size} elements, its shape is {list(shape)}")
    return values.reshape(shape)


def _value(value: Any) -> Value:
    if not value.type.HasField("tensor_type"):
        raise UnimplementedError(f"'{value.name}' is no tensor")
    tensor = value.type.tensor_type
    shape = tuple(each.dim_value if each.HasField("dim_value") else -1 for each in tensor.shape.dim)
    return Value(value.name, tensor.elem_type, shape)
