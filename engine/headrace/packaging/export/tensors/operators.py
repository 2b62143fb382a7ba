"""What ONNX Runtime's CUDA provider implements of what we write, and what a graph needs a row.

An operator that it lacks runs on the CPU, with copies around it and without a word. So the exporter writes nothing that
is not in this table, and checks each graph before it hands it out. The table is a part of ONNX Runtime's own list of
kernels (docs/OperatorKernels.md, CUDAExecutionProvider, read for opset 18), restricted to the types we use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper, shape_inference

_FLOAT, _DOUBLE, _BOOL = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.BOOL
_INT32, _INT64, _UINT8 = TensorProto.INT32, TensorProto.INT64, TensorProto.UINT8
_REAL = frozenset({_FLOAT, _DOUBLE})
_NUMBER = _REAL | {_INT32, _INT64}
_ANY = _NUMBER | {_BOOL, _UINT8}
_INDEX = frozenset({_INT32, _INT64})
_HOST = frozenset({_INT64})  # axes, shapes and sizes: read on the CPU, so they must be constants
_FLAG = frozenset({_BOOL})

# Types of each input by position; the last goes on for the rest.
CUDA_OPERATORS: dict[str, tuple[frozenset[int], ...]] = {
    "Abs": (_NUMBER,),
    "Add": (_NUMBER,),
    "And": (_FLAG,),
    "Cast": (_ANY,),
    "Concat": (_ANY,),
    "CumSum": (_NUMBER, _HOST),
    "Div": (_NUMBER,),
    "Equal": (_NUMBER | {_BOOL},),
    "Floor": (_REAL,),
    "Gather": (_ANY, _INDEX),
    "GatherElements": (_ANY, _INDEX),
    "Greater": (_NUMBER,),
    "GreaterOrEqual": (_NUMBER,),
    "Identity": (_ANY,),
    "IsNaN": (_REAL,),
    "Less": (_NUMBER,),
    "LessOrEqual": (_NUMBER,),
    "Log": (_REAL,),
    "MatMul": (_REAL,),
    "Max": (_NUMBER,),
    "Min": (_NUMBER,),
    "Mul": (_NUMBER,),
    "Or": (_FLAG,),
    "Pow": (_NUMBER,),
    "Reciprocal": (_REAL,),
    "ReduceMax": (_NUMBER, _HOST),
    "ReduceSum": (_NUMBER, _HOST),
    "Split": (_ANY, _HOST),
    "Squeeze": (_ANY, _HOST),
    "Sub": (_NUMBER,),
    "Sum": (_REAL,),
    "Transpose": (_ANY,),
    "Where": (_FLAG, _NUMBER | {_UINT8}),
}
_HOST_INPUTS = {"CumSum", "ReduceMax", "ReduceSum", "Split", "Squeeze"}  # their second input must be a constant


_LOOK_UPS = {"Gather", "GatherElements"}


@dataclass(frozen=True)
class Needs:
    """What a graph needs, a row of its input; constants, rounding by the allocator and libraries' scratch aside.

    Attributes:
        bytes_per_row: largest total of tensors alive at once, each freed after its last use.
        elements_per_row: of the largest tensor.
        moved_bytes_per_row: read and written by all operators together; look-ups in constants count as their index.
        operators: how many run, those on constants aside.
    """

    bytes_per_row: int
    elements_per_row: int
    moved_bytes_per_row: int
    operators: int


def find_unplaced(model: onnx.ModelProto) -> list[str]:
    """Operators, with the types of their inputs, that the table does not have; empty where all run on CUDA."""
    inferred = _one_row(model)
    types = _types(inferred)
    constants = {one.name for one in model.graph.initializer}
    found = []
    for node in model.graph.node:
        allowed = CUDA_OPERATORS.get(node.op_type, ()) if not node.domain else ()
        given = [types.get(name, 0) for name in node.input]
        fits = bool(allowed) and all(one in allowed[min(n, len(allowed) - 1)] for n, one in enumerate(given))
        on_host = node.op_type not in _HOST_INPUTS or all(name in constants for name in node.input[1:])
        if not (fits and on_host and all(types.get(name, 0) in _ANY for name in node.output)):
            found.append(f"{node.op_type}({', '.join(TensorProto.DataType.Name(one).lower() for one in given)})")
    return sorted(set(found))


def measure(model: onnx.ModelProto) -> Needs:
    """Count what a graph needs a row, from the sizes of its tensors for one row."""
    inferred = _one_row(model)
    elements, types = _elements(inferred), _types(inferred)
    sizes = {name: count * helper.tensor_dtype_to_np_dtype(types[name]).itemsize for name, count in elements.items()}
    constant = {one.name for one in model.graph.initializer}
    last_use = {name: n for n, node in enumerate(model.graph.node) for name in node.input}
    alive, highest, moved, operators = sizes[model.graph.input[0].name], 0, 0, 0
    for n, node in enumerate(model.graph.node):
        if constant.issuperset(node.input):
            constant |= set(node.output)
            continue
        made = sum(sizes[name] for name in node.output)
        read = sum(sizes[name] for name in node.input if name not in constant)
        if node.op_type in _LOOK_UPS and node.input[0] not in constant:
            read += made - sizes[node.input[0]]  # of the matrix, what is taken
        alive, moved, operators = alive + made, moved + read + made, operators + 1
        highest = max(highest, alive)
        alive -= sum(sizes[name] for name in set(node.input) - constant if last_use[name] == n)
    largest = max(count for name, count in elements.items() if name not in constant)
    return Needs(highest, largest, moved, operators)


def _one_row(model: onnx.ModelProto) -> onnx.GraphProto:
    """The graph with every type and shape, for an input of one row."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    for output in fixed.graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = 1
    return shape_inference.infer_shapes(fixed, strict_mode=True, data_prop=True).graph


def _types(graph: onnx.GraphProto) -> dict[str, int]:
    known = {one.name: one.data_type for one in graph.initializer}
    values = [*graph.input, *graph.output, *graph.value_info]
    return known | {one.name: one.type.tensor_type.elem_type for one in values}


def _elements(graph: onnx.GraphProto) -> dict[str, int]:
    values = [*graph.input, *graph.output, *graph.value_info]
    return {one.name: math.prod(dim.dim_value for dim in one.type.tensor_type.shape.dim) for one in values}
