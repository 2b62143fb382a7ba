"""Missing values: none, zero, NaN, and what LightGBM flushes to zero."""

from __future__ import annotations

import numpy as np
import pytest

N_ROWS = 100_000


@pytest.mark.slow
@pytest.mark.parametrize("mode", [{}, {"use_missing": False}, {"zero_as_missing": True}], ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_missing_mode_is_exact(mode, seed, table, train, hostile_rows, exactness):
    """NaN, zeros and values up to 1e-35 go where LightGBM sends them in every missing mode."""
    values, signal = table(seed=seed)
    booster = train(dict(mode), values, signal)
    rows = hostile_rows(booster.model_to_string(), N_ROWS, seed=seed)
    found = exactness(booster, rows, booster)
    assert (found.leaves, found.raw) == (0, 0.0)
    assert found.prediction <= 2e-6


@pytest.mark.slow
def test_missing_modes_mixed_in_one_model_are_exact(table, train, hostile_rows, exactness):
    """A model trained on with another missing mode reads one column in several ways."""
    values, signal = table()
    booster = train({}, values, signal)
    for mode in ({"zero_as_missing": True}, {"use_missing": False}):
        more = train(mode | {"rounds": 5}, values, signal)
        booster = _joined(booster, more)
    rows = hostile_rows(booster.model_to_string(), N_ROWS)
    found = exactness(booster, rows, booster)
    assert booster.num_trees() == 30
    assert (found.leaves, found.raw) == (0, 0.0)


def test_no_missing_values_in_training_still_gives_nan_a_way(train, hostile_rows, exactness):
    """Where training saw no NaN, NaN is compared as zero."""
    values = np.random.default_rng(0).normal(size=(1000, 3))
    booster = train({}, values, values.sum(axis=1))
    rows = hostile_rows(booster.model_to_string(), 10_000)
    assert exactness(booster, rows, booster).leaves == 0


def _joined(first, second):
    """Both models' trees in one booster, by way of their texts."""
    head, _, body = first.model_to_string().partition("\nend of trees")
    more = "\nTree=" + second.model_to_string().partition("\nTree=")[2].partition("\nend of trees")[0]
    text = head + "\n" + more + "\nend of trees" + body
    lines = [line for line in text.split("\n") if not line.startswith("tree_sizes=")]
    return type(first)(model_str="\n".join(lines))
