"""A registry with small models whose answers are known by arithmetic, and servers over it."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from headrace.client import Client
from headrace.core.clock import SystemClock
from headrace.core.database import open_database
from headrace.packaging import AliasMove, PackageContents, Registry, Signature, build_package
from headrace.rollout import Ledger, Releases
from headrace.serving import ServingConfig
from headrace.serving.config import Door
from headrace.serving.server import Server
from headrace.serving.transport.choice import native_missing

sys.path.insert(0, str(Path(__file__).parents[1] / "kernels" / "devices"))
from emulated_device import COMPILER, EmulatedDevice

DOORS = (
    pytest.param(Door.GRPCIO, id="grpcio"),
    pytest.param(
        Door.NATIVE,
        id="native",
        marks=pytest.mark.skipif(native_missing(tls=False) is not None, reason="the native door is not built here"),
    ),
)
FEATURES = 4
VERSION_STEP = 1000.0

SERVE = """
import json, sys
from headrace.core.errors import HeadraceError
from headrace.core.logging import configure_logging
from headrace.serving import serve
from headrace.serving.workers.settings import read_settings
configure_logging("json")
try:
    serve(read_settings(json.loads(sys.argv[1])))
except HeadraceError as error:
    print(f"error: {error.message}", file=sys.stderr)
    sys.exit(error.exit_code)
"""


def make_sum_model(version: int, features: int = FEATURES) -> bytes:
    """Score = sum of the row + 1000 * version: exact in float32 for small integers, and it tells who answered."""
    weights = numpy_helper.from_array(np.ones((features, 1), np.float32), "weights")
    bias = numpy_helper.from_array(np.array([VERSION_STEP * version], np.float32), "bias")
    node = helper.make_node("Gemm", ["features", "weights", "bias"], ["score"])
    return _model([node], [weights, bias], features)


def make_slow_model(features: int = FEATURES) -> bytes:
    """Score = sum of the row, after as many useless 256 x 256 products as the largest value says."""
    state = helper.make_tensor_value_info("state", TensorProto.FLOAT, [256, 256])
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "identity"], ["next"]),
            helper.make_node("Identity", ["go_on"], ["go_on_next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            state,
        ],
        [
            helper.make_tensor_value_info("go_on_next", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [256, 256]),
        ],
    )
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
        numpy_helper.from_array(np.ones((features, 1), np.float32), "weights"),
    ]
    return _model(nodes, constants, features)


def _model(nodes: list, constants: list, features: int) -> bytes:
    graph = helper.make_graph(
        nodes,
        "sample",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", features])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["rows", 1])],
        initializer=constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@dataclasses.dataclass
class World:
    """A registry on disk, and the operations a person would do on it."""

    home: Path
    registry: Registry
    releases: Releases

    @property
    def database(self) -> Path:
        return self.home / "headrace.db"

    def register(
        self, model: bytes, name: str = "late", features: int = FEATURES, cuda_model: bytes | None = None
    ) -> int:
        names = tuple(f"f{position}" for position in range(features))
        contents = PackageContents(
            name=name,
            model=model,
            plan={},
            schema={},
            signature=Signature.of_matrix(names),
            baseline={},
            evaluation={},
            lineage={},
            sbom={},
            model_card="# sample\n",
            cuda_model=cuda_model,
        )
        target = self.home / "builds" / f"{name}-{time.monotonic_ns()}"
        build_package(target, contents)
        return self.registry.register(name, target).version

    def config(self, **changes: object) -> ServingConfig:
        defaults: dict = {"models": ("late@champion",), "port": 0, "metrics_port": 0, "poll_ms": 20}
        defaults |= {"database": self.database, "store": self.home}
        return ServingConfig(**(defaults | changes))

    def alter_package(self, version: int, name: str = "late") -> None:
        file = self.registry.get(name, version).path / "model.onnx"
        file.write_bytes(file.read_bytes() + b"x")


@pytest.fixture
def sum_model() -> Callable[..., bytes]:
    return make_sum_model


@pytest.fixture
def slow_model() -> Callable[..., bytes]:
    return make_slow_model


@pytest.fixture
def empty_world(tmp_path: Path) -> Iterator[World]:
    engine = open_database(tmp_path / "headrace.db")
    registry = Registry(engine, tmp_path)

    def move_alias(tx, move):
        registry.set_alias(tx, AliasMove(move.model, move.alias, move.version, move.actor, move.reason, move.at))

    releases = Releases(Ledger(engine), SystemClock(), move_alias, actor="test")
    yield World(tmp_path, registry, releases)
    engine.dispose()


@pytest.fixture
def world(empty_world: World) -> World:
    """Versions 1 and 2 of `late`, version 1 champion."""
    for version in (1, 2):
        empty_world.register(make_sum_model(version))
    empty_world.releases.adopt("late", 1, reason="first")
    return empty_world


@pytest.fixture(params=DOORS)
def door(request) -> Door:
    """Each front door in turn: both pass the same tests."""
    return request.param


@pytest.fixture
def start(world: World, door: Door) -> Iterator[Callable[..., tuple[Server, Client]]]:
    """Start a server in this process; drained when the test ends."""
    running: list[tuple[Server, Client]] = []

    def start_server(world: World = world, **changes: object) -> tuple[Server, Client]:
        server = Server(world.config(**({"door": door} | changes)))
        info = server.start()
        client = Client(info.address, timeout_s=60)
        running.append((server, client))
        return server, client

    yield start_server
    for server, client in running:
        client.close()
        server.drain()


class FailingDevice(EmulatedDevice):
    """The emulated device, which fails at its next launches and copies with `error` while that is set."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.asked = 0

    def put(self, array: np.ndarray) -> np.ndarray:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return super().put(array)


@pytest.fixture
def failing_device(monkeypatch: pytest.MonkeyPatch) -> FailingDevice:
    """A CUDA device that this machine seems to have: the kernels' own sources, on the CPU."""
    if COMPILER is None:
        pytest.skip("no C++ compiler: the emulator cannot be built")
    device = FailingDevice()
    monkeypatch.setattr("headrace.serving.runtime.placement._cuda_driver_loads", lambda: True)
    monkeypatch.setattr("headrace.serving.runtime.devices.find_device", lambda: device)
    return device


@dataclasses.dataclass
class ServerProcess:
    """A real server process."""

    process: subprocess.Popen
    info: dict
    log: Path

    @property
    def address(self) -> str:
        return self.info["address"]

    @property
    def metrics_port(self) -> int:
        return int(self.info["metrics_address"].split(":")[1])

    def events(self, name: str) -> list[dict]:
        """Events of that name in the log so far; a line that is being written is not there yet."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        lines = [line for line in whole.splitlines() if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def scrape(self) -> str:
        with urllib.request.urlopen(f"http://{self.info['metrics_address']}/metrics", timeout=5) as page:
            return page.read().decode()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def launch(world: World, log: Path, **changes: object) -> subprocess.Popen:
    given = {"models": ["late@champion"], "database": str(world.database), "store": str(world.home)}
    given |= {"port": 0, "metrics_port": 0, "poll_ms": 20} | changes
    with log.open("wb") as out:
        return subprocess.Popen([sys.executable, "-W", "error", "-c", SERVE, json.dumps(given)], stderr=out)


@pytest.fixture
def run_server() -> Callable[..., subprocess.Popen]:
    """Launch a server process and leave it to the test."""
    return launch


@pytest.fixture
def start_process(world: World, tmp_path: Path, door: Door) -> Iterator[Callable[..., ServerProcess]]:
    """Start a server process; ended when the test ends."""
    running: list[subprocess.Popen] = []

    def start_server(world: World = world, **changes: object) -> ServerProcess:
        ready, log = tmp_path / f"ready-{len(running)}.json", tmp_path / f"server-{len(running)}.log"
        process = launch(world, log, ready_file=str(ready), **({"door": door.value} | changes))
        running.append(process)
        limit = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < limit, log.read_text()
            time.sleep(0.005)
        return ServerProcess(process, json.loads(ready.read_text()), log)

    yield start_server
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()
