"""The statistics keep their promises in worlds whose truth is known, a few samples each.

`benchmarks/simulate_statistics.py` counts over thousands. Bounds here are four standard errors of a count.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from headrace.evaluation import EvaluationSettings, Outcome, SliceFloor, compare, evaluate
from headrace.evaluation.paired import contest_slices

pytestmark = pytest.mark.slow

SAMPLES = 100
ALPHA = 0.05


@pytest.fixture(scope="module")
def worlds():
    spec = importlib.util.spec_from_file_location("worlds", Path(__file__).parent / "worlds.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["worlds"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", ["binary", "regression", "multiclass", "ranking"])
def test_intervals_hold_the_truth_as_often_as_they_say(worlds, kind):
    found = worlds.coverage(kind, worlds.World(days=60), samples=SAMPLES, replicates=400)
    least = 0.95 - 4 * np.sqrt(0.95 * 0.05 / SAMPLES)
    assert {name: one["covered"] for name, one in found.items() if one["covered"] < least} == {}


def test_twenty_equal_groups_fail_a_floor_at_their_level_rarely(worlds):
    world = worlds.World(days=60, rows_a_day=150)
    bound = worlds.truth(worlds.binary, world, samples=10)["auc"]
    rng, failed, lost = np.random.default_rng(1), 0, 0
    settings = EvaluationSettings(replicates=300)
    for _ in range(40):
        sample, groups = worlds.grouped(rng, world, 20)
        judged = evaluate(dataclasses.replace(sample, groups={"group": groups}), settings)
        failed += not SliceFloor("auc", "group", bound, alpha=ALPHA).judge(judged).passed
        challenger, champion = worlds.two_models(rng, world, noise=0.3)
        contests = contest_slices(challenger, champion, {"group": groups}, "auc", settings)
        lost += any(one.inferior(ALPHA, 1e-6) for one in contests)
    most = 40 * ALPHA + 4 * np.sqrt(40 * ALPHA * (1 - ALPHA))
    assert failed <= most
    assert lost <= most


def test_non_inferiority_is_granted_to_equals_and_refused_beyond_the_margin(worlds):
    world, rng = worlds.World(days=90, rows_a_day=60), np.random.default_rng(2)
    settings = EvaluationSettings(replicates=300)

    def granted(noise):
        outcomes = [
            compare(*worlds.two_models(rng, world, noise), margin=0.02, settings=settings).outcome for _ in range(40)
        ]
        return sum(one in {Outcome.SUPERIOR, Outcome.NON_INFERIOR} for one in outcomes)

    assert granted(0.3) >= 36  # the error of the difference is 0.004: power is near 1
    assert granted(0.8) == 0  # worse by about 0.06
