"""The analysis policy: at most one action, safe to ask at any time."""

from __future__ import annotations

import math
import random

import pytest

from headrace.rollout import Action, ActionKind, AnalysisPolicy, AnalysisSnapshot, CandidateCounts
from headrace.rollout.analysis import evidence_above, evidence_below

POLICY = AnalysisPolicy()


def snapshot(requests=1_000, errors=0, slow=0, **values):
    drifted = values.pop("drifted", None)
    return AnalysisSnapshot(values.pop("share", 0.05), CandidateCounts(requests, errors, slow, drifted), **values)


def test_a_good_candidate_goes_to_the_next_share_and_at_last_is_promoted():
    assert POLICY.decide(snapshot()) == Action(
        ActionKind.ADVANCE, "errors and latency are within limits after 1000 requests", share=0.25
    )
    assert POLICY.decide(snapshot(share=1.0)).kind is ActionKind.PROMOTE


def test_few_requests_decide_nothing():
    assert POLICY.decide(snapshot(requests=199)) is None
    assert POLICY.decide(snapshot(requests=199, errors=50)) is None


def test_three_failed_checks_in_a_row_roll_back_and_two_do_not():
    failing = snapshot(errors=100)
    assert POLICY.decide(failing) is None
    action = POLICY.decide(snapshot(errors=100, failed_checks=2))
    assert action.kind is ActionKind.ROLL_BACK
    assert "100 of 1000 requests failed" in action.reason


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (AnalysisSnapshot(0.05, None, failed_checks=2), "measurements are missing"),
        (AnalysisSnapshot(0.05, CandidateCounts(1_000, 0), failed_checks=2), "measurements are missing"),
        (snapshot(slow=100, failed_checks=2), "100 of 1000 requests were slow"),
        (snapshot(drifted=True, failed_checks=2), "scores drift"),
    ],
)
def test_missing_data_latency_and_drift_are_failed_checks(state, words):
    assert words in POLICY.decide(state).reason


def test_a_step_without_a_verdict_pauses_after_a_while():
    doubtful = {"requests": 1_000, "errors": 10}
    assert POLICY.decide(snapshot(**doubtful, waited_s=3_599)) is None
    assert POLICY.decide(snapshot(**doubtful, waited_s=3_600)).kind is ActionKind.PAUSE


def test_evidence_is_one_without_trials_and_overflows_to_infinity():
    assert evidence_above(0, 0, 0.01) == pytest.approx(1.0)
    assert evidence_below(0, 0, 0.01) == pytest.approx(1.0)
    assert evidence_above(10_000, 10_000, 0.01) == math.inf


@pytest.mark.parametrize("evidence", [evidence_above, evidence_below])
def test_looking_after_every_request_does_not_raise_the_error_rate(evidence):
    """400 candidates whose true rate is the limit: at most alpha of them, with its sampling error, meet a verdict."""
    generator = random.Random(7)
    false_verdicts = 0
    for _ in range(400):
        hits = 0
        for trials in range(1, 801):
            hits += generator.random() < 0.05
            if trials % 10 == 0 and evidence(hits, trials, 0.05) >= 20.0:
                false_verdicts += 1
                break
    assert false_verdicts / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5
