"""Expressions: Arrow's null rules, Kleene's logic, exact integers, and clear refusals."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace.features as hr
from headrace.core.errors import DefinitionError, InvalidInputError
from headrace.features.expressions import BINARY_OPERATORS, Binary, Expression, Literal, Unary
from headrace.features.plan_format import expression_from_json, expression_to_json
from headrace.features.views import StateView

TABLE = pa.table(
    {
        "delay": pa.array([20, None, 15, -3], pa.int64()),
        "fuel": pa.array([0.5, 1.0, None, 2.0], pa.float64()),
        "carrier": ["UA", "AA", None, "UA"],
        "late": pa.array([True, None, False, True]),
        "at": pa.array([0, 3_600_000_000, None, 1_400_000_000_000_000], pa.timestamp("us", "UTC")),
    }
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (hr.column("delay") > 15, [True, None, False, False]),
        (hr.column("carrier") == "UA", [True, False, None, True]),
        (~(hr.column("carrier") != "UA"), [True, False, None, True]),
        (hr.column("late") & (hr.column("delay") < 0), [False, None, False, True]),
        (hr.column("late") | (hr.column("delay") <= 15), [True, None, True, True]),
        (hr.column("delay") / 2, [10.0, None, 7.5, -1.5]),
        (1 - hr.column("delay"), [-19, None, -14, 4]),
        (2 * hr.column("delay") + 1, [41, None, 31, -5]),
        (1 + -hr.column("delay").abs(), [-19, None, -14, -2]),
        (1 / hr.column("fuel"), [2.0, 1.0, None, 0.5]),
        (hr.column("delay").is_null(), [False, True, False, False]),
        (hr.column("at").year(), [1970, 1970, None, 2014]),
        (hr.column("at").hours_since_epoch(), [0.0, 1.0, None, 1_400_000_000 / 3600]),
        (hr.column("delay") >= 15, [True, None, True, False]),
        (Literal(3), [3, 3, 3, 3]),
    ],
)
def test_expressions_follow_arrows_null_rules(expression, expected):
    assert expression.evaluate(TABLE).to_pylist() == expected


def test_missing_columns_and_wrong_types_are_definition_errors():
    with pytest.raises(DefinitionError, match="reads column 'dealy'") as caught:
        (hr.column("dealy") > 15).evaluate(TABLE)
    assert caught.value.hint == "did you mean 'delay'?"
    with pytest.raises(DefinitionError, match="does not fit"):
        (hr.column("carrier") > 15).evaluate(TABLE)
    with pytest.raises(DefinitionError, match="cannot be evaluated on a table alone"):
        hr.query_time().year().evaluate(TABLE)
    with pytest.raises(DefinitionError, match="not a value an expression can hold"):
        _ = hr.column("delay") > [15]  # type: ignore[operator]


def test_integer_overflow_is_an_error_not_a_wrong_number():
    with pytest.raises(InvalidInputError, match="overflow"):
        (hr.column("delay") * 2**62).evaluate(TABLE)


def test_an_expression_has_no_truth_value():
    with pytest.raises(DefinitionError, match="no truth value") as caught:
        bool(hr.column("delay") > 15)
    assert "&" in caught.value.hint


STATE = StateView("planes", "planes", ("tailnum",), None, 0)
LEAVES = st.one_of(
    st.text("abc", min_size=1).map(hr.column),
    st.just(hr.query_time()),
    st.sampled_from([True, 3, 0.1, "UA"]).map(Literal),
    st.just(hr.StateTable("planes", keys=["tailnum"])["year"]),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Unary, st.sampled_from(["not", "neg", "year"]), inner),
        st.builds(Binary, st.sampled_from(sorted(BINARY_OPERATORS)), inner, inner),
    ),
    max_leaves=8,
)


@given(tree=TREES)
def test_every_expression_reads_back_from_json(tree: Expression):
    data = json.loads(json.dumps(expression_to_json(tree)))
    again = expression_from_json(data, {"planes": STATE})
    assert str(again) == str(tree)
    assert expression_to_json(again) == data
