"""The server under load, beside the same transport answering nothing.

A forest of 300 trees of 63 leaves over 40 features is trained, exported, packaged, registered and served by a real
server process; a second process, grpcio's synchronous server with as many threads and no work to do, is the floor.
Each round asks both: 1 request in flight (latency) and 64 in flight (throughput), rows that vary, one row a request.
Every answer is checked against LightGBM's own predict. The clients run in a process of their own, on cores that the
server would otherwise have: read the ratio to the floor, not the absolute figures.

    python benchmarks/bench_serving.py [--smoke] [--output build/bench/serving.json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt

from headrace.client.messages import InferCall, read_response
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS, SERVICE

TOLERANCE = 2e-6
IN_FLIGHT = 64
INFER = METHODS["ModelInfer"]
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Size:
    """How large the model is and how long it is asked."""

    trees: int
    leaves: int
    features: int
    rows: int
    rounds: int
    lone_requests: int
    requests: int


FULL = Size(trees=300, leaves=63, features=40, rows=4_000, rounds=7, lone_requests=500, requests=2_000)
SMOKE = Size(trees=30, leaves=15, features=40, rows=500, rounds=2, lone_requests=50, requests=200)


@dataclass(frozen=True)
class Figures:
    """One round of one server; microseconds with 1 request in flight, requests a second with IN_FLIGHT."""

    p50_us: float
    p99_us: float
    requests_s: float
    max_abs_diff: float


def prepare(home: Path, size: Size) -> tuple[Rows, npt.NDArray[np.float64]]:
    """Train, export, package and register the model `forest`; rows to ask about and LightGBM's answers."""
    import lightgbm

    from headrace.core.clock import SystemClock
    from headrace.core.database import open_database
    from headrace.packaging import AliasMove, PackageContents, Registry, Signature, build_package
    from headrace.packaging.export import export_lightgbm

    random = np.random.default_rng(7)
    values = random.normal(size=(2 * size.rows, size.features)).astype(np.float32)
    values[random.random(values.shape) < 0.05] = np.nan
    known = np.nan_to_num(values)
    labels = known[:, 0] + known[:, 1] * known[:, 2] + random.normal(size=len(values)) > 0
    parameters = {"objective": "binary", "num_leaves": size.leaves, "min_data_in_leaf": 2, "verbose": -1, "seed": 7}
    booster = lightgbm.train(parameters, lightgbm.Dataset(values, labels), num_boost_round=size.trees)
    names = tuple(f"f{position}" for position in range(size.features))
    documents: dict[str, Any] = {name: {} for name in ("plan", "schema", "baseline", "evaluation", "lineage", "sbom")}
    contents = PackageContents(
        name="forest",
        model=export_lightgbm(booster),
        signature=Signature.of_matrix(names),
        model_card="# benchmark\n",
        **documents,
    )
    build_package(home / "build", contents)
    registry = Registry(open_database(home / "headrace.db"), home)
    version = registry.register("forest", home / "build").version
    with registry.engine.begin() as tx:
        move = AliasMove("forest", "champion", version, "benchmark", "serve it", SystemClock().now())
        registry.set_alias(tx, move)
    registry.engine.dispose()
    asked = values[size.rows :]
    return asked, booster.predict(asked.astype(np.float64), num_threads=1)


def serve_model(home: Path, ready: Path, threads: int) -> None:
    """Serve the model until SIGTERM (a process of its own)."""
    from headrace.core.logging import configure_logging
    from headrace.serving import ServingConfig, serve

    configure_logging("json", level="warning")
    serve(
        ServingConfig(
            models=("forest@champion",),
            database=home / "headrace.db",
            store=home,
            port=0,
            metrics_port=None,
            threads=threads,
            ready_file=ready,
        )
    )


def serve_nothing(ready: Path, threads: int) -> None:
    """Answer every request with one constant (a process of its own): what the transport alone costs."""
    constant = pb.ModelInferResponse(model_name="forest", model_version="1", id="x")
    constant.outputs.add(name="score", datatype="FP32", shape=[1, 1])
    constant.raw_output_contents.append(b"\0\0\0\0")
    answer = constant.SerializeToString()
    handlers = {"ModelInfer": grpc.unary_unary_rpc_method_handler(lambda _message, _context: answer)}
    server = grpc.server(futures.ThreadPoolExecutor(threads))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ready.write_text(json.dumps({"address": f"127.0.0.1:{port}"}))
    server.wait_for_termination()


@contextmanager
def running(*arguments: str, ready: Path) -> Iterator[str]:
    """Run this file as a server process; its address."""
    process = subprocess.Popen([sys.executable, __file__, *arguments])
    try:
        while not ready.exists() or not ready.read_text():
            if process.poll() is not None:
                raise RuntimeError(f"the server {arguments[0]} ended with {process.returncode}")
            time.sleep(0.01)
        yield str(json.loads(ready.read_text())["address"])
    finally:
        process.terminate()
        process.wait()


def ask(address: str, rows: Rows, expected: npt.NDArray[np.float64], size: Size) -> Figures:
    """One round against one server."""
    messages = [InferCall("forest", row[None, :], request_id=f"{i}").to_message() for i, row in enumerate(rows)]
    payloads = [message.SerializeToString() for message in messages]
    with grpc.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
        call = channel.unary_unary(INFER.path)
        for payload in payloads[:50]:
            call(payload)
        lone_s, answers = _one_by_one(call, payloads, size.lone_requests)
        seconds, more = _in_flight(call, payloads, size.requests)
    scores = {
        position: read_response(pb.ModelInferResponse.FromString(raw)).scores[0] for position, raw in answers + more
    }
    worst = max(abs(float(score) - expected[position]) for position, score in scores.items())
    p50, p99 = np.percentile(lone_s, [50, 99]) * 1e6
    return Figures(float(p50), float(p99), size.requests / seconds, float(worst))


def _one_by_one(call: Any, payloads: list[bytes], count: int) -> tuple[list[float], list[tuple[int, bytes]]]:
    times: list[float] = []
    answers: list[tuple[int, bytes]] = []
    for number in range(count):
        position = number % len(payloads)
        begin = time.perf_counter()
        answer = call(payloads[position])
        times.append(time.perf_counter() - begin)
        answers.append((position, answer))
    return times, answers


def _in_flight(call: Any, payloads: list[bytes], count: int) -> tuple[float, list[tuple[int, bytes]]]:
    done: SimpleQueue[tuple[int, Any]] = SimpleQueue()
    answers: list[tuple[int, bytes]] = []

    def send(number: int) -> None:
        position = number % len(payloads)
        call.future(payloads[position]).add_done_callback(lambda future: done.put((position, future)))

    begin = time.perf_counter()
    for number in range(min(IN_FLIGHT, count)):
        send(number)
    for number in range(IN_FLIGHT, count + IN_FLIGHT):
        position, future = done.get()
        answers.append((position, future.result()))
        if number < count:
            send(number)
    return time.perf_counter() - begin, answers


def compare(size: Size, threads: int) -> dict[str, list[Figures]]:
    """Alternate rounds against both servers; figures by server."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        home = Path(scratch)
        rows, expected = prepare(home, size)
        zeros = np.zeros_like(expected)
        given = str(threads)
        floor_ready, ready = home / "floor.json", home / "ready.json"
        floor = stack.enter_context(running("--floor", str(floor_ready), given, ready=floor_ready))
        server = stack.enter_context(running("--server", str(home), str(ready), given, ready=ready))
        figures: dict[str, list[Figures]] = {"transport alone": [], "headrace": []}
        for turn in range(size.rounds):
            order = [("transport alone", floor, zeros), ("headrace", server, expected)]
            for name, address, wanted in order if turn % 2 == 0 else reversed(order):
                figures[name].append(ask(address, rows, wanted, size))
        worst = max(figure.max_abs_diff for figure in figures["headrace"])
        if worst > TOLERANCE:
            raise AssertionError(f"served scores differ from LightGBM's by {worst}")
    return figures


def table(figures: dict[str, list[Figures]]) -> str:
    """Medians over rounds, and the ratio to the transport alone within the same rounds."""
    floor = figures["transport alone"]
    lines = [f"{'':<18}{'p50 at 1':>12}{'p99 at 1':>12}{f'requests/s at {IN_FLIGHT}':>20}{'of the floor':>14}"]
    for name, rounds in figures.items():
        share = np.median([mine.requests_s / theirs.requests_s for mine, theirs in zip(rounds, floor, strict=True)])
        p50, p99, rate = (
            np.median([getattr(r, field) for r in rounds]) for field in ("p50_us", "p99_us", "requests_s")
        )
        lines.append(f"{name:<18}{p50:>9.0f} us{p99:>9.0f} us{rate:>20.0f}{share:>14.2f}")
    return "\n".join(lines)


def main() -> None:
    """Run the comparison, or one of its servers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="small sizes: checks the results, not the speed")
    parser.add_argument("--output", type=Path, default=Path("build/bench/serving.json"))
    parser.add_argument("--threads", type=int, default=8, help="threads of both servers")
    parser.add_argument("--floor", nargs=2, metavar=("READY", "THREADS"), help=argparse.SUPPRESS)
    parser.add_argument("--server", nargs=3, metavar=("HOME", "READY", "THREADS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor:
        serve_nothing(Path(options.floor[0]), int(options.floor[1]))
    elif options.server:
        serve_model(Path(options.server[0]), Path(options.server[1]), int(options.server[2]))
    else:
        size = SMOKE if options.smoke else FULL
        figures = compare(size, options.threads)
        print(table(figures))
        options.output.parent.mkdir(parents=True, exist_ok=True)
        facts = {"size": asdict(size), "threads": options.threads, "in_flight": IN_FLIGHT, "checked": TOLERANCE}
        rounds = {name: [asdict(figure) for figure in found] for name, found in figures.items()}
        options.output.write_text(
            json.dumps({"benchmark": "serving", "facts": facts, "rounds": rounds}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
