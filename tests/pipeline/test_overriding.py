"""A failed gate stops a model, or is set aside by a reason that says something."""

from __future__ import annotations

import pytest

from headrace.core.errors import FailedCheckError, InvalidInputError
from headrace.pipeline.overriding import Override, check_reason, person, require_gates

GATES = {
    "verdicts": [
        {"name": "auc at least 0.7", "passed": True, "reason": "fine"},
        {"name": "ece at most 0.05", "passed": False, "reason": "ece is 0.1 [0.08, 0.12]"},
    ]
}


def test_a_failed_gate_stops_the_model_and_says_how_to_go_on():
    with pytest.raises(FailedCheckError, match=r"1 of 2 gates failed: 'ece at most 0.05': ece is 0.1") as raised:
        require_gates("the model", GATES, "")
    assert "--override" in raised.value.hint


def test_a_reason_sets_the_failed_gates_aside_and_no_others():
    override = require_gates("the model", GATES, "a new airport, few rows")
    assert override == Override("a new airport, few rows", ("ece at most 0.05",))
    assert override.words == "gates overridden (ece at most 0.05): a new airport, few rows"
    assert override.to_json() == {"reason": "a new airport, few rows", "gates": ["ece at most 0.05"]}


def test_an_override_where_nothing_failed_is_none():
    assert require_gates("the model", {"verdicts": GATES["verdicts"][:1]}, "just to be sure") is None


@pytest.mark.parametrize("reason", ["", "   ", "because", "\n\t x \n"])
def test_a_reason_that_says_nothing_is_refused(reason):
    with pytest.raises(InvalidInputError, match="needs a reason"):
        check_reason(reason)


def test_a_reason_is_kept_on_one_line():
    assert check_reason(" a new airport,\n  few rows ") == "a new airport, few rows"
    assert check_reason(None) == ""
    assert person()
