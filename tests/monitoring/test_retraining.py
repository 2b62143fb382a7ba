"""The retraining policy: one decision a snapshot, with its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headrace.core.errors import DefinitionError
from headrace.monitoring import RetrainPolicy, RetrainSnapshot, Trigger

NOW = datetime(2013, 12, 1, tzinfo=UTC)
DRIFTING = RetrainSnapshot(
    now=NOW, input_digest="new", new_labels=6_000, last_input_digest="old", drifted_features=("temp",)
)
ALL = RetrainPolicy(triggers=frozenset(Trigger))


def decided(snapshot, policy=ALL):
    decision = policy.decide(snapshot)
    return decision.retrain, decision.trigger, decision.reason


def test_drift_asks_for_a_retraining():
    assert decided(DRIFTING) == (True, Trigger.DRIFT, "temp drifted")


@pytest.mark.parametrize(
    ("known", "trigger", "reason"),
    [
        ({"quality_loss": 0.05}, Trigger.QUALITY, "quality fell by 0.050 (allowed 0.020)"),
        ({"new_labels": 100_000}, Trigger.NEW_LABELS, "100,000 new labels"),
        (
            {"last_run_at": NOW - timedelta(days=31)},
            Trigger.SCHEDULE,
            "the last training began 31 days, 0:00:00 ago",
        ),
    ],
)
def test_each_trigger_asks(known, trigger, reason):
    assert decided(replace(DRIFTING, drifted_features=(), **known)) == (True, trigger, reason)


def test_quality_is_named_before_drift():
    assert decided(replace(DRIFTING, quality_loss=0.05))[1] is Trigger.QUALITY


def test_nothing_asks_for_nothing():
    quiet = replace(DRIFTING, drifted_features=(), quality_loss=0.02)
    assert decided(quiet) == (False, None, "nothing asks for a retraining")


def test_a_trigger_that_is_not_declared_does_not_ask():
    assert decided(DRIFTING, RetrainPolicy(triggers=frozenset({Trigger.QUALITY})))[0] is False


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"paused": True}, "temp drifted, but retraining is paused"),
        (
            {"last_run_at": NOW - timedelta(hours=23)},
            "temp drifted, but the last run began 23:00:00 ago (cooldown 1 day, 0:00:00)",
        ),
        ({"new_labels": 999}, "temp drifted, but there are 999 new labels (at least 1,000)"),
        ({"input_digest": "old"}, "temp drifted, but its input is what the last training read"),
    ],
)
def test_a_veto_says_why(known, reason):
    assert decided(replace(DRIFTING, **known)) == (False, Trigger.DRIFT, reason)


def test_the_cooldown_ends_on_time():
    assert decided(replace(DRIFTING, last_run_at=NOW - timedelta(hours=24)))[0] is True


def test_a_policy_with_negative_numbers_is_refused():
    with pytest.raises(DefinitionError, match="must not be negative"):
        RetrainPolicy(min_new_labels=-1)
