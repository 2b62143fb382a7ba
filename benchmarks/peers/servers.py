"""Start a server on the first CPU, with the forest or nothing behind it, and end it again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from peers.installation import Place, site_packages

SERVER_CPU = 0
HERE = Path(__file__).parent
_START_S = 90.0


@dataclass(frozen=True)
class Launch:
    """A command line, what is in its environment beside ours, where it is run."""

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True)
class Server:
    """A contender.

    Attributes:
        name: in tables.
        launch: how it is started on a port.
        about: version, and what cannot be compared.
        datatype: of its scores; empty: it computes nothing.
    """

    name: str
    launch: Callable[[Place, int], Launch]
    about: str
    datatype: str = "FP32"


@dataclass(frozen=True)
class Running:
    """A server that answers: its address, and the session that all of its processes belong to."""

    address: str
    session: int

    def cpu_s(self) -> float:
        """Seconds of CPU that its processes have taken until now, in ticks of the kernel's clock (10 ms)."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
            if int(fields[3]) == self.session:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def headrace(door: str, **settings: float) -> Server:
    """This project's server, through one of its transports."""

    def launch(place: Place, port: int) -> Launch:
        given = {"repository": str(place.repository), "door": door, "port": port, "batching": settings}
        return Launch([sys.executable, str(HERE / "serve_headrace.py"), json.dumps(given)])

    return Server(f"headrace, {door}", launch, "the exported forest from a model repository, every answer checked")


def _launch_echo(place: Place, port: int) -> Launch:
    return Launch([str(place.echo), f"127.0.0.1:{port}"])


def _launch_triton(place: Place, port: int) -> Launch:
    site = site_packages(place.triton)
    binary = next(path for path in (site / "pytriton").rglob("tritonserver") if path.is_file())
    libraries = [sysconfig.get_config_var("LIBDIR") or "", str(site / "nvidia_pytriton.libs")]
    command = [
        *(str(binary), f"--model-repository={place.triton / 'models'}"),
        *(f"--backend-directory={place.triton / 'backends'}", "--pinned-memory-pool-byte-size=0"),
        *("--model-control-mode=explicit", "--load-model=forest", "--allow-metrics=false", "--allow-http=false"),
        *("--grpc-address=127.0.0.1", f"--grpc-port={port}"),
    ]
    environment = {
        "PYTHONPATH": str(site),
        "LD_LIBRARY_PATH": ":".join(libraries),
        "PEERS_GRAPH": str(place.graph),
        "PATH": f"{place.triton / 'venv' / 'bin'}:{os.environ['PATH']}",
    }
    return Launch(command, environment)


def _launch_mlserver(place: Place, port: int) -> Launch:
    folder = place.mlserver / "served"
    folder.mkdir(exist_ok=True)
    ports = {"http_port": free_port(), "grpc_port": port, "metrics_port": free_port()}
    settings = {"debug": False, "host": "127.0.0.1", "parallel_workers": 0, **ports}
    model = {
        "name": "forest",
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": str(place.mlserver / "model.bst"), "version": "1"},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    binaries = place.mlserver / "venv" / "bin"
    environment = {"OMP_NUM_THREADS": "1", "PATH": f"{binaries}:{os.environ['PATH']}"}
    return Launch([str(binaries / "mlserver"), "start", "."], environment, folder)


ECHO = Server(
    "C++ echo", _launch_echo, "Debian's gRPC C++, generic callback service; answers 70 constant bytes, no model", ""
)
TRITON = Server(
    "Triton",
    _launch_triton,
    "its C++ front end and dynamic batcher from the nvidia-pytriton wheel, which holds neither its ONNX Runtime nor "
    "its FIL backend: so the same graph as ours runs in its Python backend, one batch at a time in one process",
)
MLSERVER = Server("MLServer", _launch_mlserver, "its LightGBM runtime, LightGBM's own predict on one thread", "FP64")


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(server: Server, place: Place, ready: Callable[[str], bool]) -> Iterator[Running]:
    """Start a server on its CPU and yield it once it answers; end it afterwards.

    Args:
        server: which.
        place: where it was installed.
        ready: whether the server at an address answers.

    Raises:
        RuntimeError: it ended, or did not answer in time; with the end of what it wrote.
    """
    port = free_port()
    launch = server.launch(place, port)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CPU), *launch.command],
            stdout=log, stderr=log, cwd=launch.folder, env={**os.environ, **launch.environment}, start_new_session=True,
        )  # fmt: skip
        try:
            limit = time.monotonic() + _START_S
            while not ready(f"127.0.0.1:{port}"):
                if process.poll() is not None or time.monotonic() > limit:
                    log.seek(0)
                    raise RuntimeError(f"{server.name} did not start: {log.read()[-800:].decode(errors='replace')}")
                time.sleep(0.05)
            yield Running(f"127.0.0.1:{port}", process.pid)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and what it started (its process group is ours alone)."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(8)
        except subprocess.TimeoutExpired:
            continue
    process.wait(8)
