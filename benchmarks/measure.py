"""Alternate contenders, check what they return, report medians and paired ratios.

Machines drift within the hour, so no absolute time here means anything alone: every round runs every contender once,
in an order that rotates, and a ratio is the median over rounds of (contender / reference) within the same round.

    result = measure(
        [Contender("lightgbm", run_lightgbm), Contender("onnx", run_onnx)],
        check=lambda answers: np.testing.assert_allclose(answers["onnx"], answers["lightgbm"], atol=2e-6),
        title="forest", work=Work(rows, "row"),
    )
    print(result.table())
    result.ratio("onnx")  # below 1: faster than the reference, the first contender
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Contender:
    """One way to do the work; `run` does all of it once and returns the answer to be checked."""

    name: str
    run: Callable[[], Any]


@dataclass(frozen=True)
class Work:
    """How many units one run does, for the time a unit."""

    count: int = 1
    unit: str = "run"


@dataclass(frozen=True)
class Timing:
    """Seconds one run of a contender takes, and its ratio to the reference in the same rounds."""

    name: str
    median_s: float
    best_s: float
    worst_s: float
    ratio: float
    ratio_low: float
    ratio_high: float


@dataclass(frozen=True)
class Measurement:
    """What one comparison found; ratios are to `reference`, quartiles beside them."""

    title: str
    reference: str
    timings: tuple[Timing, ...]
    rounds: int
    work: Work

    def timing(self, name: str) -> Timing:
        """The timing of one contender."""
        return next(timing for timing in self.timings if timing.name == name)

    def ratio(self, name: str) -> float:
        """Median of (contender / reference) over the rounds; below 1 is faster than the reference."""
        return self.timing(name).ratio

    def table(self) -> str:
        """A table for a terminal: one line a contender."""
        lines = [f"{self.title} ({self.work.count} {self.work.unit}, {self.rounds} rounds, ratio to {self.reference})"]
        for timing in self.timings:
            each = timing.median_s / self.work.count
            lines.append(
                f"  {timing.name:<28} {_seconds(timing.median_s):>10}  {_seconds(each):>10}/{self.work.unit}"
                f"  x{timing.ratio:.3f} [{timing.ratio_low:.3f}, {timing.ratio_high:.3f}]"
            )
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries and numbers, for `write_results`."""
        return asdict(self)


def measure(
    contenders: Sequence[Contender],
    *,
    title: str,
    check: Callable[[Mapping[str, Any]], None],
    work: Work = Work(),
    rounds: int = 15,
    sample_s: float = 0.005,
) -> Measurement:
    """Time contenders against the first of them.

    Args:
        contenders: the reference first.
        title: what is compared, for the table.
        check: called with every contender's answer by name, before and after the timing; raises when one is wrong.
        work: units of work in one run (rows, requests).
        rounds: how often each contender is sampled.
        sample_s: a run shorter than this is repeated within a sample until the sample is about this long.
    """
    check({contender.name: contender.run() for contender in contenders})
    repeats = {contender.name: _repeats(contender.run, sample_s) for contender in contenders}
    samples: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for round_number in range(rounds):
        turn = round_number % len(contenders)
        for contender in [*contenders[turn:], *contenders[:turn]]:
            samples[contender.name].append(_sample(contender.run, repeats[contender.name]))
    check({contender.name: contender.run() for contender in contenders})
    reference = contenders[0].name
    timings = tuple(_timing(contender.name, samples[contender.name], samples[reference]) for contender in contenders)
    return Measurement(title, reference, timings, rounds, work)


def write_results(path: Path, name: str, measurements: Sequence[Measurement], facts: Mapping[str, Any]) -> None:
    """Write one benchmark's figures as JSON, with the facts (sizes, versions, threads) they hold for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"benchmark": name, "facts": dict(facts), "measurements": [m.to_json() for m in measurements]}
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _sample(run: Callable[[], Any], repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - started) / repeats


def _repeats(run: Callable[[], Any], sample_s: float) -> int:
    once = _sample(run, 1)
    return 1 if once >= sample_s else max(1, round(sample_s / max(_sample(run, 3), 1e-7)))


def _timing(name: str, own: Sequence[float], reference: Sequence[float]) -> Timing:
    ratios = [mine / theirs for mine, theirs in zip(own, reference, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    return Timing(name, statistics.median(own), min(own), max(own), middle, low, high)


def _seconds(seconds: float) -> str:
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 1.0:
            return f"{seconds * factor:.2f} {unit}"
    return f"{seconds * 1e9:.1f} ns"


def measure_sizes(
    name: str,
    doc: str,
    compare: Callable[[Any], Measurement],
    *,
    full: Sequence[Any],
    smoke: Sequence[Any],
    facts: Mapping[str, Any],
) -> None:
    """The command line of a benchmark that compares contenders at several sizes: `--smoke` and `--output`.

    Args:
        name: the benchmark's.
        doc: its docstring; the first line is the command's description.
        compare: measures one size.
        full: the sizes.
        smoke: the sizes of `--smoke`, which checks results and not speed.
        facts: what the figures hold for.
    """
    parser = argparse.ArgumentParser(description=doc.split("\n", 1)[0])
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    measurements = []
    for size in smoke if options.smoke else full:
        measurements.append(compare(size))
        print(measurements[-1].table(), flush=True)
    if options.output:
        write_results(options.output, name, measurements, {**facts, "smoke": options.smoke})
