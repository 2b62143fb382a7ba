"""Serve for a long time under load and look for growth: memory, threads, descriptors.

    python benchmarks/soak_serving.py --minutes 10 --workers 2

The load is mixed on purpose: many connections, batches of several sizes, refused requests, withdrawn requests and
statistics; what grows with any of them shows. It pauses for each sample, so that open connections do not blur it.
Growth is the median of the last quarter of samples against that of the second: the first quarter warms up.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from headrace.client import Client
from headrace.client.messages import InferCall
from headrace.core.errors import HeadraceError
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS

MEMORY_GROWTH = 0.02
FEATURES = 40
SETTLE_S = 1.0


@dataclass(frozen=True)
class Sample:
    """One look at a process: resident bytes, threads, open descriptors."""

    resident: int
    threads: int
    descriptors: int


def look(pid: int) -> Sample:
    """Look at a process now."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return Sample(
        int(status["VmRSS"].split()[0]) * 1024,
        int(status["Threads"]),
        sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
    )


def early_and_late(samples: list[int]) -> tuple[float, float]:
    """Medians of the second quarter and of the last."""
    quarter = max(1, len(samples) // 4)
    return statistics.median(samples[quarter : 2 * quarter]), statistics.median(samples[-quarter:])


class Load:
    """Clients that ask for everything at once until they are stopped; a client lives for some requests only."""

    def __init__(self, address: str, model: str, features: int, *, clients: int) -> None:
        self._address, self._model, self._features = address, model, features
        self._stop = threading.Event()
        self.outcomes: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(seed,)) for seed in range(clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop and wait."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        while not self._stop.is_set():
            with suppress(HeadraceError), Client(self._address, timeout_s=10) as client:
                self._ask(client, random)

    def _ask(self, client: Client, random: np.random.Generator) -> None:
        for number in range(200):
            if self._stop.is_set():
                return
            rows = random.normal(size=(int(random.choice([1, 1, 1, 8, 64])), self._features)).astype(np.float32)
            if number % 50 == 20:
                rows = rows[:, :-1]  # refused: the wrong width
            try:
                if number % 50 == 40:
                    self._withdraw(rows)
                else:
                    client.infer(self._model, rows)
                outcome = "answered"
            except HeadraceError as error:
                outcome = error.code.value
            with self._lock:
                self.outcomes[outcome] += 1

    def _withdraw(self, rows: Any) -> None:
        method = METHODS["ModelInfer"]
        with grpc.insecure_channel(self._address) as channel:
            statistics_of = METHODS["ModelStatistics"]
            call = channel.unary_unary(method.path, lambda message: message)
            call.future(InferCall(self._model, rows).to_message().SerializeToString()).cancel()
            ask = channel.unary_unary(statistics_of.path, lambda message: message, lambda message: message)
            with suppress(grpc.RpcError):
                ask(pb.ModelStatisticsRequest(name=self._model).SerializeToString(), timeout=10)


def start(arguments: argparse.Namespace, folder: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start a server process over a forest in a folder of its own; the process and its ready file."""
    make_model(folder / "models" / "forest" / "1" / "model.onnx", trees=arguments.trees)
    ready = folder / "ready.json"
    logged = ("--prediction-log", str(folder / "predictions")) if arguments.prediction_log else ()
    command = [
        *(sys.executable, "-m", "headrace.cli.main", "serve", "--repository", str(folder / "models")),
        *("--port", "0", "--metrics-port", "0", "--workers", str(arguments.workers), "--door", arguments.door),
        *("--ready-file", str(ready), *logged),
    ]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    while not ready.exists():
        if process.poll() is not None:
            sys.exit((folder / "server.log").read_text())
        time.sleep(0.05)
    return process, json.loads(ready.read_text())


def make_model(path: Path, *, trees: int) -> None:
    """Train and export a small forest."""
    import lightgbm

    from headrace.packaging.export import export_lightgbm

    random = np.random.default_rng(7)
    values = random.normal(size=(5000, FEATURES)).astype(np.float32)
    labels = values[:, 0] + values[:, 1] * values[:, 2] > 0
    parameters = {"objective": "binary", "num_leaves": 63, "min_data_in_leaf": 2, "verbose": -1, "num_threads": 1}
    path.parent.mkdir(parents=True)
    path.write_bytes(export_lightgbm(lightgbm.train(parameters, lightgbm.Dataset(values, labels), trees)))


def soak(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run the load and sample every process of the server."""
    process, info = start(arguments, folder)
    pids = [info["pid"], *info["workers"]]
    samples: dict[int, list[Sample]] = {pid: [] for pid in pids}
    outcomes: Counter[str] = Counter()
    try:
        until = time.monotonic() + arguments.minutes * 60
        while time.monotonic() < until:
            load = Load(info["address"], "forest", FEATURES, clients=arguments.clients)
            time.sleep(arguments.every)
            load.stop()
            outcomes += load.outcomes
            time.sleep(SETTLE_S)
            for pid in pids:
                samples[pid].append(look(pid))
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    return {
        "minutes": arguments.minutes,
        "transport": info["transport"],
        "outcomes": dict(outcomes),
        "exit_code": code,
        "processes": [_report(pid, samples[pid], info["pid"]) for pid in pids],
    }


def _report(pid: int, samples: list[Sample], supervisor: int) -> dict[str, Any]:
    early, late = early_and_late([sample.resident for sample in samples])
    more = {}
    for name in ("threads", "descriptors"):
        before, after = early_and_late([getattr(sample, name) for sample in samples])
        more[name] = int(after - before)
    return {
        "process": "server" if pid == supervisor else "worker",
        "samples": len(samples),
        "resident_mb": round(late / 1e6, 1),
        "memory_growth": round(late / early - 1.0, 4),
        "more_threads": more["threads"],
        "more_descriptors": more["descriptors"],
    }


def main() -> None:
    """Soak, print what grew as JSON, fail if too much did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--door", default="auto")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--every", type=float, default=5.0, help="seconds of load between two samples")
    parser.add_argument("--prediction-log", action="store_true", help="log predictions, which loads Arrow")
    parser.add_argument("--memory-growth", type=float, default=MEMORY_GROWTH, help="the most that is allowed")
    parser.add_argument("--more", type=int, default=0, help="threads or descriptors that may be added")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with tempfile.TemporaryDirectory() as folder:
        found = soak(arguments, Path(folder))
    print(json.dumps(found, indent=2))
    worst = max(process["memory_growth"] for process in found["processes"])
    more = max(max(one["more_threads"], one["more_descriptors"]) for one in found["processes"])
    if worst > arguments.memory_growth or more > arguments.more or found["exit_code"] != 0:
        sys.exit(f"memory grew by {worst:.1%}, threads or descriptors by {more}, exit code {found['exit_code']}")


if __name__ == "__main__":
    main()
