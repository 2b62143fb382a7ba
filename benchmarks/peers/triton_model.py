"""The model in Triton's Python backend: one ONNX Runtime session, one run for all requests that Triton batched."""

import os
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """What the backend looks for by this name."""

    def initialize(self, _arguments: dict[str, str]) -> None:
        """Open the graph, one thread."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(os.environ["PEERS_GRAPH"], options, ["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer a batch."""
        inputs = [triton.get_input_tensor_by_name(request, "features").as_numpy() for request in requests]
        (scores,) = self.session.run(["score"], {"features": np.concatenate(inputs)})
        ends = np.cumsum([len(rows) for rows in inputs])[:-1]
        return [triton.InferenceResponse([triton.Tensor("score", part)]) for part in np.split(scores, ends)]
