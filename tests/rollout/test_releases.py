"""Release operations: ledger and alias move together or not at all."""

from __future__ import annotations

import pytest

from headrace.core.errors import InvalidInputError, NotFoundError, UnimplementedError
from headrace.rollout import EventKind, Releases, ReleaseStatus, Strategy


def test_a_canary_is_started_widened_promoted_and_rolled_back(releases, aliases):
    releases.adopt("late", 1, reason="first")
    started = releases.start("late", 2, share=0.05, reason="better")
    assert (started.candidate, started.share, aliases()) == (2, 0.05, {"champion": 1, "challenger": 2})
    assert releases.set_share("late", 0.5, reason="fine so far").share == 0.5
    assert releases.promote("late", reason="as good").champion == 2
    assert aliases()["champion"] == 2
    assert releases.rollback("late", reason="worse after all").champion == 1
    assert aliases()["champion"] == 1
    assert [event.kind.value for event in releases.ledger.events("late")] == [
        "adopt",
        "start",
        "set_share",
        "promote",
        "rollback",
    ]
    assert [event.version for event in releases.ledger.events("late")] == [1, 2, 2, 2, 1]


def test_rolling_back_a_canary_withdraws_it(releases, aliases):
    releases.adopt("late", 1, reason="first")
    releases.start("late", 2, share=0.05, reason="try")
    state = releases.rollback("late", reason="errors")
    assert (state.status, state.champion, state.candidate) == (ReleaseStatus.STEADY, 1, None)
    assert releases.ledger.events("late")[-1].kind is EventKind.ABORT
    assert aliases()["champion"] == 1


def test_a_paused_release_keeps_its_share_and_can_be_resumed(releases):
    releases.adopt("late", 1, reason="first")
    releases.start("late", 2, share=0.05, reason="try")
    assert releases.pause("late", reason="inconclusive").share == 0.05
    with pytest.raises(InvalidInputError, match="'set_share' is not possible"):
        releases.set_share("late", 0.5, reason="no")
    assert releases.resume("late", reason="go on").status is ReleaseStatus.ROLLING
    assert releases.abort("late", reason="enough").candidate is None


def test_a_release_of_an_unknown_version_leaves_no_trace(releases, aliases):
    releases.adopt("late", 1, reason="first")
    with pytest.raises(NotFoundError):
        releases.start("late", 99, share=0.05, reason="a slip of the finger")
    assert releases.ledger.sequence() == 1
    assert aliases() == {"champion": 1}


def test_a_crash_between_ledger_and_alias_leaves_neither(releases, aliases):
    releases.adopt("late", 1, reason="first")
    releases.start("late", 2, share=0.05, reason="try")

    def crash(_transaction, _move):
        raise KeyboardInterrupt

    crashing = Releases(releases.ledger, releases.clock, crash, actor="tests")
    with pytest.raises(KeyboardInterrupt):
        crashing.promote("late", reason="interrupted")
    assert releases.ledger.state("late").status is ReleaseStatus.ROLLING
    assert aliases()["champion"] == 1


def test_each_release_has_a_split_of_its_own(releases):
    releases.adopt("late", 1, reason="first")
    first = releases.start("late", 2, share=0.05, reason="try").salt
    releases.abort("late", reason="stop")
    assert releases.start("late", 2, share=0.05, reason="again").salt != first


@pytest.mark.parametrize("strategy", [Strategy.SHADOW, Strategy.AB, Strategy.BLUE_GREEN])
def test_strategies_to_come_say_so(releases, strategy):
    releases.adopt("late", 1, reason="first")
    with pytest.raises(UnimplementedError, match=f"'{strategy.value}'"):
        releases.start("late", 2, share=0.5, reason="try", strategy=strategy)


def test_without_a_champion_nothing_can_be_released(releases):
    with pytest.raises(InvalidInputError, match="while it is unreleased"):
        releases.start("late", 2, share=0.5, reason="try")
