"""The page of a tuning: the verdict is what the test rows say, and names are text."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from headrace.evaluation import Comparison, Figure
from headrace.evaluation.comparison import Outcome
from headrace.evaluation.paired import PairedTest
from headrace.pipeline.report.tuning import render_tuning
from headrace.pipeline.tuning import TuningReport
from headrace.training.tuning import Measured, Origin, State, Targets, Trial, TuningResult

HOSTILE = '<script>alert("x")</script>'


def make_trial(number, value, latency, *, limit=5.0, **given):
    measured = Measured(latency, 1.5, int(latency * 100_000))
    params = {"num_leaves": 10 + number, "learning_rate": 0.1, "extra_trees": bool(number % 2)}
    fields = {"origin": Origin.SAMPLED, "excess": {"latency_p99_us": latency / limit - 1}, "trees": 50} | given
    return Trial(number, State.COMPLETE, chosen=params, params=params, value=value, measured=measured, **fields)


def make_result():
    trials = [make_trial(0, 0.75, 4.0, origin=Origin.UNTUNED)]
    trials += [make_trial(n, 0.74 + 0.002 * n, 2.0 + 0.4 * n) for n in range(1, 12)]
    trials.append(Trial(12, State.PRUNED, Origin.SAMPLED, {"num_leaves": 3}, {"num_leaves": 3}, trees=20))
    shares = {"num_leaves": 0.7, "learning_rate": 0.2, "extra_trees": 0.1}
    return TuningResult("study", "auc", True, Targets(latency_p99_us=5.0), trials, 754.0, 2, importance=shares)


def make_report(low=0.001, high=0.005):
    value = (low + high) / 2
    figures = {"auc": Figure(0.76, 0.75, 0.77)}
    improvement = {"auc": Figure(value, low, high)}
    paired = PairedTest("paired bootstrap", "rows of one day depend on each other", improvement["auc"], 0.005)
    comparison = Comparison("auc", 0.005, Outcome.INCONCLUSIVE, figures, figures, improvement, paired)
    return TuningReport("flights", "late", make_result(), comparison, (53_991, 62))


class Whole(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids = [], []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in {"meta", "br", "path", "use", "rect", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()


def test_the_page_is_whole_and_the_same_each_time():
    page = render_tuning(make_report(), command="headrace tune")
    assert page == render_tuning(make_report(), command="headrace tune")
    parser = Whole()
    parser.feed(page)
    assert {"p-front", "p-history", "p-parameters", "t-trials", "t-winner", "t-front"} <= set(parser.ids)
    assert len(parser.ids) == len(set(parser.ids))


@pytest.mark.parametrize(
    ("low", "high", "badge", "says"),
    [
        (0.001, 0.005, "Verdict: better", "The tuned model is better on 53,991 test rows of 62 days"),
        (-0.001, 0.005, "Verdict: not shown to be better", "is not shown to be better"),
        (-0.005, -0.001, "Verdict: worse", "is WORSE"),
    ],
)
def test_the_verdict_is_what_the_test_rows_say(low, high, badge, says):
    page = render_tuning(make_report(low, high), command="headrace tune")
    assert badge in page
    assert says in page


def test_a_worse_model_that_alone_meets_the_target_is_said_to_meet_it():
    result = make_result()
    trials = [replace(result.trials[0], excess={"latency_p99_us": 0.2}), *result.trials[1:]]
    page = render_tuning(replace(make_report(-0.005, -0.001), result=replace(result, trials=trials)), command="x")
    assert "Verdict: meets the target" in page
    assert "The untuned model misses the target; the tuned one meets it at auc -0.0030" in page


def test_a_target_that_nothing_meets_still_has_a_page():
    result = make_result()
    trials = [replace(trial, excess={"latency_p99_us": 0.5}) for trial in result.trials if trial.is_complete]
    report = replace(make_report(), result=replace(result, trials=trials), comparison=None)
    page = render_tuning(report, command="headrace tune")
    assert "No trial keeps to the target" in page
    assert "No trial may win yet" in page


def test_a_tuning_without_measurements_has_no_front_picture():
    result = make_result()
    trials = [replace(trial, measured=None, excess={}) for trial in result.trials]
    page = render_tuning(
        replace(make_report(), result=replace(result, trials=trials, targets=Targets(), importance={})), command="x"
    )
    assert 'id="p-front"' not in page
    assert 'id="p-history"' in page


def test_names_are_text():
    report = replace(make_report(), project=HOSTILE, model=HOSTILE)
    assert HOSTILE not in render_tuning(report, command=HOSTILE)
