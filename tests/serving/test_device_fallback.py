"""A server whose device fails: the batch is answered by the CPU, to the same bits, and everybody can see it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import onnx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from headrace.client import Client
from headrace.core.clock import ManualClock
from headrace.core.errors import EXIT_CODES, Code, InvalidInputError, UnavailableError
from headrace.packaging.export import export_lightgbm
from headrace.serving import Device
from headrace.serving.config import Door
from headrace.serving.runtime import accelerate
from headrace.serving.runtime.backend import Placement
from headrace.serving.runtime.device_guard import DeviceGuard
from headrace.serving.runtime.session import Session
from headrace.serving.runtime.switching import SwitchingBackend
from headrace.serving.server import Server
from headrace.wire import inference_pb2 as pb
from headrace_kernels.cuda.device import DeviceError, OutOfMemoryError

lightgbm = pytest.importorskip("lightgbm")
pytest.importorskip("headrace_kernels.native._forest", reason="the native forest is not built")
FOREST = ("forest@champion",)
ROWS = np.random.default_rng(5).normal(size=(40, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def forest_model() -> bytes:
    values = np.random.default_rng(1).normal(size=(500, 4))
    data = lightgbm.Dataset(values, values[:, 0] > values[:, 1] ** 2, params={"verbose": -1})
    settings = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1}
    return export_lightgbm(lightgbm.train(settings, data, num_boost_round=5))


@pytest.fixture
def expected(forest_model) -> bytes:
    return Session(forest_model, device=Device.CPU, name="m@1").run((ROWS,))[0].tobytes()


@pytest.fixture
def forest_world(world, forest_model):
    world.register(forest_model, name="forest")
    world.releases.adopt("forest", 1, reason="first")
    return world


def answer(client) -> bytes:
    return client.infer("forest", ROWS).outputs["score"].tobytes()


def config_of(client) -> dict[str, str]:
    config = client._call("ModelConfig", pb.ModelConfigRequest(name="forest")).config
    kind = pb.ModelInstanceGroup.Kind.Name(config.instance_group[0].kind)
    return {"backend": config.backend, "kind": kind} | {
        name: parameter.string_value for name, parameter in config.parameters.items()
    }


def fallbacks(text: str) -> dict[str, float]:
    return {
        sample.labels["reason"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "headrace_device_fallbacks_total"
    }


def scrape(server) -> str:
    with urllib.request.urlopen(f"http://{server._metrics.address}/metrics", timeout=5) as page:
        return page.read().decode()


def test_a_lost_device_is_left_within_one_batch(start, forest_world, failing_device, expected):
    server, client = start(forest_world, models=FOREST, device=Device.CUDA)
    asked = failing_device.asked
    assert answer(client) == expected
    assert failing_device.asked > asked
    config = config_of(client)
    assert (config["backend"], config["kind"], config["device"]) == ("cuda_forest", "KIND_GPU", "cuda")
    assert (config["cuda_state"], config["cuda_device"], config["device_reason"]) == ("in use", "emulated", "")
    assert "device(cuda)" in client.server()[2]
    assert fallbacks(scrape(server)) == {}

    failing_device.error = DeviceError("emulated: cudaErrorIllegalAddress")
    for _ in range(3):
        assert answer(client) == expected
    failing_device.error = None
    asked = failing_device.asked
    assert answer(client) == expected
    assert failing_device.asked == asked  # not asked again until the model is loaded again
    assert fallbacks(scrape(server)) == {"the device failed": 1.0}
    config = config_of(client)
    assert (config["backend"], config["kind"], config["device"]) == ("forest", "KIND_CPU", "cpu")
    assert config["device_reason"] == "the device failed: emulated: cudaErrorIllegalAddress"
    assert config["cuda_state"] == "lost, until the model is loaded again"
    assert 'device="cpu"' in scrape(server)
    assert any(each.startswith("device(cpu; forest@1: the device failed") for each in client.server()[2])


def test_a_device_without_memory_is_tried_again(start, forest_world, failing_device, expected):
    server, client = start(forest_world, models=FOREST, device=Device.CUDA)
    backend = server._manager.fleet.deployments["forest"].champion.session
    clock = ManualClock()
    backend.guard = DeviceGuard(clock.monotonic)
    failing_device.error = OutOfMemoryError("emulated: 64 bytes do not fit 0")
    assert answer(client) == expected
    failing_device.error = None
    asked = failing_device.asked
    assert answer(client) == expected
    assert failing_device.asked == asked
    assert config_of(client)["cuda_state"] == "resting"
    clock.advance(1.0)
    assert answer(client) == expected
    assert failing_device.asked > asked
    assert config_of(client)["cuda_state"] == "in use"
    assert fallbacks(scrape(server)) == {"out of memory": 1.0}


def test_memory_that_runs_out_in_the_middle_of_a_batch_is_a_fallback_too(start, forest_world, failing_device, expected):
    server, client = start(forest_world, models=FOREST, device=Device.CUDA)
    failing_device.free_bytes = 0
    assert answer(client) == expected
    assert fallbacks(scrape(server)) == {"out of memory": 1.0}


def test_a_device_that_is_full_at_load_leaves_the_model_on_the_cpu(start, forest_world, failing_device, expected):
    failing_device.error = OutOfMemoryError("emulated: 64 bytes do not fit 0")
    server, client = start(forest_world, models=FOREST)
    assert answer(client) == expected
    ((reason, count),) = fallbacks(scrape(server)).items()
    assert "cuda_forest: the device does not take the forest: emulated: 64 bytes" in reason
    assert "onnxruntime: the graph has TreeEnsemble" in reason
    assert count == 1.0
    assert config_of(client)["device_reason"] == reason


def test_where_cuda_is_required_a_full_device_refuses_the_start(forest_world, failing_device):
    failing_device.error = OutOfMemoryError("emulated: 64 bytes do not fit 0")
    with pytest.raises(UnavailableError, match="CUDA is required and cannot be used: cuda_forest") as refused:
        Server(forest_world.config(models=FOREST, device=Device.CUDA)).start()
    assert refused.value.exit_code == EXIT_CODES[Code.UNAVAILABLE]


def test_a_batch_that_fails_on_the_cpu_too_is_not_the_devices_fault(failing_device, forest_model):
    class Broken:
        name, inputs, outputs, details = "broken", (), (), {}

        def run(self, _inputs):
            raise InvalidInputError("no such category")

        def runner(self):
            return self

    told = []
    guard = DeviceGuard()
    backend = SwitchingBackend(Broken(), Broken(), from_rows=1, guard=guard, name="m@1", fell_back=told.append)
    with pytest.raises(InvalidInputError):
        backend.runner().run((ROWS,))
    assert (told, guard.problem) == ([], "")


def with_note(model: bytes) -> bytes:
    """The same graph in other bytes."""
    noted = onnx.load_from_string(model)
    onnx.helper.set_model_props(noted, {"headrace.bytes_per_row": "64"})
    return noted.SerializeToString()


def seem_to_run_on_cuda(monkeypatch) -> list[bytes]:
    """ONNX Runtime's CUDA provider is where a GPU is: in its place the CPU's, which says that it was CUDA."""
    opened = []

    def open_session(model, name):
        opened.append(model)
        session = Session(model, device=Device.CPU, name=name)
        session.placement = Placement("cuda")
        return session

    monkeypatch.setattr(accelerate, "_open_session", open_session)
    return opened


def test_the_second_graph_of_a_package_is_what_cuda_runs(start, world, failing_device, sum_model, monkeypatch):
    model, cuda_model = sum_model(1), with_note(sum_model(1))
    world.register(model, name="forest", cuda_model=cuda_model)
    world.releases.adopt("forest", 1, reason="first")
    opened = seem_to_run_on_cuda(monkeypatch)
    _, client = start(world, models=FOREST, device=Device.CUDA)
    assert opened == [cuda_model]
    config = config_of(client)
    assert (config["backend"], config["device"], config["cpu_backend"]) == ("onnxruntime", "cuda", "onnxruntime")
    np.testing.assert_array_equal(client.infer("forest", np.ones((3, 4), np.float32)).scores, 1004.0)


def test_a_second_graph_that_answers_otherwise_is_refused(start, world, failing_device, sum_model, monkeypatch):
    world.register(sum_model(1), name="forest", cuda_model=sum_model(2))
    world.releases.adopt("forest", 1, reason="first")
    seem_to_run_on_cuda(monkeypatch)
    _, client = start(world, models=FOREST)
    config = config_of(client)
    assert config["device"] == "cpu"
    assert "onnxruntime: it differs from the CPU with 1 rows of zeros" in config["device_reason"]
    np.testing.assert_array_equal(client.infer("forest", np.ones((3, 4), np.float32)).scores, 1004.0)


PROCESS = """
import json, pathlib, sys
sys.path.insert(0, sys.argv[2])
from emulated_device import EmulatedDevice
from headrace.core.logging import configure_logging
from headrace.serving import serve
from headrace.serving.runtime import devices, placement
from headrace.serving.workers.settings import read_settings
from headrace_kernels.cuda.device import DeviceError

class Device(EmulatedDevice):
    def launch(self, *given):
        if pathlib.Path(sys.argv[3]).exists():
            raise DeviceError("emulated: the device fell off the bus")
        super().launch(*given)

device = Device()
placement._cuda_driver_loads, devices.find_device = lambda: True, lambda: device
configure_logging("json")
serve(read_settings(json.loads(sys.argv[1])))
"""


@pytest.mark.slow
def test_a_server_process_loses_its_device_and_no_request_is_lost(
    forest_world, failing_device, door, expected, tmp_path
):
    ready, log, lost = tmp_path / "ready.json", tmp_path / "log", tmp_path / "lost"
    given = {
        "models": ["forest@champion"], "database": str(forest_world.database), "store": str(forest_world.home),
        "port": 0, "metrics_port": 0, "device": "cuda", "ready_file": str(ready), "door": Door(door).value,
    }  # fmt: skip
    devices = Path(__file__).parents[1] / "kernels" / "devices"
    command = [sys.executable, "-W", "error", "-c", PROCESS, json.dumps(given), str(devices), str(lost)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stderr=out)
    try:
        limit = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < limit, log.read_text()
            time.sleep(0.01)
        info = json.loads(ready.read_text())
        assert info["device"] == "cuda"
        client = Client(info["address"], timeout_s=60)
        for number in range(60):
            assert answer(client) == expected
            if number == 20:
                lost.touch()
        assert config_of(client)["device_reason"] == "the device failed: emulated: the device fell off the bus"
        client.close()
        with urllib.request.urlopen(f"http://{info['metrics_address']}/metrics", timeout=5) as page:
            assert fallbacks(page.read().decode()) == {"the device failed": 1.0}
        events = [json.loads(line) for line in log.read_text().rpartition("\n")[0].splitlines() if line.startswith("{")]
        (failed,) = [event for event in events if event["event"] == "device_failed"]
        assert (failed["level"], failed["lost"], failed["rows"]) == ("warning", True, len(ROWS))
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0
