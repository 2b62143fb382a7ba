"""Headrace's server beside Triton, MLServer and a C++ gRPC echo, one core each, the load from another core.

One forest (300 trees of 63 leaves, 40 features, 5 % missing values) behind every server, rows that vary, the same bytes
sent to all of them by `headrace load`. Servers take turns: each round starts every one of them on the first CPU, loads
it from the second and ends it. Every answer is compared with LightGBM's own predict. Figures are medians over the
rounds, ratios are medians of the ratios within a round.

    python benchmarks/bench_peers.py --setup build/peers    # install the rivals: 2 GB, Debian packages, a few minutes
    python benchmarks/bench_peers.py [--peers build/peers] [--rounds 5] [--seconds 3] [--page benchmarks/serving.md]
    python benchmarks/bench_peers.py --smoke                # ours alone, a small forest, a few seconds
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from peers.cases import (
    BUSY,
    CASES,
    CROWDED,
    LONE,
    WIDE,
    Case,
    Figure,
    Figures,
    answers,
    cpu_table,
    make_bodies,
    ratio,
    run_case,
    table,
)
from peers.installation import Forest, Place, install, train
from peers.overload import ROUNDS as OVERLOAD_ROUNDS
from peers.overload import TARGET_MS, Deadlines, Overload, measure_deadlines, measure_overload
from peers.servers import ECHO, MLSERVER, TRITON, Server, headrace, running

LOAD_CPU = 1
OVERLOAD_ROWS = (1, 64)
NATIVE, GRPCIO = "headrace, native", "headrace, grpcio"
SMOKE_FOREST = Forest(trees=20, leaves=15, training_rows=4_000, rows=2_000)


@dataclass(frozen=True)
class Bar:
    """What one ratio has to be."""

    own: str
    other: str
    case: Case
    bar: float
    quantity: str = "rate"

    @property
    def text(self) -> str:
        """The bar in words."""
        what = "requests/s" if self.quantity == "rate" else self.quantity.removesuffix("_us")
        sign = "at least" if self.quantity == "rate" else "at most"
        return f"{self.own} / {self.other}, {self.case.name}, {what}: {sign} {self.bar:g}"

    def met(self, value: float) -> bool:
        """Whether a ratio is good enough: rates high, times low."""
        return value >= self.bar if self.quantity == "rate" else value <= self.bar


BARS = (
    Bar(NATIVE, "Triton", BUSY, 3.0),
    Bar(NATIVE, "MLServer", BUSY, 20.0),
    Bar(NATIVE, "C++ echo", BUSY, 1.0),
    Bar(NATIVE, "C++ echo", CROWDED, 2.0),
    Bar(NATIVE, "Triton", WIDE, 1.0),
    Bar(NATIVE, "MLServer", WIDE, 4.0),
    Bar(NATIVE, "Triton", LONE, 0.8, "p50_us"),
    Bar(NATIVE, "Triton", LONE, 0.8, "p99_us"),
    Bar(NATIVE, "C++ echo", LONE, 1.5, "p50_us"),
    Bar(NATIVE, "C++ echo", LONE, 1.5, "p99_us"),
    Bar(GRPCIO, "MLServer", BUSY, 2.0),
)


def contenders(place: Place) -> list[Server]:
    """What can be measured here: our transports, and the rivals that are installed."""
    native = [headrace("native")] if find_spec("headrace.serving.transport.native") else []
    installed = {
        ECHO: place.echo.exists(),
        TRITON: (place.triton / "venv" / ".installed").exists(),
        MLSERVER: (place.mlserver / "venv" / ".installed").exists(),
    }
    return [*native, headrace("grpcio"), *(server for server, there in installed.items() if there)]


def compare(place: Place, servers: Sequence[Server], *, rounds: int, seconds: float) -> Figures:
    """Run every case on every server, alternating."""
    bodies = {
        (server.datatype, rows): make_bodies(place, server, rows)
        for server in servers
        for rows in sorted({case.rows for case in CASES})
    }
    figures: Figures = {server.name: {case.name: [] for case in CASES} for server in servers}
    for turn in range(rounds):
        at = turn % len(servers)
        for server in [*servers[at:], *servers[:at]]:
            with running(server, place, answers(bodies[server.datatype, 1])) as started:
                for case in CASES:
                    figure = run_case(started, case, bodies[server.datatype, case.rows], seconds)
                    figures[server.name][case.name].append(figure)
            print(f"round {turn + 1} of {rounds}: {_line(server, figures)}", file=sys.stderr, flush=True)
    return figures


def _line(server: Server, figures: Figures) -> str:
    last: dict[str, Figure] = {name: found[-1] for name, found in figures[server.name].items()}
    return f"{server.name}: {', '.join(f'{name} {figure.rate:,.0f}/s' for name, figure in last.items())}"


def judged(figures: Figures) -> list[str]:
    """Every bar whose contenders were measured, and whether it was met."""
    lines = []
    for bar in BARS:
        if bar.own in figures and bar.other in figures:
            value = ratio(figures, bar.case, bar.own, bar.other, bar.quantity)
            cpu = ratio(figures, bar.case, bar.other, bar.own, "server_cpu_us")
            by_cpu = f" (by CPU a request {cpu:.2f})" if bar.quantity == "rate" else ""
            lines.append(f"{bar.text}: {value:.2f}{by_cpu}, {'met' if bar.met(value) else 'NOT MET'}")
    return lines


def told_overload(name: str, found: Overload, seconds: float) -> list[str]:
    """The overload in words."""
    goodput = (
        f"  goodput {found.goodput:,.0f}/s, {found.share:.0%} of the peak (bar 90 %); p99 of accepted requests "
        f"{found.p99_ms:.1f} ms (bar {TARGET_MS:g}), of which the generator {found.lag_p99_ms:.1f}"
    )
    refused = (
        f"  {found.refused:,} refused, after {found.refused_p99_ms:.2f} ms at p99 and {found.refused_max_ms:.1f} ms at "
        f"most (bar 5); {found.other_errors:,} other errors (bar 0); recovered {found.recovery_s:.1f} s after (bar 1)"
    )
    rows = f"{found.rows} row{'s' if found.rows > 1 else ''} a request"
    first = f"{name}, {rows}, twice its peak of {found.peak:,.0f}/s for {seconds:g} s, target {TARGET_MS:g} ms:"
    if found.offered < 1.95 * found.peak:
        first += f" (the generator could send {found.offered:,.0f}/s)"
    return [first, goodput, refused]


def told_deadlines(name: str, found: Deadlines) -> str:
    """The deadlines in words."""
    return (
        f"{name}, deadline {found.timeout_ms:g} ms, 1,024 in flight: {found.expired:,} expired ({found.answered:,} did "
        f"not); told {found.late_p50_ms:.2f} ms after the deadline at p50, {found.late_p99_ms:.2f} at p99, "
        f"{found.late_max_ms:.2f} at most (bar 2)"
    )


def facts(servers: Sequence[Server]) -> list[str]:
    """Machine and versions."""
    cpu = next((line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), "?")
    lines = [f"{cpu}, {os.cpu_count()} CPUs, Linux {platform.release()}, Python {platform.python_version()}"]
    lines += [f"{server.name}: {server.about}" for server in servers]
    for name in ("triton", "mlserver"):
        if any(name in server.name.lower() for server in servers):
            pins = Path(__file__).parent / "peers" / f"{name}.txt"
            lines.append(f"{name}: {', '.join(pins.read_text().split())}")
    if ECHO in servers:
        ran = subprocess.run(["pkg-config", "--modversion", "grpc++"], capture_output=True, text=True, check=False)
        lines.append(f"C++ echo: gRPC {ran.stdout.strip()}, g++ -O2")
    return lines


def _cpuinfo() -> list[str]:
    return Path("/proc/cpuinfo").read_text().splitlines()


NOT_COMPARABLE = """What is not comparable:

* Triton's compiled ONNX Runtime and FIL backends are not on PyPI. Its front end, scheduler and dynamic batcher are the
  real ones; the model runs in its Python backend, which costs it a hop between two processes on one core.
* MLServer runs LightGBM's own predict on the saved booster, as its users do, and not the exported graph.
* The C++ echo reads no tensor and runs no model: it is what gRPC's core costs, not a server of models.
* The generator counts as many connections and streams for everybody; the server has one core and so has the load.
* Rates are a core's, on a shared virtual machine: read the ratios.
"""


def report(options: argparse.Namespace, place: Place) -> tuple[str, dict[str, Any]]:
    """Measure everything; the text and the figures."""
    servers = contenders(place)
    figures = compare(place, servers, rounds=options.rounds, seconds=options.seconds)
    doors = [server.name.rpartition(" ")[2] for server in servers if server.name in {NATIVE, GRPCIO}]
    lines = [table(figures, CASES), "", cpu_table(figures, CASES), "", *judged(figures), "", _disturbance(figures)]
    found: dict[str, Any] = {"rounds": {name: _plain(cases) for name, cases in figures.items()}}
    if options.smoke:
        doors = doors[:1]
    for door in doors if options.overload > 0 else ():
        rounds = min(OVERLOAD_ROUNDS, options.rounds)
        overloads = [measure_overload(place, door, rows, options.overload, rounds) for rows in OVERLOAD_ROWS]
        deadlines = measure_deadlines(place, door, min(options.overload, 5.0))
        for overload in overloads:
            lines += ["", *told_overload(f"headrace, {door}", overload, options.overload)]
        lines.append(told_deadlines(f"headrace, {door}", deadlines))
        found[door] = {"overload": [asdict(overload) for overload in overloads], "deadlines": asdict(deadlines)}
    lines += ["", *facts(servers)]
    if all(server.name in {NATIVE, GRPCIO} for server in servers):
        lines.append("no rivals here: install them with --setup build/peers")
    return "\n".join(lines), found


def _disturbance(figures: Figures) -> str:
    shares = [figure.generator_delayed for cases in figures.values() for found in cases.values() for figure in found]
    return (
        f"what others did on the machine meanwhile: the load waited for its CPU {statistics.median(shares):.1%} of the "
        f"time (median; {max(shares):.0%} at worst)"
    )


def _plain(cases: dict[str, list[Figure]]) -> dict[str, list[dict[str, float]]]:
    return {name: [asdict(figure) for figure in found] for name, found in cases.items()}


def page(text: str) -> str:
    """The page that is kept in the repository."""
    doc = ast.get_docstring(ast.parse(Path(__file__).read_text())) or ""
    about = "\n\n".join(part for part in doc.split("\n\n") if not part.startswith("    "))
    command = "python benchmarks/bench_peers.py --setup build/peers` and then `... --page benchmarks/serving.md"
    about = f"{about}\n\n`{command}` measures all of it again."
    return f"# Serving, beside others\n\n{about}\n\n```\n{text}\n```\n\n{NOT_COMPARABLE}"


def main() -> None:
    """Install, or measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setup", type=Path, metavar="DIR", help="install the rivals there, and end")
    parser.add_argument("--peers", type=Path, default=Path("build/peers"), help="where they were installed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one case on one server")
    parser.add_argument("--overload", type=float, default=60.0, help="seconds of overload; 0: leave it out")
    parser.add_argument("--smoke", action="store_true", help="ours alone, small: checks the results, not the speed")
    parser.add_argument("--output", type=Path, default=Path("build/bench/peers.json"))
    parser.add_argument("--page", type=Path, help="write the page there")
    options = parser.parse_args()
    if options.setup:
        return install(Place(options.setup.absolute()))
    os.sched_setaffinity(0, {min(LOAD_CPU, (os.cpu_count() or 1) - 1)})
    with tempfile.TemporaryDirectory() as scratch:
        place = Place(options.peers.absolute())
        if options.smoke:
            options.rounds, options.seconds, options.overload = 1, 0.3, 1.0
            place = Place(Path(scratch))
            train(place, SMOKE_FOREST)
        elif not place.scores.exists():
            place.home.mkdir(parents=True, exist_ok=True)
            train(place, Forest())
        text, found = report(options, place)
    print(text)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps({"benchmark": "peers", **found}, indent=2) + "\n")
    if options.page:
        options.page.write_text(page(text))
    return None


if __name__ == "__main__":
    main()
