"""Forests of ONNX graphs, run by the native kernel with the bits ONNX Runtime would give.

Reads the graph from its bytes (a serving process does not import `onnx`), recognises what this project's exporter and
the usual converters write, and leaves everything else to ONNX Runtime. Knows nothing of batches or versions.
"""

from headrace.serving.runtime.forest.backend import ForestBackend, open_forest

__all__ = ["ForestBackend", "open_forest"]
