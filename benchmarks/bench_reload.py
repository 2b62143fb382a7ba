"""Reload under load: 100 swaps between two versions while requests come at a constant rate.

Two forests of 300 trees of 63 leaves over 40 features take turns in a repository folder that a real server watches:
each swap is a new version folder, so that a file is read, digested, opened, warmed and switched to, and the version
before it is let go. Requests of one row, rows varied, are sent at their due times whatever the server does, and timed
from then. Quiet phases and phases of ten swaps alternate. Checked: no request fails, and every score is, to 2e-6, what
LightGBM predicts with the version that the answer names.

    python benchmarks/bench_reload.py [--smoke] [--door grpcio|native] [--rate 400] [--output build/bench/reload.json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt

from headrace.client.messages import InferCall, read_response
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS

TOLERANCE = 2e-6
BAR = 1.5
SWAPS_A_PHASE = 10
PAUSE_S = 0.25
LIMIT_S = 30.0
INFER = METHODS["ModelInfer"]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Size:
    """How large the models are and how long the server is asked."""

    trees: int
    leaves: int
    rows: int
    swaps: int
    quiet_s: float


FULL = Size(trees=300, leaves=63, rows=2_000, swaps=100, quiet_s=5.0)
SMOKE = Size(trees=30, leaves=15, rows=200, swaps=SWAPS_A_PHASE, quiet_s=1.0)


@dataclass(frozen=True)
class Answer:
    """One request: when it was due, how long its answer took from then, and what it was."""

    due_at: float
    seconds: float
    position: int
    version: int
    score: float


def train(size: Size) -> tuple[npt.NDArray[np.float32], list[tuple[bytes, Scores]]]:
    """Rows to ask about, and two models with LightGBM's own answers to them."""
    import lightgbm

    from headrace.packaging.export import export_lightgbm

    random = np.random.default_rng(7)
    values = random.normal(size=(2 * size.rows + 2_000, 40)).astype(np.float32)
    labels = values[:, 0] + values[:, 1] * values[:, 2] + random.normal(size=len(values)) > 0
    parameters = {"objective": "binary", "num_leaves": size.leaves, "min_data_in_leaf": 2, "verbose": -1, "seed": 7}
    parameters["num_threads"] = 1
    asked, models = values[: size.rows], []
    for known in (labels, ~labels):
        booster = lightgbm.train(parameters, lightgbm.Dataset(values, known), num_boost_round=size.trees)
        models.append((export_lightgbm(booster), booster.predict(asked.astype(np.float64), num_threads=1)))
    return asked, models


class Load:
    """Requests at a constant rate, from a thread of its own, answered through callbacks."""

    def __init__(self, address: str, rows: npt.NDArray[np.float32], rate: float) -> None:
        messages = [InferCall("forest", row[None, :], request_id="1").to_message() for row in rows]
        self._payloads = [message.SerializeToString() for message in messages]
        self._channel = grpc.insecure_channel(address)
        self._call = self._channel.unary_unary(INFER.path)
        self._rate = rate
        self._stop = threading.Event()
        self._raw: list[tuple[float, float, int, bytes]] = []
        self.errors: list[str] = []
        self.version = 0
        self.sent = 0
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait for what is in flight."""
        self._stop.set()
        self._thread.join()
        limit = time.perf_counter() + LIMIT_S
        while len(self._raw) + len(self.errors) < self.sent and time.perf_counter() < limit:
            time.sleep(0.01)
        if len(self._raw) + len(self.errors) < self.sent:
            self.errors.append(f"{self.sent - len(self._raw) - len(self.errors)} requests were never answered")
        self._channel.close()

    def answers(self) -> list[Answer]:
        """Every answer, decoded when nothing is timed any more."""
        decoded = []
        for due_at, seconds, position, raw in self._raw:
            answer = read_response(pb.ModelInferResponse.FromString(raw))
            decoded.append(Answer(due_at, seconds, position, int(answer.model_version), float(answer.scores[0])))
        return decoded

    def _send(self) -> None:
        begin = time.perf_counter()
        while not self._stop.is_set():
            due_at = begin + self.sent / self._rate
            wait_s = due_at - time.perf_counter()
            if wait_s > 0:
                time.sleep(wait_s)
            position = self.sent % len(self._payloads)
            self.sent += 1
            future = self._call.future(self._payloads[position], timeout=LIMIT_S)
            future.add_done_callback(lambda done, due_at=due_at, position=position: self._take(done, due_at, position))

    def _take(self, done: Any, due_at: float, position: int) -> None:
        now = time.perf_counter()
        if done.code() is not grpc.StatusCode.OK:
            self.errors.append(f"{done.code()}: {done.details()}")
            return
        raw = done.result()
        self._raw.append((due_at, now - due_at, position, raw))
        if self.sent % 8 == 0:  # enough to see a swap
            self.version = int(pb.ModelInferResponse.FromString(raw).model_version)


def serve_folder(options: argparse.Namespace) -> None:
    """Serve a repository folder until SIGTERM (a process of its own)."""
    from headrace.core.logging import configure_logging
    from headrace.serving import ServingConfig, serve
    from headrace.serving.config import Door

    configure_logging("json", level="error")
    folder, ready = map(Path, options.server)
    serve(
        ServingConfig(
            repository=folder,
            watch=True,
            port=0,
            metrics_port=None,
            ready_file=ready,
            door=Door(options.door),
            poll_ms=50,
        )
    )


@contextmanager
def running(options: argparse.Namespace, folder: Path, ready: Path) -> Iterator[tuple[str, int]]:
    """Run this file as a server process; its address and process id."""
    command = [sys.executable, __file__, "--door", options.door, "--server", str(folder), str(ready)]
    process = subprocess.Popen(command)
    try:
        while not ready.exists():
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with {process.returncode}")
            time.sleep(0.01)
        yield str(json.loads(ready.read_text())["address"]), process.pid
    finally:
        process.terminate()
        process.wait()


def put(folder: Path, version: int, model: bytes) -> None:
    """Place a version as people do, by a plain copy, and remove the one before the last."""
    target = folder / "forest" / str(version)
    target.mkdir(parents=True)
    (target / "model.onnx").write_bytes(model)
    shutil.rmtree(folder / "forest" / str(version - 2), ignore_errors=True)


def run(options: argparse.Namespace, size: Size) -> dict[str, Any]:
    """Alternate quiet phases and phases of swaps; what was found."""
    rows, models = train(size)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "models"
        put(folder, 1, models[0][0])
        with running(options, folder, Path(scratch) / "ready.json") as (address, pid):
            load = Load(address, rows, options.rate)
            time.sleep(1.0)
            phases: list[tuple[str, float, float]] = []
            memory = []
            version = 1
            while version <= size.swaps:
                begin = time.perf_counter()
                time.sleep(size.quiet_s)
                phases.append(("quiet", begin, time.perf_counter()))
                begin = time.perf_counter()
                for _ in range(SWAPS_A_PHASE):
                    version += 1
                    put(folder, version, models[(version - 1) % 2][0])
                    _await(load, version)
                    time.sleep(PAUSE_S)
                phases.append(("swaps", begin, time.perf_counter()))
                memory.append(_resident_mb(pid))
            load.close()
    answers = load.answers()
    _check(answers, load.errors, [scores for _, scores in models])
    return _report(answers, phases, memory, swaps=version - 1)


def _await(load: Load, version: int) -> None:
    limit = time.perf_counter() + LIMIT_S
    while load.version != version:
        if time.perf_counter() > limit:
            raise AssertionError(f"version {version} was not served within {LIMIT_S} s; errors: {load.errors[:3]}")
        time.sleep(0.002)


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _check(answers: list[Answer], errors: list[str], expected: list[Scores]) -> None:
    if errors:
        raise AssertionError(f"{len(errors)} requests failed: {errors[:3]}")
    wrong = [
        answer
        for answer in answers
        if abs(answer.score - expected[(answer.version - 1) % 2][answer.position]) > TOLERANCE
    ]
    if wrong:
        raise AssertionError(f"{len(wrong)} answers are not of the version they name: {wrong[:3]}")


def _report(
    answers: list[Answer], phases: list[tuple[str, float, float]], memory_mb: list[float], swaps: int
) -> dict[str, Any]:
    due_at = np.array([answer.due_at for answer in answers])
    seconds = np.array([answer.seconds for answer in answers])
    report: dict[str, Any] = {"requests": len(answers), "count": swaps, "errors": 0, "memory_mb": memory_mb}
    pooled: dict[str, list[npt.NDArray[np.float64]]] = {"quiet": [], "swaps": []}
    for name, begin, end in phases:
        pooled[name].append(seconds[(due_at >= begin) & (due_at < end)])
    for name, parts in pooled.items():
        figures = np.percentile(np.concatenate(parts), [50, 99, 100]) * 1e3
        report[name] = dict(zip(("p50_ms", "p99_ms", "max_ms"), figures.tolist(), strict=True))
    pairs = [
        float(np.percentile(swap, 99) / np.percentile(quiet, 99))
        for quiet, swap in zip(pooled["quiet"], pooled["swaps"], strict=True)
    ]
    report["ratio"] = report["swaps"]["p99_ms"] / report["quiet"]["p99_ms"]
    report["ratio_of_pairs"] = float(np.median(pairs))
    return report


def table(report: dict[str, Any]) -> str:
    """What was found, for a terminal."""
    lines = [f"{report['count']} swaps, {report['requests']} requests, {report['errors']} errors"]
    lines.append(f"{'':<8}{'p50':>10}{'p99':>10}{'max':>10}")
    for name in ("quiet", "swaps"):
        shown = (f"{report[name][key]:>7.2f} ms" for key in ("p50_ms", "p99_ms", "max_ms"))
        lines.append(f"{name:<8}" + "".join(shown))
    met = "met" if report["ratio"] <= BAR else "not met"
    lines.append(
        f"p99 with swaps / quiet: {report['ratio']:.2f} (bar {BAR}: {met}); "
        f"median over pairs of phases {report['ratio_of_pairs']:.2f}"
    )
    memory = report["memory_mb"]
    lines.append(f"memory after the first and the last {SWAPS_A_PHASE} swaps: {memory[0]:.0f} and {memory[-1]:.0f} MB")
    return "\n".join(lines)


def main() -> None:
    """Run the comparison, or its server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="small sizes: checks the results, not the speed")
    parser.add_argument("--output", type=Path, default=Path("build/bench/reload.json"))
    parser.add_argument("--door", choices=("auto", "grpcio", "native"), default="auto", help="which transport serves")
    parser.add_argument("--rate", type=float, default=400.0, help="requests a second")
    parser.add_argument("--server", nargs=2, metavar=("FOLDER", "READY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.server:
        serve_folder(options)
        return
    size = SMOKE if options.smoke else FULL
    report = run(options, size)
    print(table(report))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    facts = {"size": asdict(size), "rate": options.rate, "door": options.door}
    options.output.write_text(json.dumps({"benchmark": "reload", "facts": facts, "report": report}, indent=2) + "\n")


if __name__ == "__main__":
    main()
