"""Importance of parameters: what decides is found, what does nothing is not, too few runs say nothing."""

import random

import pytest

from headrace.training.importance import MIN_RUNS, parameter_importance


def study(runs, seed=0):
    draw = random.Random(seed)
    parameters = [
        {
            "rate": 10 ** draw.uniform(-3, 0), "leaves": draw.randint(2, 200), "kind": draw.choice(["gbdt", "dart"]),
            "idle": draw.random(), "constant": 1, "flag": draw.choice([True, False]), "list": draw.choice([[1], [2]]),
        }
        for _ in range(runs)
    ]  # fmt: skip
    values = [(one["kind"] == "gbdt") * 2.0 + one["leaves"] / 200 for one in parameters]
    return parameters, values


@pytest.mark.slow
def test_what_decides_comes_first_and_shares_sum_to_one():
    found = parameter_importance(*study(80))
    assert list(found)[:2] == ["kind", "leaves"]
    assert found["kind"] > 0.6
    assert sum(found.values()) == pytest.approx(1)
    assert "constant" not in found
    assert max(found["idle"], found["rate"], found["flag"], found["list"]) < 0.1


@pytest.mark.slow
def test_equal_runs_give_equal_shares():
    assert parameter_importance(*study(20)) == parameter_importance(*study(20))


@pytest.mark.slow
def test_a_parameter_that_not_every_run_has_is_left_out():
    parameters, values = study(20)
    del parameters[3]["rate"]
    assert "rate" not in parameter_importance(parameters, values)


def test_too_few_runs_and_values_that_never_change_say_nothing():
    parameters, values = study(MIN_RUNS - 1)
    assert parameter_importance(parameters, values) is None
    assert parameter_importance([{"a": n} for n in range(20)], [0.5] * 20) is None
    assert parameter_importance([{"a": 1}] * 20, list(range(20))) is None
