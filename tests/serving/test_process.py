"""The server as its own process: start, readiness, imports, signals, ports."""

import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest

from headrace.client import Client
from headrace.client.messages import InferCall
from headrace.core.errors import EXIT_CODES, AlreadyExistsError, Code, UnavailableError
from headrace.monitoring import read_predictions
from headrace.serving.server import Server

pytestmark = pytest.mark.slow

ROW = np.array([[1, 2, 3, 4]], np.float32)
BASE_IMPORTS = "import onnxruntime, numpy, grpc"
LIMIT_S = 60.0


def test_it_answers_counts_and_ends_cleanly_on_sigterm(world, start_process, tmp_path):
    server = start_process(prediction_log=str(tmp_path / "predictions"))
    assert server.info["models"] == {"late": [1]}
    with Client(server.address) as client:
        client.wait_until_ready(timeout_s=5)
        answer = client.infer("late", np.repeat(ROW, 3, axis=0), ids=["a", "b", "c"])
        client.infer("late", ROW, request_id="lone")
        client.infer("late", np.repeat(ROW, 2, axis=0), request_id="pair")
    assert answer.scores.tolist() == [1010.0] * 3
    assert server.stop() == 0
    logged = read_predictions(tmp_path / "predictions", "late")
    ids = {name for column in logged.column_names if "id" in column for name in logged[column].to_pylist()}
    assert {"a", "b", "c", "lone", "pair:0", "pair:1"} <= ids
    assert [event["answered_all"] for event in server.events("server_stopped")] == [True]
    assert len(server.events("server_ready")) == 1
    assert all(line.startswith("{") for line in server.log.read_text().splitlines()), server.log.read_text()


def test_it_is_ready_soon_after_the_imports_nobody_can_avoid(start_process, monkeypatch):
    """Ready within 0.7 s of what importing onnxruntime, numpy and grpc takes in the same run.

    Where other programs take the CPUs, both take longer; how much is seen from the imports' own time on a CPU. The
    first start writes the bytecode that an installation comes with.
    """
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    start_process().stop()
    floor_s, busy_s, ready_s = [], [], []
    for _ in range(5):
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-c", BASE_IMPORTS], check=True)
        floor_s.append(time.perf_counter() - begin)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        begin = time.perf_counter()
        server = start_process()
        ready_s.append(time.perf_counter() - begin)
        server.stop()
    floor, ready = statistics.median(floor_s), statistics.median(ready_s)
    stretch = max(1.0, floor / statistics.median(busy_s))
    assert ready <= floor + 0.7 * stretch, f"imports {floor:.2f} s, ready {ready:.2f} s, stretched {stretch:.1f} times"


def test_an_idle_worker_takes_less_than_150_mb(world, start_process):
    """Resident memory, libraries included, with a forest of 300 trees; the supervisor takes less still."""
    world.register(forest_model(trees=300, leaves=63, features=40), name="forest", features=40)
    server = start_process(models=["forest@1"], workers=2)
    with Client(server.address) as client:
        client.infer("forest", np.zeros((1, 40), np.float32))
    resident = [resident_mb(pid) for pid in (server.info["pid"], *server.info["workers"])]
    assert max(resident) < 150.0, resident


def forest_model(trees, leaves, features):
    lightgbm = pytest.importorskip("lightgbm")
    from headrace.packaging.export import export_lightgbm

    random = np.random.default_rng(7)
    values = random.normal(size=(5000, features)).astype(np.float32)
    labels = values[:, 0] + values[:, 1] * values[:, 2] + random.normal(size=len(values)) > 0
    parameters = {"objective": "binary", "num_leaves": leaves, "min_data_in_leaf": 2, "verbose": -1, "num_threads": 1}
    return export_lightgbm(lightgbm.train(parameters, lightgbm.Dataset(values, labels), num_boost_round=trees))


def resident_mb(pid):
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def test_it_loads_no_training_or_dataframe_library(world, tmp_path):
    """Asked of the real process at readiness: what is loaded then was loaded for nothing but serving."""
    code = (
        "import sys, json; from pathlib import Path; from headrace.serving import ServingConfig; "
        "from headrace.serving.server import Server; "
        f"s = Server(ServingConfig(models=('late',), database=Path({str(world.database)!r}), "
        f"store=Path({str(world.home)!r}), port=0, metrics_port=0)); s.start(); "
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules}))); s.drain()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("[")]
    loaded = set(json.loads(line))
    forbidden = {"lightgbm", "mlflow", "optuna", "sklearn", "pandas", "deltalake"}
    lazy = {"polars", "numba", "pyarrow", "onnx", "scipy", "matplotlib", "pydantic", "typer"}
    assert not (forbidden | lazy) & loaded


def test_sigterm_answers_what_is_in_flight(world, start_process, slow_model):
    world.register(slow_model(), name="slow")
    server = start_process(models=["slow@1"])
    busy = np.array([[6000, 0, 0, 0]], np.float32)
    results = []
    with Client(server.address) as client:

        def ask():
            try:
                results.append(client.infer("slow", busy).scores.tolist())
            except Exception as error:  # noqa: BLE001
                results.append(error)

        client.infer("slow", ROW)
        threads = []
        limit = time.monotonic() + LIMIT_S
        while len(threads) < 4 or 'headrace_queue_rows{model="slow",version="1"} 0.0' in server.scrape():
            assert time.monotonic() < limit  # those that come together may run together: one that waits is wanted
            threads.append(threading.Thread(target=ask))
            threads[-1].start()
            time.sleep(0.1)
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(LIMIT_S)
    assert server.process.wait(LIMIT_S) == 0
    assert results == [[6000.0]] * len(threads)


def test_a_second_signal_ends_it_at_once(world, start_process, slow_model):
    world.register(slow_model(), name="slow")
    server = start_process(models=["slow@1"])
    with Client(server.address, timeout_s=60) as client:
        busy = InferCall("slow", np.array([[1_000_000, 0, 0, 0]], np.float32)).to_message()
        client.infer("slow", ROW)
        future = client._calls["ModelInfer"].future(busy)
        time.sleep(0.05)
        server.process.send_signal(signal.SIGTERM)
        limit = time.monotonic() + LIMIT_S
        while not server.events("server_draining"):
            assert time.monotonic() < limit
            time.sleep(0.005)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5.0) == -signal.SIGTERM
        assert isinstance(future.exception(), grpc.RpcError)


def test_ctrl_c_drains_too(start_process):
    server = start_process()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(LIMIT_S) == 0


def test_an_occupied_port_is_named_and_has_its_exit_code(world, run_server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        log = tmp_path / "log"
        process = run_server(world, log, port=port)
        assert process.wait(LIMIT_S) == EXIT_CODES[Code.ALREADY_EXISTS]
        assert f"port {port} on 127.0.0.1 for gRPC is taken by another process" in log.read_text()
        assert "Traceback" not in log.read_text()


def test_a_port_held_by_another_server_is_not_shared(world, start_process):
    """Both would answer half of the connections otherwise, and nobody would know."""
    server = start_process()
    for changes in ({"port": int(server.address.split(":")[1])}, {"metrics_port": server.metrics_port}):
        with pytest.raises(AlreadyExistsError, match="is taken by another process"):
            Server(world.config(**changes)).start()


def test_a_killed_server_leaves_its_port_and_the_next_one_takes_it(world, start_process):
    server = start_process()
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(LIMIT_S)
    again = start_process(port=int(server.address.split(":")[1]))
    with Client(again.address) as client:
        assert client.infer("late", ROW).model_version == "1"


def test_an_altered_package_ends_the_start_with_its_code(world, run_server, tmp_path):
    world.alter_package(1)
    log = tmp_path / "log"
    assert run_server(world, log).wait(LIMIT_S) == EXIT_CODES[Code.CORRUPTED]
    assert "was altered: model.onnx has digest" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_cuda_required_on_a_machine_without_it_is_refused(world, monkeypatch):
    from headrace.serving import Device
    from headrace.serving.runtime import placement as runtime

    monkeypatch.setattr(runtime, "_cuda_driver_loads", lambda: False)
    with pytest.raises(UnavailableError, match="CUDA is required and cannot be used"):
        Server(world.config(device=Device.CUDA)).start()
