"""Whether the statistics of an evaluation hold what they promise, in worlds whose truth is known.

* 95 % intervals of every figure of every task hold the truth in 93 to 97 % of samples, for 30, 60 and 120 days.
* A gate on 20 groups that all keep its bound fails in at most 5 % of samples, and so does the comparison of two equal
  models in 20 groups.
* Non-inferiority is granted to a model that lies at the margin in at most 2.5 % of samples, and to one that is as good
  about as often as the error of the difference says it should.

Rows of one day share its weather. Rates come with their 99 % interval (Wilson); exit code 1 where it lies outside.

    python benchmarks/simulate_statistics.py [--samples 1000] [--output build/bench/simulate_statistics.json]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headrace.evaluation import Calibrated, EvaluationSettings, NonInferior, SliceFloor, compare, evaluate
from headrace.evaluation.metrics import auc
from headrace.evaluation.paired import contest_slices
from headrace.validation.bias import rate_interval

ROOT = Path(__file__).parents[1]
DAYS = (30, 60, 120)
GROUPS = 20
ALPHA = 0.05
MARGIN = 0.02


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--samples", type=int, default=1_000)
    arguments.add_argument("--output", type=Path, default=ROOT / "build/bench/simulate_statistics.json")
    given = arguments.parse_args()
    worlds = load_worlds()
    started = time.monotonic()
    found: dict[str, Any] = {"samples": given.samples, "coverage": {}}
    missed = []
    for days in DAYS:
        for kind in worlds.WORLDS:
            covered = worlds.coverage(kind, worlds.World(days=days), samples=given.samples)
            found["coverage"][f"{kind}, {days} days"] = covered
            for name, one in covered.items():
                low, high = wilson(one["covered"], given.samples)
                outside = high < 0.93 or low > 0.97
                missed += [f"{kind} {days} {name}"] if outside else []
                print(f"{days:4} days  {kind:10} {name:28} {one['covered']:6.1%} [{low:.1%}, {high:.1%}]"
                      + ("  OUTSIDE" if outside else ""), flush=True)  # fmt: skip
    found["gates"] = gates(worlds, given.samples)
    for name, rate in found["gates"].items():
        low, high = wilson(rate, given.samples)
        missed += [name] if low > ALPHA else []
        print(f"{name}: {rate:.1%} [{low:.1%}, {high:.1%}], at most {ALPHA:.0%}", flush=True)
    found["non_inferiority"] = non_inferiority(worlds, given.samples)
    for name, one in found["non_inferiority"].items():
        low, high = wilson(one["granted"], given.samples)
        wrong = low > one["at_most"] or not low - 0.05 <= one["expected"] <= high + 0.05
        missed += [name] if wrong else []
        print(f"{name}: granted in {one['granted']:.1%} [{low:.1%}, {high:.1%}], expected {one['expected']:.1%}")
    found |= {"missed": missed, "seconds": time.monotonic() - started}
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(found, indent=1))
    print(f"{len(missed)} outside: {', '.join(missed) or 'none'}; {found['seconds']:.0f} s")
    return 1 if missed else 0


def gates(worlds: Any, samples: int) -> dict[str, float]:
    """How often gates on 20 groups fail where every group keeps the bound, by name."""
    world = worlds.World(days=60, rows_a_day=150)
    bound = worlds.truth(worlds.binary, world, samples=20)["auc"]
    settings = EvaluationSettings(replicates=500)
    floor, rival = SliceFloor("auc", "group", bound, alpha=ALPHA), NonInferior(margin=1e-6, by=["group"], alpha=ALPHA)
    failed = {"floor on 20 groups": 0, "rival in 20 groups": 0, "reliability of a calibrated model": 0}
    reliable = Calibrated(within=0.02, alpha=ALPHA)  # the world's own curve is off by less than 0.01
    rng = np.random.default_rng(1)
    for _ in range(samples):
        sample, groups = worlds.grouped(rng, world, GROUPS)
        judged = evaluate(replace(sample, groups={"group": groups}), settings)
        failed["floor on 20 groups"] += not floor.judge(judged).passed
        challenger, champion = worlds.two_models(rng, world, noise=0.3)
        contests = contest_slices(challenger, champion, {"group": groups}, "auc", settings)
        assert len(contests) == GROUPS
        failed["rival in 20 groups"] += any(one.inferior(rival.alpha, rival.margin) for one in contests)
        probabilities = worlds.calibrated(rng, worlds.World(days=60, rows_a_day=50))
        failed["reliability of a calibrated model"] += not reliable.judge(evaluate(probabilities, settings)).passed
    return {name: count / samples for name, count in failed.items()}


def non_inferiority(worlds: Any, samples: int) -> dict[str, dict[str, float]]:
    """How often a challenger at the margin, as good, and in between is called not inferior, beside what is expected."""
    from scipy.stats import norm

    world, rng = worlds.World(days=60), np.random.default_rng(2)
    settings = EvaluationSettings(replicates=500)
    found = {}
    for name, noise in (("as good", 0.3), ("in between", 0.42), ("at the margin", None)):
        used = noise if noise is not None else noise_at_margin(worlds, world)
        difference = true_difference(worlds, world, used)
        figures = [
            compare(*worlds.two_models(rng, world, used), margin=MARGIN, settings=settings).test.improvement
            for _ in range(samples)
        ]
        error = float(np.std([figure.value for figure in figures]))
        granted = float(np.mean([figure.low > -MARGIN for figure in figures]))
        expected = float(norm.cdf((difference + MARGIN) / error - norm.ppf(0.975)))
        at_most = 0.025 if noise is None else 1.0
        found[name] = {"difference": difference, "granted": granted, "expected": expected, "at_most": at_most}
    return found


def true_difference(worlds: Any, world: Any, noise: float) -> float:
    """Challenger's AUC minus champion's, over ever more days."""
    rng, large = np.random.default_rng(3), worlds.World(4_000, world.rows_a_day, world.spread)
    parts = [worlds.two_models(rng, large, noise) for _ in range(10)]
    return float(np.mean([auc(s.labels, s.scores) - auc(s.labels, champion) for s, champion in parts]))


def noise_at_margin(worlds: Any, world: Any) -> float:
    """The noise at which the challenger is worse by the margin, by bisection."""
    low, high = 0.3, 1.5
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if true_difference(worlds, world, middle) > -MARGIN else (low, middle)
    return high


def wilson(rate: float, samples: int) -> tuple[float, float]:
    """The 99 % interval of a rate."""
    return rate_interval(round(rate * samples), samples, confidence=0.99)


def load_worlds() -> Any:
    """The worlds of the tests."""
    spec = importlib.util.spec_from_file_location("worlds", ROOT / "tests/evaluation/worlds.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["worlds"] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
