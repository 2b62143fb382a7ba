"""Write the models that the tests of the native door serve.

python make_models.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES = 4


def _save(path: Path, nodes: list, constants: list, outputs: int = 1) -> None:
    graph = helper.make_graph(
        nodes,
        "sample",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", FEATURES])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["rows", outputs])],
        initializer=constants,
    )
    path.parent.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)


def _save_pair(path: Path) -> None:
    """Two inputs a (INT64) and b (FP64), two outputs y = 2 a and z = sum of b."""
    nodes = [helper.make_node("Add", ["a", "a"], ["y"]), helper.make_node("MatMul", ["b", "ones"], ["z"])]
    graph = helper.make_graph(
        nodes,
        "pair",
        [
            helper.make_tensor_value_info("a", TensorProto.INT64, ["rows"]),
            helper.make_tensor_value_info("b", TensorProto.DOUBLE, ["rows", 2]),
        ],
        [
            helper.make_tensor_value_info("y", TensorProto.INT64, ["rows"]),
            helper.make_tensor_value_info("z", TensorProto.DOUBLE, ["rows", 1]),
        ],
        initializer=[numpy_helper.from_array(np.ones((2, 1)), "ones")],
    )
    path.parent.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)


def make_models(folder: Path) -> None:
    """`late`: sum of the row. `wide`: the sum 4,096 times. `slow`: the sum, after as many products as the largest says.

    `pair`: two inputs and two outputs.
    """
    for name, outputs in (("late", 1), ("wide", 4096)):
        weights = numpy_helper.from_array(np.ones((FEATURES, outputs), np.float32), "weights")
        nodes = [helper.make_node("MatMul", ["features", "weights"], ["score"])]
        _save(folder / name / "1" / "model.onnx", nodes, [weights], outputs)
    _save_pair(folder / "pair" / "1" / "model.onnx")
    state = helper.make_tensor_value_info("state", TensorProto.FLOAT, [256, 256])
    following = helper.make_tensor_value_info("next", TensorProto.FLOAT, [256, 256])
    condition = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("go", "go_on")]
    steps = [
        helper.make_node("MatMul", ["state", "identity"], ["next"]),
        helper.make_node("Identity", ["go"], ["go_on"]),
    ]
    turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
    body = helper.make_graph(steps, "body", [turn, condition[0], state], [condition[1], following])
    nodes = [
        helper.make_node("ReduceMax", ["features"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["turns"], to=TensorProto.INT64),
        helper.make_node("Loop", ["turns", "always", "zeros"], ["end"], body=body),
        helper.make_node("ReduceSum", ["end"], ["nothing"], keepdims=0),
        helper.make_node("MatMul", ["features", "weights"], ["sums"]),
        helper.make_node("Add", ["sums", "nothing"], ["score"]),
    ]
    constants = [
        numpy_helper.from_array(np.eye(256, dtype=np.float32), "identity"),
        numpy_helper.from_array(np.zeros((256, 256), np.float32), "zeros"),
        numpy_helper.from_array(np.array(True), "always"),
        numpy_helper.from_array(np.ones((FEATURES, 1), np.float32), "weights"),
    ]
    _save(folder / "slow" / "1" / "model.onnx", nodes, constants)


if __name__ == "__main__":
    make_models(Path(sys.argv[1]))
