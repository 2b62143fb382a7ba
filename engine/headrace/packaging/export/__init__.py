"""Exact export of LightGBM models to ONNX.

Reads the model text (the only part of the product that knows its semantics besides training) and writes TreeEnsemble
graphs whose rows reach the leaves LightGBM finds for the same float32 values, summed in its order in float64.
Knows nothing of packages, registries or inference runtimes; a serving process never imports it.
"""

from headrace.packaging.export.export import (
    BoosterLike,
    export_leaf_index,
    export_lightgbm,
    export_raw_score,
)
from headrace.packaging.export.graph import Precision
from headrace.packaging.export.second_graph import SecondGraph, make_second_graph
from headrace.packaging.export.tensors import export_tensor_leaf_index, export_tensor_raw_score, export_tensors
from headrace.packaging.export.verify import ExportReport, TensorReport, verify_export, verify_tensors

__all__ = [
    "BoosterLike",
    "ExportReport",
    "Precision",
    "SecondGraph",
    "TensorReport",
    "export_leaf_index",
    "export_lightgbm",
    "export_raw_score",
    "export_tensor_leaf_index",
    "export_tensor_raw_score",
    "export_tensors",
    "make_second_graph",
    "verify_export",
    "verify_tensors",
]
