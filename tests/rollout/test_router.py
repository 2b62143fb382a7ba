"""Routing: sticky, proportional, monotone in the share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import NotFoundError
from headrace.rollout import ReleaseState, ReleaseStatus, Router, Strategy

ROLLING = ReleaseState(
    "late", ReleaseStatus.ROLLING, champions=(1,), candidate=2, strategy=Strategy.CANARY, share=0.1, salt="late:2:1"
)


def test_the_split_is_the_share_within_its_sampling_error():
    answered = [Router(ROLLING).route(f"flight-{n}") for n in range(20_000)]
    assert answered.count(2) / len(answered) == pytest.approx(0.1, abs=4 * (0.1 * 0.9 / 20_000) ** 0.5)


def test_the_split_is_the_same_in_every_release_of_headrace():
    """Pinned: a change would move keys between versions in the middle of somebody's release."""
    assert [n for n in range(40) if Router(ROLLING).route(f"key-{n}") == 2] == [7, 10, 19, 26]


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_key_the_candidate_answered_stays_with_it_as_the_share_grows(key, one, other):
    small, large = sorted((round(one, 4), round(other, 4)))
    if Router(replace(ROLLING, share=small)).route(key) == 2:
        assert Router(replace(ROLLING, share=large)).route(key) == 2


@given(st.text())
def test_no_share_is_no_traffic_and_full_share_is_all(key):
    assert Router(replace(ROLLING, share=0.0)).route(key) == 1
    assert Router(replace(ROLLING, share=1.0)).route(key) == 2


def test_another_release_splits_independently():
    other = replace(ROLLING, salt="late:3:4")
    both = sum(Router(ROLLING).route(str(n)) == 2 == Router(other).route(str(n)) for n in range(20_000))
    assert both / 20_000 == pytest.approx(0.01, abs=4 * (0.01 * 0.99 / 20_000) ** 0.5)


def test_a_steady_model_is_answered_by_its_champion_alone():
    steady = Router(ReleaseState("late", ReleaseStatus.STEADY, champions=(1, 4)))
    assert {steady.route(str(n)) for n in range(100)} == {4}
    assert steady.versions == (4,)


def test_a_shadow_candidate_is_kept_loaded_and_answers_nobody():
    shadow = Router(replace(ROLLING, strategy=Strategy.SHADOW, share=1.0))
    assert {shadow.route(str(n)) for n in range(100)} == {1}
    assert shadow.versions == (1, 2)


def test_a_model_without_champion_is_not_found():
    router = Router(ReleaseState("late"))
    assert router.versions == ()
    with pytest.raises(NotFoundError, match="'late' has no champion"):
        router.route("key")
