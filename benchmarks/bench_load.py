"""The load generator beside h2load, on a gRPC server that costs almost nothing (libnghttp2, one thread).

Server on one CPU, generator on another; generators take turns. Checked: no request fails. Rates say whether a generator
can be the bottleneck; its CPU a request says it even where others are busy on the machine. h2load sends one body again
and again, reads no gRPC status and keeps no schedule.

    python benchmarks/bench_load.py [--smoke] [--output build/bench/load.json]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from peers.installation import Place
from peers.servers import Launch, Server, running

from headrace.client import ModelDescription, TensorSpec
from headrace.client.raw import call_raw
from headrace.core.errors import HeadraceError
from headrace.load import Content, Endpoint, LoadPlan, run_load
from headrace.load.bodies import Bodies, prepare_bodies
from headrace.load.native import native_generator
from headrace.wire.methods import METHODS

LOAD_CPU = 1
PATH = METHODS["ModelInfer"].path
CASES = ((1, 1), (8, 8), (8, 32))


@dataclass(frozen=True)
class Run:
    """One run: requests a second, mean microseconds of an answer, CPU microseconds of the generator a request."""

    rate: float
    mean_us: float
    cpu_us: float


def make_bodies() -> Bodies:
    """Requests of one row of 40 features."""
    features = TensorSpec("features", "FP32", (-1, 40))
    return prepare_bodies(Content("forest"), ModelDescription("forest", (), "", (features,), ()), seed=1)


def run_own(address: str, bodies: Bodies, connections: int, streams: int, count: int, *, portable: bool) -> Run:
    """`headrace load`, natively or with grpcio's client."""
    plan = LoadPlan(
        Endpoint(address), Content("forest"), in_flight=connections * streams, connections=connections,
        warmup_s=0.0, duration_s=120.0, requests=count,
    )  # fmt: skip
    result = run_load(plan, bodies=bodies, portable=portable)
    assert result.errors == 0, result.observed.messages
    cpu_s = result.observed.effort.cpu_share * result.observed.window_s
    return Run(result.rate, result.ok.response.mean_ms * 1e3, cpu_s / result.ok.answers * 1e6)


def run_h2load(address: str, body: Path, connections: int, streams: int, count: int) -> Run:
    """h2load with one thread."""
    command = [
        *("h2load", "-n", str(count), "-c", str(connections), "-m", str(streams), "-t", "1", "-d", str(body)),
        *("-H", "content-type: application/grpc", "-H", "te: trailers", f"http://{address}{PATH}"),
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert f"{count} succeeded" in text, text
    rate = float(re.search(r"([\d.]+) req/s", text)[1])
    mean, unit = re.search(r"time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)", text).groups()
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Run(rate, float(mean) * {"us": 1.0, "ms": 1e3, "s": 1e6}[unit], cpu_s / count * 1e6)


def generators(bodies: Bodies, body: Path) -> dict[str, Callable[[str, int, int, int], Run]]:
    """What can be measured here, by name."""
    found: dict[str, Callable[[str, int, int, int], Run]] = {}
    if shutil.which("h2load"):
        found["h2load"] = lambda address, *case: run_h2load(address, body, *case)
    if native_generator() is not None:
        found["headrace load"] = lambda address, *case: run_own(address, bodies, *case, portable=False)
    found["headrace load, portable"] = lambda address, connections, streams, count: run_own(
        address, bodies, connections, streams, max(100, count // 20), portable=True
    )
    return found


def compare(binary: Path, scratch: Path, *, rounds: int, requests: int) -> dict[str, dict[str, list[Run]]]:
    """Every generator in turn; runs by case and generator."""
    bodies = make_bodies()
    (scratch / "body.bin").write_bytes(bodies.framed[0])
    contenders = generators(bodies, scratch / "body.bin")
    runs: dict[str, dict[str, list[Run]]] = {f"{c} x {s}": {name: [] for name in contenders} for c, s in CASES}
    server = Server("echo", lambda _place, port: Launch([str(binary), str(port)]), "")
    with running(server, Place(scratch), _answers(bodies)) as started:
        for _ in range(rounds):
            for connections, streams in CASES:
                count = requests // 20 if streams == 1 else requests
                for name, run in contenders.items():
                    figure = run(started.address, connections, streams, count)
                    runs[f"{connections} x {streams}"][name].append(figure)
    return runs


def _answers(bodies: Bodies) -> Callable[[str], bool]:
    def ready(address: str) -> bool:
        try:
            call_raw(Endpoint(address), PATH, bodies.framed[0][5:], timeout_s=2.0)
        except HeadraceError:
            return False
        return True

    return ready


def table(runs: dict[str, dict[str, list[Run]]]) -> str:
    """Medians over the rounds."""
    lines = [f"{'connections x in flight':<26}{'':<26}{'requests/s':>14}{'mean':>14}{'CPU a request':>16}"]
    for case, by_name in runs.items():
        for name, found in by_name.items():
            rate, mean, cpu = (statistics.median(getattr(run, key) for run in found) for key in Run.__annotations__)
            lines.append(f"{case:<26}{name:<26}{rate:>14,.0f}{mean:>11,.0f} us{cpu:>13,.2f} us")
    return "\n".join(lines)


def main() -> None:
    """Compile the server, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="few requests: checks the results, not the speed")
    parser.add_argument("--output", type=Path, default=Path("build/bench/load.json"))
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(LOAD_CPU, (os.cpu_count() or 1) - 1)})
    with tempfile.TemporaryDirectory() as scratch:
        binary, source = Path(scratch) / "fast_echo", Path(__file__).parent / "peers" / "fast_echo.cc"
        command = ["g++", "-O2", "-std=c++17", str(source), "-o", str(binary), "-lnghttp2"]
        if shutil.which("g++") is None or subprocess.run(command, check=False).returncode != 0:
            print("not measured: the echo server needs g++ and libnghttp2-dev")
            return
        rounds, requests = (1, 4_000) if options.smoke else (5, 200_000)
        runs = compare(binary, Path(scratch), rounds=rounds, requests=requests)
    print(table(runs))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    found = {case: {name: [asdict(run) for run in one] for name, one in by.items()} for case, by in runs.items()}
    options.output.write_text(json.dumps({"benchmark": "load", "runs": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
