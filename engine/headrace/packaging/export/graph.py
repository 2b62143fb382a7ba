"""A few lines over onnx.helper: name values, collect nodes and constants, serialise to the same bytes every time."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, ML_OPSET, IR_VERSION = 18, 5, 10  # ML 5 brought TreeEnsemble with float64 sums; ONNX Runtime has it since 1.21
FLOAT32, FLOAT64, INT64, INT32 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32


class Precision(Enum):
    """Arithmetic of leaf sums.

    FLOAT64 sums as LightGBM does, bit for bit. FLOAT32 models are a quarter smaller and a few percent faster, and their
    sums differ in the last float32 digits. Rows reach the same leaves in both.
    """

    FLOAT64 = "float64"
    FLOAT32 = "float32"


@dataclass
class Graph:
    """A graph under construction.

    Invariants: every value is produced once; nodes are in execution order; names depend on the order of calls alone.

    Args:
        input_name: name of the only input, float32[-1, n_features].
        n_features: its width.
        precision: element type of the arithmetic.
    """

    input_name: str
    n_features: int
    precision: Precision
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Append a node with one output and return the output's name."""
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output

    def split(self, value: str, sizes: list[int], *, axis: int) -> list[str]:
        """Cut a value into parts along an axis and return their names."""
        if len(sizes) == 1:
            return [value]
        outputs = [f"split_{len(self.nodes)}_{part}" for part in range(len(sizes))]
        self.nodes.append(helper.make_node("Split", [value, self.axes(*sizes)], outputs, axis=axis))
        return outputs

    def constant(self, value: npt.NDArray[Any]) -> str:
        """Add an initializer and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def scalar(self, value: float) -> str:
        """Add a scalar of the arithmetic's element type."""
        return self.constant(np.array(value, dtype=self.precision.value))

    @property
    def element_type(self) -> int:
        """ONNX element type of the arithmetic."""
        return FLOAT64 if self.precision is Precision.FLOAT64 else FLOAT32

    def inputs(self) -> str:
        """The input in the arithmetic's element type."""
        return self.input_name if self.element_type == FLOAT32 else self.cast(self.input_name, self.element_type)

    def cast(self, value: str, to: int) -> str:
        """Cast a value to an ONNX element type."""
        return self.add("Cast", value, to=to)

    def axes(self, *positions: int) -> str:
        """Add axes or positions as an int64 vector."""
        return self.constant(np.array(positions, dtype=np.int64))

    def running_sum(self, values: str, *, axis: int) -> str:
        """Sums of elements added one after another, where ReduceSum may pair them up and round differently."""
        return self.add("CumSum", values, self.constant(np.array(axis, dtype=np.int64)))

    def rows(self, width: int, element: npt.NDArray[Any]) -> str:
        """A matrix [n_rows, width] filled with one element, for models that read nothing."""
        count = self.add("Shape", self.input_name, start=0, end=1)
        shape = self.add("Concat", count, self.axes(width), axis=0)
        return self.add("ConstantOfShape", shape, value=numpy_helper.from_array(element.reshape(1)))

    def drop_unused(self, value: str) -> None:
        """Forget the nodes and constants that do not lead to a value."""
        needed, kept = {value}, []
        for node in reversed(self.nodes):
            if not needed.isdisjoint(node.output):
                needed.update(node.input)
                kept.append(node)
        self.nodes = kept[::-1]
        self.constants = [one for one in self.constants if one.name in needed]

    def serialize(self, value: str, *, name: str, element_type: int, width: int) -> bytes:
        """Finish: `value` becomes the only output, [-1, width], under `name`."""
        model = self.finish(value, name=name, element_type=element_type, width=width)
        return bytes(model.SerializeToString(deterministic=True))

    def finish(self, value: str, *, name: str, element_type: int, width: int) -> onnx.ModelProto:
        """As `serialize`, for those who look at the model or add to it."""
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        graph = helper.make_graph(
            self.nodes,
            "headrace",
            [helper.make_tensor_value_info(self.input_name, FLOAT32, [None, self.n_features])],
            [helper.make_tensor_value_info(name, element_type, [None, width])],
            initializer=self.constants,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="headrace")
