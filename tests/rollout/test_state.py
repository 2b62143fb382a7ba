"""States, events and the table of legal transitions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import InvalidInputError
from headrace.rollout.state import (
    TRANSITIONS,
    EventKind,
    ReleaseEvent,
    ReleaseState,
    ReleaseStatus,
    Strategy,
    apply,
    fold,
)

AT = datetime(2013, 11, 1, tzinfo=UTC)


def event(kind, **values):
    if kind is EventKind.START:
        values = {"version": 2, "share": 0.1, "strategy": Strategy.CANARY, "salt": "s"} | values
    if kind is EventKind.SET_SHARE:
        values = {"share": 0.5} | values
    if kind is EventKind.ADOPT:
        values = {"version": 1} | values
    return ReleaseEvent("late", kind, AT, "tests", "", **values)


def reached(status):
    paths = {
        ReleaseStatus.UNRELEASED: [],
        ReleaseStatus.STEADY: [EventKind.ADOPT],
        ReleaseStatus.ROLLING: [EventKind.ADOPT, EventKind.START],
        ReleaseStatus.PAUSED: [EventKind.ADOPT, EventKind.START, EventKind.PAUSE],
    }
    return fold("late", [event(kind) for kind in paths[status]])


@pytest.mark.parametrize("status", ReleaseStatus)
@pytest.mark.parametrize("kind", EventKind)
def test_events_outside_the_table_are_refused_and_say_what_is_possible(status, kind):
    state = reached(status)
    if (status, kind) == (ReleaseStatus.STEADY, EventKind.ROLLBACK):
        state = apply(state, event(EventKind.ADOPT, version=3))
    if (status, kind) in TRANSITIONS:
        assert apply(state, event(kind)).status is TRANSITIONS[status, kind]
        return
    with pytest.raises(InvalidInputError, match=f"'{kind.value}' is not possible.*{status.value}") as refused:
        apply(state, event(kind))
    assert refused.value.hint is not None
    assert refused.value.hint.startswith("possible now: ")


def test_a_release_goes_there_and_back():
    state = fold("late", [event(EventKind.ADOPT), event(EventKind.START), event(EventKind.PROMOTE)])
    assert (state.champion, state.previous, state.candidate, state.share) == (2, 1, None, 0.0)
    back = apply(state, event(EventKind.ROLLBACK))
    assert (back.champion, back.previous) == (1, None)
    with pytest.raises(InvalidInputError, match="no earlier champion"):
        apply(back, event(EventKind.ROLLBACK))


def test_abort_leaves_the_champion_as_it_was():
    before = reached(ReleaseStatus.STEADY)
    after = fold("late", [event(EventKind.ADOPT), event(EventKind.START), event(EventKind.ABORT)])
    assert after == before


def test_adopting_the_champion_again_leaves_nothing_to_roll_back_to():
    state = fold("late", [event(EventKind.ADOPT), event(EventKind.ADOPT)])
    assert state.champions == (1,)


@pytest.mark.parametrize("share", [None, -0.01, 1.01, float("nan")])
def test_a_share_outside_zero_and_one_is_refused(share):
    with pytest.raises(InvalidInputError, match="between 0 and 1"):
        apply(reached(ReleaseStatus.STEADY), event(EventKind.START, share=share))


def test_the_champion_cannot_be_its_own_candidate():
    with pytest.raises(InvalidInputError, match="champion already"):
        apply(reached(ReleaseStatus.STEADY), event(EventKind.START, version=1))


@pytest.mark.parametrize("missing", ["version", "strategy", "salt"])
def test_a_start_needs_a_version_a_strategy_and_a_salt(missing):
    with pytest.raises(InvalidInputError, match="starts with a version"):
        apply(reached(ReleaseStatus.STEADY), event(EventKind.START, **{missing: None}))


def test_adopting_needs_a_version():
    with pytest.raises(InvalidInputError, match="needs a version"):
        apply(ReleaseState("late"), event(EventKind.ADOPT, version=None))


@given(st.lists(st.tuples(st.sampled_from(EventKind), st.integers(1, 4), st.floats(0, 1)), max_size=30))
def test_the_invariants_of_a_state_hold_after_any_legal_history(history):
    state = ReleaseState("late")
    for kind, version, share in history:
        named = {"version": version} if kind in {EventKind.ADOPT, EventKind.START} else {}
        shared = {"share": share} if kind in {EventKind.START, EventKind.SET_SHARE} else {}
        try:
            state = apply(state, event(kind, **named, **shared))
        except InvalidInputError:
            continue
        under_way = state.status in {ReleaseStatus.ROLLING, ReleaseStatus.PAUSED}
        assert (state.champion is None) == (state.status is ReleaseStatus.UNRELEASED)
        assert (state.candidate is not None) == under_way
        assert (state.strategy is not None) == under_way
        assert bool(state.salt) == under_way
        assert 0.0 <= state.share <= (1.0 if under_way else 0.0)
        assert state.candidate is None or state.candidate != state.champion


def test_states_and_events_are_json_data():
    state = reached(ReleaseStatus.ROLLING)
    assert state.to_json() == {
        "model": "late",
        "status": "rolling",
        "champion": 1,
        "champions": [1],
        "previous": None,
        "candidate": 2,
        "strategy": "canary",
        "share": 0.1,
        "salt": "s",
        "sequence": 0,
    }
    assert event(EventKind.ADOPT).to_json() == {
        "model": "late",
        "kind": "adopt",
        "at": "2013-11-01T00:00:00+00:00",
        "actor": "tests",
        "reason": "",
        "version": 1,
        "sequence": 0,
    }
