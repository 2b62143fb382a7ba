"""Damaged tables are named by the right finding with the right column; sound ones raise nothing."""

import json

import numpy as np
import polars as pl
import pytest
from rides import DAMAGES, Damage, rides

from headrace.core.errors import CorruptedError
from headrace.validation.anomalies import AnomalySettings, TableReference, freeze, judge_anomalies
from headrace.validation.anomalies.duplicates import duplicated_blocks
from headrace.validation.anomalies.significance import holm, same_distribution, same_rate

# Findings beside the one that is asked for, which the same damage makes true as well.
ALSO = {
    "zeros for missing": {"relation"},
    "no nulls": {"distribution"},
    "only nulls": {"relation"},
    "swapped numbers": {"relation"},
    "a fat day": {"duplicated_rows"},
    "year 9999": {"gap"},
    "constant time": {"clock_shift"},
}


@pytest.fixture(scope="module")
def reference():
    return freeze(rides(seed=1).drop("ride"), time_column="started_at")


@pytest.mark.parametrize("case", DAMAGES, ids=[case.name for case in DAMAGES])
def test_a_damage_is_named(case: Damage, reference):
    table = case.damage(rides(seed=2)).drop("ride")
    report = judge_anomalies(table, reference, label="late")
    found = {(finding.kind, finding.column): finding.message for finding in report.findings}
    assert (case.kind, case.column) in found, list(found.values())
    message = found[case.kind, case.column]
    assert case.words in message
    for name in case.column.split(", "):
        assert name in message
    strangers = {kind for kind, column in found if set(column.split(", ")).isdisjoint(case.column.split(", "))}
    assert strangers <= {"clock_shift", case.kind, *ALSO.get(case.name, ())}, found


def test_there_are_enough_damages():
    assert len(DAMAGES) >= 25
    assert len({case.name for case in DAMAGES}) == len(DAMAGES)


@pytest.mark.parametrize("seed", range(2, 8))
def test_another_draw_of_the_same_world_is_clean(seed, reference):
    assert judge_anomalies(rides(seed=seed).drop("ride"), reference).clean


@pytest.mark.parametrize("rows", [0, 1, 2, 99, 100, 500])
def test_small_tables_raise_nothing(rows, reference):
    table = rides(seed=3).drop("ride").head(rows)
    kinds = {finding.kind for finding in judge_anomalies(table, reference).findings}
    assert kinds <= {"volume"}  # a part of the time is a part of the rows


def test_a_large_table_does_not_alarm_on_a_difference_that_does_not_matter():
    """A tenth of the limit, with so many rows that every test rejects."""
    random = np.random.default_rng(0)
    old = freeze(pl.DataFrame({"x": random.normal(0, 1, 200_000)}))
    settings = AnomalySettings(sample_rows=200_000)
    report = judge_anomalies(pl.DataFrame({"x": random.normal(0.03, 1, 200_000)}), old, settings=settings)
    assert report.clean
    moved = judge_anomalies(pl.DataFrame({"x": random.normal(0.2, 1, 200_000)}), old, settings=settings)
    assert [finding.kind for finding in moved.findings] == ["distribution"]


def test_many_columns_are_corrected_for():
    """Of 300 columns of noise, three per cent of the tests reject at 0.03; none stands the correction."""
    random = np.random.default_rng(1)
    names = [f"c{at}" for at in range(300)]
    old = freeze(pl.DataFrame({name: random.normal(0, 1, 150) for name in names}))
    report = judge_anomalies(pl.DataFrame({name: random.normal(0, 1, 150) for name in names}), old)
    assert report.tests > 900
    assert [finding for finding in report.findings if finding.kind == "distribution"] == []


def test_holm_against_its_definition():
    """Example of Holm (1979): the smallest against alpha / m, the next against alpha / (m - 1), until one fails."""
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]
    assert holm([], 0.05) == []
    assert holm([0.04], 0.05) == [True]


def test_tests_of_two_samples_hold_their_level():
    """Under the null, a test at 0.05 rejects in about 5 % of 400 samples: at most 8.5 %, four standard errors."""
    random = np.random.default_rng(2)
    shares = np.array([0.5, 0.3, 0.1, 0.05, 0.03, 0.02])
    p_values = [
        same_distribution(random.multinomial(300, shares), random.multinomial(2_000, shares)) for _ in range(400)
    ]
    assert np.mean(np.array(p_values) < 0.05) < 0.085
    rates = [same_rate(random.binomial(150, 0.02), 150, random.binomial(5_000, 0.02), 5_000) for _ in range(400)]
    assert np.mean(np.array(rates) < 0.05) < 0.085


def test_a_reference_survives_its_json(reference):
    text = json.dumps(reference.to_json())
    again = TableReference.from_json(json.loads(text))
    assert again == reference
    assert again.digest == reference.digest


@pytest.mark.parametrize("data", [{"format": 99}, {"format": 1}, {"format": 1, "rows": 1, "columns": [{"label": "x"}]}])
def test_a_reference_of_another_shape_is_refused(data):
    with pytest.raises(CorruptedError):
        TableReference.from_json(data)


def test_numbers_of_rows_are_no_distribution():
    """Numbers go on: what is judged of them is that they are there."""
    table = rides(3_000)
    old = freeze(table)
    assert old.column("ride").numbering
    assert not old.column("rating").numbering
    assert judge_anomalies(rides(3_000, seed=2).with_columns(pl.col("ride") + 10**9), old).clean


def test_repeats_that_a_table_has_by_nature_are_no_blocks():
    random = np.random.default_rng(3)
    assert list(duplicated_blocks(pl.DataFrame({"x": random.integers(0, 20_000, 30_000)}))) == []
    assert list(duplicated_blocks(pl.DataFrame({"x": random.integers(0, 3, 1_000)}))) == []
    assert list(duplicated_blocks(pl.DataFrame({"x": []}))) == []


def test_a_line_number_does_not_hide_a_repeated_file():
    frame = pl.concat([rides(500), rides(500)]).with_columns(line=pl.int_range(pl.len()), ride=pl.int_range(pl.len()))
    assert list(duplicated_blocks(frame)) == []
    assert len(list(duplicated_blocks(frame, ("line", "ride")))) == 1


@pytest.mark.slow
def test_bootstrap_resamples_of_the_reference_are_clean():
    """At most 1 % of clean tables may raise an alarm; `benchmarks/control_anomalies.py` counts over a thousand."""
    frame = rides(3_000, seed=9).drop("ride")
    old = freeze(frame)
    random = np.random.default_rng(9)
    alarms = [
        finding.message
        for _ in range(40)
        for finding in judge_anomalies(frame[np.sort(random.integers(0, frame.height, frame.height))], old).findings
    ]
    assert len(alarms) <= 1, alarms
