"""Titles are findings computed from the numbers: they say the bad as plainly as the good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.pipeline.report import RunReport, numbers
from headrace.pipeline.report import model as m
from headrace.pipeline.report.pictures import calibration, discrimination, drift, gates, production, release, service
from headrace.pipeline.report.verdict import judge


def title(picture: str) -> str:
    return picture.split("<h3>", 1)[1].split("</h3>", 1)[0].replace("\u00a0", " ")


def test_verdict_of_a_good_run(report: RunReport) -> None:
    verdict = judge(report)
    assert verdict.standing == "good"
    assert verdict.sentence.replace("\u00a0", " ") == (
        "late 1 is fit for production: its test AUC is 0.774 [0.771, 0.777] (naive baseline 0.612), all 6 gates passed,"
        " and the server answered 54,120 rows with the offline scores to within 6.0 \u00d7 10\u207b\u2078."
    )


def test_verdict_names_what_is_wrong(report: RunReport) -> None:
    assert report.export is not None
    assert report.served is not None
    closed = (replace(report.gates[0], passed=False, figure=m.Estimate(0.66, 0.64, 0.68)), *report.gates[1:])
    cases = {
        "1 of 6 gates failed (auc: 0.660 [0.640, 0.680], allowed at least 0.70)": replace(report, gates=closed),
        "3 leaves of the exported graph differ": replace(report, export=replace(report.export, leaf_mismatches=3)),
        "served scores differ from offline ones": replace(report, served=replace(report.served, max_abs_diff=1e-3)),
        "the served AUC is 0.760000": replace(report, served=replace(report.served, figure_served=0.76)),
        "1 check of the data failed": replace(report, validation=(m.ValidationCheck("t", "c", "type", "failed"),)),
        "stage train failed": replace(report, stages=(m.StageRun("train", "failed", 1.0),)),
    }
    for words, bad in cases.items():
        verdict = judge(bad)
        assert verdict.standing == "bad"
        assert "must not go into production" in verdict.sentence
        assert words in verdict.sentence


def test_verdict_with_a_reservation(report: RunReport) -> None:
    assert report.drift is not None
    missed = judge(replace(report, drift=replace(report.drift, found=None)))
    assert missed.standing == "warn"
    assert "but an injected change in origin_arr_delay_mean_1h was not found" in missed.sentence
    alarmed = judge(replace(report, drift=replace(report.drift, false_alarms=2)))
    assert "2 clean periods raised a drift alarm" in alarmed.sentence


def test_a_model_no_better_than_the_naive_rule_is_called_so(report: RunReport) -> None:
    assert report.evaluation is not None
    assert report.evaluation.naive is not None
    even = replace(report.evaluation, naive=replace(report.evaluation.naive, figure=m.Estimate(0.772, 0.768, 0.776)))
    assert "is not clearly better than" in title(discrimination.roc(even, "late flights"))
    assert "better than late share of the hour: AUC 0.774 against 0.612" in title(
        discrimination.roc(report.evaluation, "late flights")
    )


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (m.Estimate(0.085, 0.081, 0.089), "Window features add 0.085 [0.081, 0.089] to the test AUC"),
        (m.Estimate(0.001, -0.002, 0.004), "Window features change the test AUC by +0.001 [\u22120.002, 0.004]"),
    ],
)
def test_window_features_are_credited_only_where_the_interval_says_so(difference: m.Estimate, words: str) -> None:
    arms = m.AblationArm("all", m.Estimate(0.774), 80), m.AblationArm("none", m.Estimate(0.689), 20)
    assert title(discrimination.windows(m.Ablation(*arms, difference))) == words


def test_an_error_that_falls_is_credited_as_taken_off() -> None:
    arms = m.AblationArm("all", m.Estimate(41.2), 80), m.AblationArm("none", m.Estimate(44.0), 20)
    fallen = m.Ablation(*arms, m.Estimate(2.8, 2.1, 3.5), m.Measure("rmse", higher_is_better=False))
    assert title(discrimination.windows(fallen)) == "Window features take 2.8 [2.1, 3.5] off the test RMSE"
    costly = m.Ablation(*arms[::-1], m.Estimate(-2.8, -3.5, -2.1), m.Measure("rmse", higher_is_better=False))
    assert title(discrimination.windows(costly)).startswith("Window features cost test RMSE: \u22122.8")


@pytest.mark.parametrize(
    ("shift", "words"),
    [(0.01, "can be read as a probability"), (0.1, "Scores are too high, by 10.0"), (-0.1, "Scores are too low")],
)
def test_calibration_says_which_way_scores_miss(shift: float, words: str) -> None:
    bins = tuple(m.CalibrationBin(rate + shift, m.Estimate(rate), 100) for rate in (0.2, 0.4, 0.6))
    scorer = m.ScorerQuality("late 1", m.Estimate(0.7), calibration=bins)
    assert words in title(calibration.reliability(m.Evaluation("test", 300, 120, scorer)))


def test_drift_titles(report: RunReport) -> None:
    found = report.drift
    assert found is not None
    assert title(drift.heat_map(found)) == (
        "The injected change in origin_arr_delay_mean_1h was found and named; all 8 clean periods stayed quiet"
    )
    assert "was not found" in title(drift.heat_map(replace(found, found=None)))
    assert "was blamed on distance" in title(drift.heat_map(replace(found, found="distance")))
    assert "2 of 8 clean periods raised a false alarm" in title(drift.heat_map(replace(found, false_alarms=2)))
    natural = replace(found, injected_feature="", found=None)
    assert title(drift.heat_map(natural)).startswith("All 8 clean periods stayed quiet")


def test_release_titles(report: RunReport) -> None:
    assert report.release is not None
    assert title(release.timeline(report.release)) == "Version 2 was rolled back: version 1 answers at the end"
    promoted = replace(report.release, events=report.release.events[:4])
    assert title(release.timeline(promoted)) == "Version 2 was promoted: version 2 answers at the end"
    started = replace(report.release, events=report.release.events[:2])
    assert "version 2 gets 10 %" in title(release.timeline(started))
    off = m.CanaryShare(0.10, m.Estimate(0.30, 0.29, 0.31), 5_000)
    assert "not the 10 % planned" in title(release.canary(off))


def test_serving_titles() -> None:
    export = m.ExportCheck(1_000, 10, 1, 0.2)
    served = m.ServedCheck(1_000, 0.2, 0.7, 0.6)
    words = title(service.exactness(export, served))
    assert (
        words
        == "1 leaf mismatch in 1,000 rows; served scores differ from offline scores by up to 2.0 \u00d7 10\u207b\u00b9"
    )


def test_gate_titles(report: RunReport) -> None:
    assert title(gates.gates(report.gates)) == "All 6 gates passed"
    closed = (replace(report.gates[0], passed=False), *report.gates[1:])
    assert title(gates.gates(closed)) == "1 of 6 gates failed: auc"


def test_production_titles(report: RunReport) -> None:
    low = (m.PerformancePeriod("4 Nov", 10, 10, m.Estimate(0.6, 0.55, 0.65)), *report.performance)
    test = m.Estimate(0.774, 0.771, 0.777)
    assert "1 of 9 periods clearly below the test" in title(production.monitored(low, test, m.Measure()))
    error = m.Measure("rmse", higher_is_better=False)
    risen = title(production.monitored(report.performance, m.Estimate(0.6, 0.59, 0.61), error))
    assert risen.startswith("RMSE in production lies between")
    assert "8 of 8 periods clearly above the test" in risen
    assert report.retraining is not None
    rejected = replace(report.retraining, outcome="rejected")
    assert "late 3 was trained and stopped by a gate" in title(production.retraining(rejected))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (numbers.count(336_776), "336,776"),
        (numbers.percent(0.0004, 0), "< 1 %"),
        (numbers.percent(0.10), "10 %"),
        (numbers.percent(-0.034), "\u22123.4 %"),
        (numbers.seconds(0.043), "43 ms"),
        (numbers.seconds(59.97), "1 min 0 s"),
        (numbers.compact(1_234_567), "1.23 M"),
        (numbers.compact(-0.5), "\u22120.5"),
        (numbers.compact(3e-7), "3.0 \u00d7 10\u207b\u2077"),
        (numbers.difference(0.0), "exactly 0"),
        (numbers.milliseconds(1.234), "1.23 ms"),
        (numbers.size(1_300_000), "1.3 MB"),
        (numbers.plural(1, "gate"), "1 gate"),
        (numbers.metric(float("inf")), "\u2013"),
        (numbers.quantity(m.Estimate(1.2)), "1.2"),
    ],
)
def test_numbers_as_people_read_them(shown: str, expected: str) -> None:
    assert shown.replace("\u00a0", " ") == expected
