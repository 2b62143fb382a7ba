"""What is asked of a device and when: placement of nodes, the guard after failures, libraries that stay out."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from headrace.core.clock import ManualClock
from headrace.core.errors import UnavailableError
from headrace.serving.config import Device
from headrace.serving.runtime import placement, row_limits, session
from headrace.serving.runtime.device_guard import LONGEST_REST_S, MOST_RESTS, DeviceGuard
from headrace.serving.runtime.devices import LOST, OUT_OF_MEMORY, find_device, reason_of
from headrace.serving.runtime.node_placement import in_words, nodes_by_provider, strangers
from headrace.serving.runtime.session import Session
from headrace.serving.runtime.trials import last_bits
from headrace_kernels.cuda.device import DeviceError, OutOfMemoryError

CPU = "CPUExecutionProvider"


def two_nodes(metadata: dict[str, str] | None = None) -> bytes:
    """Two nodes: y is 2 x, and 1 more."""
    two, one = (numpy_helper.from_array(np.array([number], np.float32), f"c{number}") for number in (2, 1))
    nodes = [helper.make_node("Mul", ["x", "c2"], ["twice"]), helper.make_node("Add", ["twice", "c1"], ["y"])]
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 3]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "sample", tensors[:1], tensors[1:], initializer=[two, one])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    helper.set_model_props(model, metadata or {})
    return model.SerializeToString()


def test_a_profile_says_which_provider_had_each_node(tmp_path):
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "nodes")
    opened = ort.InferenceSession(two_nodes(), options, providers=[CPU])
    for _ in range(3):  # a node that runs often is one node
        opened.run(None, {"x": np.zeros((2, 3), np.float32)})
    nodes = nodes_by_provider(type(tmp_path)(opened.end_profiling()))
    assert nodes == {CPU: 2}
    assert in_words(nodes) == f"{CPU} 2"
    assert strangers(nodes, CPU) == ""
    assert (
        strangers(nodes, placement.CUDA_PROVIDER) == f"nodes of the graph are not on CUDAExecutionProvider: 2 on {CPU}"
    )
    assert "no node" in strangers({}, CPU)


def test_a_session_on_cuda_is_refused_where_a_node_would_land_on_the_cpu(monkeypatch, capfd):
    """Here the provider cannot load, and ONNX Runtime would give a session on the CPU without a word."""
    monkeypatch.setattr(placement, "_cuda_driver_loads", lambda: True)
    if placement.CUDA_PROVIDER not in ort.get_available_providers():
        pytest.skip("this ONNX Runtime is built without CUDA")
    with pytest.raises(UnavailableError, match="does not run the whole graph on CUDA"):
        Session(two_nodes(), device=Device.CUDA, name="m@1")
    capfd.readouterr()  # what ONNX Runtime prints of the libraries that are not here


def test_batches_are_cut_to_the_memory_that_the_graph_says_a_row_takes(monkeypatch):
    monkeypatch.setattr(row_limits, "RUN_BYTES", 700)
    opened = Session(two_nodes({"headrace.bytes_per_row": "100"}), device=Device.CPU, name="m@1")
    assert opened._most_rows is None  # the CPU has memory enough
    opened.placement = session.Placement("cuda")
    opened._most_rows = opened._rows_that_fit()
    assert opened._most_rows == 7
    fewer = Session(
        two_nodes({"headrace.bytes_per_row": "100", "headrace.most_rows": "5"}), device=Device.CPU, name="m@1"
    )
    fewer.placement = session.Placement("cuda")
    assert fewer._rows_that_fit() == 5
    rows = np.arange(60, dtype=np.float32).reshape(20, 3)
    assert opened.run((rows,))[0].tobytes() == (rows * 2 + 1).tobytes()


def test_without_a_driver_there_is_a_reason_and_no_device(monkeypatch):
    monkeypatch.setattr(placement, "_cuda_driver_loads", lambda: False)
    with pytest.raises(UnavailableError, match=r"no CUDA driver: libcuda\.so\.1 not found"):
        find_device()


@pytest.mark.slow
def test_cupy_is_not_imported_where_no_device_is_asked_for_or_no_driver_is_there():
    code = (
        "import sys\n"
        "from headrace.serving.config import Device\n"
        "from headrace.serving.runtime import placement\n"
        "from headrace.serving.runtime.open_backend import open_backend\n"
        "placement._cuda_driver_loads = lambda: False\n"
        "model = bytes.fromhex(sys.stdin.read())\n"
        "open_backend(model, device=Device.CPU, name='m')\n"
        "kernels = [name for name in sys.modules if name.startswith('headrace_kernels.cuda')]\n"
        "assert not kernels, kernels\n"
        "open_backend(model, device=Device.AUTO, name='m')\n"
        "assert 'cupy' not in sys.modules\n"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, input=two_nodes().hex(), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_errors_are_told_apart_by_whether_they_may_pass():
    assert reason_of(OutOfMemoryError("H200: 9 bytes")) == OUT_OF_MEMORY
    assert reason_of(RuntimeError("BFCArena: Failed to allocate memory for requested buffer")) == OUT_OF_MEMORY
    assert reason_of(RuntimeError("CUDA failure 2: out of memory")) == OUT_OF_MEMORY
    assert reason_of(DeviceError("cudaErrorIllegalAddress")) == LOST


def test_a_device_without_memory_is_asked_again_later_and_later_then_never():
    clock = ManualClock()
    guard = DeviceGuard(clock.monotonic)
    assert guard.may_run()
    rests = []
    for _ in range(MOST_RESTS - 1):
        for _ in range(5):  # batches side by side meet one failure
            guard.failed(OUT_OF_MEMORY, "full")
        assert guard.problem == "out of memory: full"
        waited = 0
        while not guard.may_run():
            clock.advance(1)
            waited += 1
        rests.append(waited)
    assert rests == [min(2**number, LONGEST_REST_S) for number in range(MOST_RESTS - 1)]
    guard.failed(OUT_OF_MEMORY, "full")
    clock.advance(1e9)
    assert guard.is_lost
    assert not guard.may_run()


def test_a_batch_that_is_done_forgets_the_failures_before_it():
    clock = ManualClock()
    guard = DeviceGuard(clock.monotonic)
    assert not guard.ran()
    for _ in range(3 * MOST_RESTS):
        guard.failed(OUT_OF_MEMORY, "full")
        clock.advance(1)
        assert guard.may_run()
        assert guard.ran()
        assert guard.problem == ""


def test_a_lost_device_is_never_asked_again():
    guard = DeviceGuard(lambda: math.inf)
    guard.failed(LOST, "")
    assert guard.problem == LOST
    assert not guard.may_run()
    assert not guard.ran()  # a batch that was under way when it was lost changes nothing
    guard.failed(OUT_OF_MEMORY, "later")
    assert guard.problem == LOST


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_answers_are_apart_by_steps_of_their_datatype(dtype):
    one = np.array([1.0, np.nan, -0.0], dtype)
    beside = one.copy()
    beside[0] = np.nextafter(one[0], dtype(2))
    assert last_bits(one, one) == 0
    assert last_bits(beside, one) == 1
    assert last_bits(np.array([0.0], dtype), np.array([-0.0], dtype)) == 0
    assert last_bits(np.array([5e-45], dtype), np.array([-5e-45], dtype)) > 1
    assert last_bits(np.array([np.nan], dtype), np.array([1.0], dtype)) == -1
    assert last_bits(np.array([1]), np.array([2])) == -1
    assert last_bits(one[:2], one) == -1
