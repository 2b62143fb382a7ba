"""The pictures about using the model say in their titles what they found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.pipeline.report import model as m
from headrace.pipeline.report.pictures import learning, training, use


def title(picture: str) -> str:
    return picture.split("<h3>", 1)[1].split("</h3>", 1)[0].replace("\u00a0", " ")


def test_a_threshold_says_what_it_brings(report: m.RunReport) -> None:
    assert report.decisions is not None
    assert title(use.decisions(report.decisions)) == "Acting from a score of 0.253 brings 0.097 [0.081, 0.113] a row"
    capacity = replace(report.decisions, asked="precision", figures=report.decisions.figures[:3])
    assert title(use.decisions(capacity)) == "Acting from a score of 0.253 meets 38.4 % [31.7, 45.3] of the rows"
    nobody = replace(report.decisions, threshold=None)
    assert title(use.decisions(nobody)) == "No threshold pays: nobody is acted on"


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("holds", "The four-fifths rule holds by carrier"),
        ("broken", "The four-fifths rule is broken by carrier"),
        ("open", "can be neither shown nor refuted"),
    ],
)
def test_fairness_says_how_the_rule_came_out(report: m.RunReport, verdict: str, words: str) -> None:
    assert words in title(use.fairness(0, replace(report.fairness[0], four_fifths=verdict)))
    alone = replace(report.fairness[0], ratio=None)
    assert title(use.fairness(0, alone)) == "Too few groups of carrier to compare"


def test_the_worst_slice_and_the_worst_damage_are_named(report: m.RunReport) -> None:
    assert report.weak_slices is not None
    assert report.robustness is not None
    weakest = title(use.weak_slices(report.weak_slices))
    assert weakest.startswith("Weakest where origin = EWR and distance &gt; 2,100: 9 % of the rows, log loss +0.151")
    assert "windows and states 6h late costs AUC 0.132" in title(use.robustness(report.robustness))
    harmless = replace(report.robustness, damages=report.robustness.damages[1:])
    assert title(use.robustness(harmless)) == "None of 1 broken input costs AUC beyond chance"


def test_folds_say_how_far_they_lie_apart(report: m.RunReport) -> None:
    assert report.folds is not None
    assert title(training.folds(report.folds)) == "AUC lies between 0.748 and 0.771 over 4 folds in time order"


def test_what_moves_the_score_is_told_with_its_direction(report: m.RunReport) -> None:
    assert report.effects is not None
    assert title(learning.effects(report.effects)).endswith("moves the score most; more of it raises the score")
    mixed = replace(report.effects, features=report.effects.features[2:])
    assert title(learning.effects(mixed)) == "hour moves the score most"


def test_the_data_study_speaks_in_its_hints(report: m.RunReport) -> None:
    assert report.data_study is not None
    assert title(learning.data_curve(report.data_study)).startswith("Half as many rows again would bring +0.002")
    assert title(learning.months(report.data_study)) == "The model is better without 2013-02"


def test_where_the_model_is_too_sure_is_named(report: m.RunReport) -> None:
    assert report.overconfident is not None
    assert title(use.overconfident(report.overconfident)).startswith("Too sure of itself where visib &lt;= 2")
