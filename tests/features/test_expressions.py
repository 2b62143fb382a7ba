"""Expressions: Arrow's null rules, Kleene's logic, exact integers, and clear refusals."""

from __future__ import annotations

import json
import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace.features as hr
from headrace.core.errors import DefinitionError, InvalidInputError
from headrace.features.definition.expressions import BINARY_OPERATORS, Binary, Expression, FeatureColumn, Literal, Unary
from headrace.features.planning.dtypes import expression_dtype
from headrace.features.planning.plan_format import expression_from_json, expression_to_json
from headrace.features.planning.step_format import expression_key
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
        (hr.column("delay").clip(0, 16), [16, None, 15, 0]),
        (hr.column("delay").clip(high=15.5), [15.5, None, 15.0, -3.0]),
        (hr.column("fuel").clip(0.75), [0.75, 1.0, None, 2.0]),
        (hr.minimum(hr.column("delay"), 15), [15, None, 15, -3]),
        (hr.maximum(hr.column("delay"), hr.column("fuel")), [20.0, None, None, 2.0]),
        (hr.coalesce(hr.column("delay"), hr.column("fuel"), 0), [20.0, 1.0, 15.0, -3.0]),
        (hr.column("carrier").fill_null("none"), ["UA", "AA", "none", "UA"]),
        (hr.column("delay").fill_null(0), [20, 0, 15, -3]),
        (hr.column("carrier").is_in(["UA", "DL"]), [True, False, None, True]),
        (hr.column("delay").is_in([15, -3]), [False, None, True, True]),
        (hr.column("late").is_in([True]), [True, None, False, True]),
        (hr.if_else(hr.column("late"), hr.column("delay"), 0.5), [20.0, None, 0.5, -3.0]),
        (hr.if_else(hr.column("delay") > 15, "late", hr.column("carrier")), ["late", None, None, "UA"]),
        (hr.cross("carrier", "delay", "late"), ["UA|20|true", None, None, "UA|-3|true"]),
        (hr.column("fuel").sqrt(), [math.sqrt(0.5), 1.0, None, math.sqrt(2)]),
        (hr.column("fuel").log1p(), [math.log1p(0.5), math.log1p(1.0), None, math.log1p(2.0)]),
        (hr.haversine("fuel", "fuel", "fuel", "fuel"), [0.0, 0.0, None, 0.0]),
        (hr.haversine(Literal(0), Literal(0), Literal(0), Literal(180)), [math.pi * 6371.0088] * 4),
    ],
)
def test_expressions_follow_arrows_null_rules(expression, expected):
    assert expression.evaluate(TABLE).to_pylist() == expected


def test_nan_is_a_value_and_stays():
    """Arrow would prefer the other number."""
    table = pa.table({"a": [math.nan, 1.0, None, math.inf, -0.0], "b": [1.0, math.nan, math.nan, math.nan, 0.0]})
    for expression in (hr.minimum(hr.column("a"), hr.column("b")), hr.maximum(hr.column("a"), hr.column("b"))):
        values = expression.evaluate(table).to_pylist()
        assert [value is None or math.isnan(value) for value in values] == [True, True, True, True, False]
        assert values[2] is None
        assert math.copysign(1.0, values[4]) == 1.0
    clipped = hr.column("a").clip(0, 2).evaluate(table).to_pylist()
    assert math.isnan(clipped[0])
    assert clipped[1:] == [1.0, None, 2.0, 0.0]
    assert math.isnan(hr.coalesce(hr.column("a"), 3).evaluate(table).to_pylist()[0])
    assert math.isnan((-1 * hr.column("b")).sqrt().evaluate(table).to_pylist()[0])
    assert (hr.column("b") - 2.0).log1p().evaluate(table).to_pylist()[0] == -math.inf


@given(parts=st.lists(st.lists(st.text("ab|\\", max_size=3), min_size=2, max_size=2), min_size=1, max_size=8))
def test_a_cross_tells_its_parts_apart(parts):
    """Different parts never read the same, whatever they hold."""
    table = pa.table({"a": [left for left, _ in parts], "b": [right for _, right in parts]})
    crossed = hr.cross("a", "b").evaluate(table).to_pylist()
    assert len(set(crossed)) == len({tuple(pair) for pair in parts})


@pytest.mark.parametrize(
    ("expression", "dtype"),
    [
        (hr.column("i").clip(0, 3), "int64"),
        (hr.column("i").clip(0, 3.5), "float64"),
        (hr.minimum(hr.column("i"), hr.column("f")), "float64"),
        (hr.coalesce(hr.column("i"), 1), "int64"),
        (hr.column("s").fill_null("x"), "string"),
        (hr.if_else(hr.column("b"), 1, hr.column("f")), "float64"),
        (hr.cross("s", "i", "b"), "string"),
        (hr.column("s").is_in(["x"]), "bool"),
        (hr.feature("other") + 1, "float64"),
        (hr.haversine("i", "f", "f", "f"), "float64"),
    ],
)
def test_a_function_says_its_type_before_it_meets_rows(expression, dtype):
    assert expression_dtype(expression, type_of) == dtype


@pytest.mark.parametrize(
    "expression",
    [
        hr.column("s").sqrt(),
        hr.column("b").clip(0, 1),
        hr.minimum(hr.column("s"), hr.column("s")),
        hr.coalesce(hr.column("s"), 1),
        hr.if_else(hr.column("i"), 1, 2),
        hr.if_else(hr.column("b"), "x", 2),
        hr.cross("s", "f"),
        hr.cross("s", "t"),
        hr.column("f").is_in([1]),
        hr.column("s").is_in([1]),
    ],
)
def test_a_function_refuses_other_types(expression):
    with pytest.raises(DefinitionError, match="does not work on a"):
        expression_dtype(expression, type_of)


def type_of(leaf):
    if isinstance(leaf, FeatureColumn):
        return "float64"
    return {"i": "int32", "f": "float64", "s": "string", "b": "bool", "t": "timestamp"}[leaf.name]


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
    st.just(hr.feature("other")),
    st.sampled_from([True, 3, 0.1, "UA"]).map(Literal),
    st.just(hr.StateTable("planes", keys=["tailnum"])["year"]),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Unary, st.sampled_from(["not", "neg", "year"]), inner),
        st.builds(Binary, st.sampled_from(sorted(BINARY_OPERATORS)), inner, inner),
        st.builds(hr.if_else, inner, inner, inner),
        st.builds(lambda value: value.clip(None, 3), inner),
        st.builds(lambda value: value.is_in(["a", "b"]), inner),
    ),
    max_leaves=8,
)


@given(tree=TREES)
def test_every_expression_reads_back_from_json(tree: Expression):
    data = json.loads(json.dumps(expression_to_json(tree)))
    again = expression_from_json(data, {"planes": STATE})
    assert str(again) == str(tree)
    assert expression_to_json(again) == data
    assert expression_key(again) == expression_key(tree)
