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
from headrace.packaging.export.verify import ExportReport, verify_export

__all__ = [
    "BoosterLike",
    "ExportReport",
    "Precision",
    "export_leaf_index",
    "export_lightgbm",
    "export_raw_score",
    "verify_export",
]
