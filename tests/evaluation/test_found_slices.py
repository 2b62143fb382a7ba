"""A planted weakness is found and named; where there is none, nothing is named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from headrace.evaluation.conditions import Condition, Table, node_conditions, words
from headrace.evaluation.found_slices import SearchSettings, find_slices, meet
from headrace.evaluation.losses import surprises
from headrace.evaluation.metrics import log_losses


def make_rows(seed, rows=12_000):
    rng = np.random.default_rng(seed)
    columns = {
        "origin": rng.choice(["EWR", "JFK", "LGA"], rows),
        "distance": np.where(rng.random(rows) < 0.05, np.nan, rng.uniform(100, 5_000, rows)),
        "noise": rng.normal(size=rows),
        "seats": rng.integers(50, 300, rows),
    }
    return rng, columns, np.sort(rng.integers(0, 80, rows))


def test_a_planted_slice_is_found_and_named():
    rng, columns, blocks = make_rows(31)
    weak = (columns["origin"] == "EWR") & (columns["distance"] > 2_100)
    found = find_slices(rng.exponential(0.5, 12_000) + 0.3 * weak, columns, blocks, loss="log loss")
    first = found.slices[0]
    assert "origin = EWR" in str(first)
    assert "distance > 2," in str(first)
    assert first.excess.low < 0.3 < first.excess.high
    assert first.p_value < 0.001
    assert meet(first.conditions, Table.of(columns)).sum() == pytest.approx(weak.sum(), rel=0.1)
    assert found.judged >= len(found.slices)
    json.dumps(found.to_json(), allow_nan=False)


def test_slices_are_named_by_chance_no_more_often_than_alpha():
    named = 0
    for seed in range(200):
        rng, columns, blocks = make_rows(1_000 + seed, rows=3_000)
        day = rng.normal(0, 0.2, 80)
        losses = rng.exponential(0.5, 3_000) + day[blocks]
        named += bool(
            find_slices(losses, columns, blocks, settings=SearchSettings(replicates=200, min_rows=100)).slices
        )
    assert named <= 19  # 5 % of 200, and three standard errors


def test_conditions_hold_exactly_in_the_leaves_they_describe():
    rng, columns, _ = make_rows(33)
    table = Table.of(columns)
    target = rng.normal(size=12_000) + (columns["origin"] == "JFK") + np.isnan(columns["distance"])
    tree = DecisionTreeRegressor(max_depth=4, min_samples_leaf=100, random_state=0).fit(table.values, target)
    paths = tree.decision_path(table.values).toarray().astype(bool)
    described = node_conditions(tree.tree_, table)
    assert len(described) == paths.shape[1] - 1
    for node, conditions in described.items():
        np.testing.assert_array_equal(meet(conditions, table), paths[:, node])


def test_conditions_read_as_sentences():
    conditions = (
        Condition("origin", differs=("EWR", "JFK")),
        Condition("distance", above=2_100.0),
        Condition("age", above=3.25, at_most=9.0, missing=True),
        Condition("wind", missing=True),
        Condition("seats", at_most=150.5),
    )
    assert words(conditions) == (
        "origin is not EWR or JFK and distance > 2,100 and (3.25 < age <= 9 or missing) and wind is missing "
        "and seats <= 150.5"
    )
    assert conditions[2].to_json() == {"column": "age", "above": 3.25, "at_most": 9.0, "missing": True}


def test_a_hard_slice_is_no_surprise_and_an_overconfident_one_is():
    rng, columns, blocks = make_rows(35, rows=20_000)
    hard = columns["origin"] == "EWR"
    chance = np.where(hard, rng.uniform(0.3, 0.7, 20_000), rng.choice([0.05, 0.95], 20_000))
    labels = rng.random(20_000) < chance
    assert str(find_slices(log_losses(labels, chance), columns, blocks).slices[0]) == "origin = EWR"
    assert find_slices(surprises(labels, chance), columns, blocks).slices == ()
    sure = np.where(hard, np.where(chance > 0.5, 0.9, 0.1), chance)
    assert str(find_slices(surprises(labels, sure), columns, blocks).slices[0]) == "origin = EWR"


def test_few_rows_or_columns_without_a_split_find_nothing():
    rng, columns, blocks = make_rows(34, rows=300)
    assert find_slices(rng.random(300), columns, blocks).judged == 0
    rng, columns, blocks = make_rows(34)
    constant = {"one": np.ones(12_000)}
    assert find_slices(rng.random(12_000), constant, blocks).slices == ()
