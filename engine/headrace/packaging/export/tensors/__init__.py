"""A forest as tensor operations, for devices whose runtime has no tree operator.

Two forms, chosen by a rule over depth and leaves: rows walk down all trees by gathers, or path matrices find all leaves
at once. Leaves are those of the CPU graph and sums are LightGBM's. Writes only what ONNX Runtime's CUDA provider has.
"""

from headrace.packaging.export.tensors.graphs import (
    export_tensor_leaf_index,
    export_tensor_raw_score,
    export_tensors,
)
from headrace.packaging.export.tensors.strategy import Strategy

__all__ = ["Strategy", "export_tensor_leaf_index", "export_tensor_raw_score", "export_tensors"]
