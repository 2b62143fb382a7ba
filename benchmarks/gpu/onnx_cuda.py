"""Forests as tensor operations on ONNX Runtime's CUDA provider: where each node ran, LightGBM's bits, and speed.

The rival is the TreeEnsemble graph on ONNX Runtime's CPU provider with one thread, in the same run. On the device rows
and answers stay in its memory (I/O binding); with host arrays it is measured as well.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from findings import Finding, Setting, equal, measured, missing
from forest_files import BATCH, ForestFiles, read_forests, why_none
from timing import seconds_median

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
BAR = 20.0


def run(setting: Setting) -> Iterator[Finding]:
    """Every prepared forest: placement, leaves, sums; then the speed of the first."""
    forests = read_forests(setting.inputs)
    if not forests:
        yield missing("forests on ONNX Runtime", why_none(setting.inputs))
        return
    provider, reason = choose_provider(forests[0], setting)
    if reason:
        yield missing("ONNX Runtime's CUDA provider", reason)
    if not provider:
        return
    for files in forests:
        if files.lacks:
            yield missing(f"tensor graph '{files.name}'", files.lacks)
        else:
            yield from check_forest(files, provider)
    if provider == CUDA and not forests[0].lacks:
        yield from measure_forest(forests[0], setting)


def choose_provider(files: ForestFiles, setting: Setting) -> tuple[str, str]:
    """Which provider runs the tensor graphs, and why it is not CUDA's: emulated, they run on the CPU's."""
    try:
        import onnxruntime
    except ImportError:
        return "", "no ONNX Runtime is installed"
    if setting.emulated:
        return CPU, ""
    found = f"ONNX Runtime {onnxruntime.__version__}"
    if CUDA not in onnxruntime.get_available_providers():
        providers = ", ".join(onnxruntime.get_available_providers())
        return CPU, f"{found} has {providers}; the graphs are checked on the CPU's provider"
    if not files.lacks and not loads_cuda(files.graph("cuda.raw")):
        return CPU, f"{found} has it and cannot load it: CUDA's or cuDNN's libraries are not those it wants"
    return CUDA, ""


def loads_cuda(graph: bytes) -> bool:
    """Whether a session gets the CUDA provider; where its libraries are missing ONNX Runtime goes on without."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return CUDA in onnxruntime.InferenceSession(graph, options, providers=[CUDA, CPU]).get_providers()


def open_session(graph: bytes, provider: str, profile: Path | None = None) -> Any:
    """A session on one thread; on CUDA one that refuses to leave a node to the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if provider == CUDA:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    providers = [(CUDA, {"use_tf32": "0"})] if provider == CUDA else [CPU]
    return onnxruntime.InferenceSession(graph, options, providers=providers)


def check_forest(files: ForestFiles, provider: str) -> Iterator[Finding]:
    """Placement by what ran where, leaves and raw scores against LightGBM's."""
    rows, name = files.arrays["rows"], f"tensor graph '{files.name}'"
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(files.graph("cuda.leaf"), provider, Path(folder) / "run")
        leaves = session.run(None, {session.get_inputs()[0].name: rows})[0]
        places = node_providers(Path(session.end_profiling()))
    wrong = int((leaves.reshape(len(rows), -1) != files.arrays["leaves"].reshape(len(rows), -1)).sum())
    yield equal(f"{name}: leaves", f"{wrong:,} differ" if wrong else "", f"{leaves.size:,} leaves, {provider}")
    ran = ", ".join(f"{count} nodes on {place}" for place, count in places.items())
    yield equal(f"{name}: placement", "" if set(places) == {provider} else f"{ran}: not all on {provider}", ran)
    session = open_session(files.graph("cuda.raw"), provider)
    scores = session.run(None, {session.get_inputs()[0].name: rows})[0]
    same = scores.astype(np.float64).tobytes() == files.arrays["scores"].reshape(scores.shape).tobytes()
    yield equal(f"{name}: raw scores", "" if same else "they differ from LightGBM's", f"{len(rows):,} rows bit for bit")


def node_providers(profile: Path) -> Counter[str]:
    """Nodes by the provider that ran them, from ONNX Runtime's profile."""
    events = json.loads(profile.read_text())
    ran = {each["name"]: each["args"]["provider"] for each in events if each.get("args", {}).get("provider")}
    return Counter(ran.values())


def measure_forest(files: ForestFiles, setting: Setting) -> Iterator[Finding]:
    """65,536 rows: the CPU's graph on one thread, CUDA's with everything on the device, and with host arrays."""
    rows = files.batch(setting.size(BATCH, 8192, 256))
    on_cpu, on_cuda = open_session(files.graph("raw"), CPU), open_session(files.graph("cuda.raw"), CUDA)
    feed = {on_cpu.get_inputs()[0].name: rows}
    expected = on_cpu.run(None, feed)[0]
    cpu_s = seconds_median(lambda: on_cpu.run(None, feed), rounds=3)
    score, answer = bind(on_cuda, rows)
    score()
    same = answer().tobytes() == expected.tobytes()
    yield equal("ONNX Runtime CUDA: bits", "" if same else "they differ from the CPU graph's", f"{len(rows):,} rows")
    cuda_s = seconds_median(score, rounds=20)
    host_s = seconds_median(lambda: on_cuda.run(None, feed), rounds=10)
    detail = f"batch {len(rows):,}: {cuda_s * 1e3:.2f} ms, CPU on one thread {cpu_s * 1e3:.0f} ms"
    yield measured("ONNX Runtime CUDA over CPU", cpu_s / cuda_s, "x one CPU thread", detail, bar=BAR)
    detail = f"{host_s * 1e3:.2f} ms with rows and answers in host memory"
    yield measured("ONNX Runtime CUDA over CPU, host arrays", cpu_s / host_s, "x one CPU thread", detail)


def bind(session: Any, rows: Any) -> tuple[Any, Any]:
    """A function that scores rows within the device's memory, and one that copies the answer."""
    import onnxruntime

    binding = session.io_binding()
    held = onnxruntime.OrtValue.ortvalue_from_numpy(rows, "cuda", 0)
    binding.bind_ortvalue_input(session.get_inputs()[0].name, held)
    binding.bind_output(session.get_outputs()[0].name, "cuda")

    def score() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return score, lambda: binding.copy_outputs_to_cpu()[0]
