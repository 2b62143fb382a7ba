"""A proposed schema holds for the rows it was made from, and reads as a person would write it."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.profiling import Profiler, infer_schema, python_source
from headrace.data.types import conform
from headrace.validation import Field, Schema, validate

EXPECTED = '''"""Proposed from 1,000 rows of rows. A range says what came: review every line."""

# Columns that may be a key: flight.

# Left out: naive, because timestamp[us] has no time zone: say which one its times are in.

import headrace as hr

flights_2013_schema = hr.Schema(
    fields=(
        hr.Field("flight", "int64", min=0, max=1100, unique=True),
        hr.Field("delay", "float64", nullable=True, min=-29.0, max=78.0, null_share_at_most=0.39),
        hr.Field("origin", "string", allowed=("EWR", "JFK", "LGA")),
        hr.Field("note", "string"),
    ),
    rows_at_least=500,
)
'''


def proposed(table):
    with Profiler(table.schema, threads=1) as profiler:
        profiler.update(table)
        return infer_schema(profiler.result(source="rows"))


def declared(proposal, name="rows"):
    scope = {}
    exec(python_source(proposal, name), scope)  # noqa: S102  our own source, as a project file would hold it
    return next(value for key, value in scope.items() if key.endswith("_schema"))


def fields(table):
    return {item.name: item for item in proposed(table).fields}


def test_the_source_is_what_a_person_would_write():
    table = pa.table(
        {
            "flight": np.arange(1000),
            "delay": pa.array([None if at % 4 == 0 else float(at % 90) - 20 for at in range(1000)]),
            "origin": ["EWR", "JFK", "LGA", "JFK"] * 250,
            "note": [f"n{at % 400}" for at in range(1000)],
            "naive": pa.array([0] * 1000, pa.timestamp("us")),
        }
    )
    assert python_source(proposed(table), "flights 2013") == EXPECTED


def test_ranges_have_slack_are_round_and_stop_at_zero():
    found = fields(pa.table({"a": [3, 47], "b": [-3, -1], "c": [5, 5], "d": [0.11, 0.93], "e": [-1.0, 1.0]}))
    assert (found["a"].min, found["a"].max) == (0, 52)
    assert (found["b"].min, found["b"].max) == (-4, 0)
    assert (found["c"].min, found["c"].max) == (4, 6)
    assert (found["d"].min, found["d"].max) == (0.02, 1.02)
    assert (found["e"].min, found["e"].max) == (-1.2, 1.2)


def test_no_range_is_proposed_where_nan_or_infinity_came_or_bounds_are_no_numbers():
    table = pa.table({"a": [1.0, math.nan], "b": [1.0, math.inf], "c": [-1.7e308, 1.7e308], "d": [-(2**62), 2**62]})
    found = fields(table)
    assert all((found[name].min, found[name].max) == (None, None) for name in "abcd")
    assert "1 NaN and 0 infinite" in found["a"].note


def test_a_domain_needs_few_values_that_come_often():
    assert fields(pa.table({"s": ["a", "b"] * 20}))["s"].allowed == ("a", "b")
    assert fields(pa.table({"s": ["a", "b"] * 19}))["s"].allowed == ()
    assert fields(pa.table({"i": [1, 2, 12] * 30}))["i"].allowed == (1, 2, 12)
    assert fields(pa.table({"s": ["x" * 250] * 100}))["s"].allowed == ()


def test_an_estimate_alone_does_not_say_unique():
    rows = 140_000
    table = pa.table({"key": [f"k{at * 7919 % rows}" for at in range(rows)]})
    found = proposed(table)
    assert not found.fields[0].unique
    assert found.keys == ("key",)
    assert "estimate" in found.fields[0].note


def test_names_and_values_are_quoted():
    table = pa.table({'a"b\\\n': ['x"y', "it's"] * 40, "\u00e9": ["\u202e", "\n"] * 40})
    schema = declared(proposed(table), "1 bad name!")
    assert [item.name for item in schema.fields] == ['a"b\\\n', "\u00e9"]
    assert [set(item.allowed) for item in schema.fields] == [{'x"y', "it's"}, {"\u202e", "\n"}]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "f": st.none() | st.floats(),
                "g": st.floats(allow_nan=False, allow_infinity=False),
                "i": st.none() | st.integers(-(2**63), 2**63 - 1),
                "j": st.integers(-1000, 1000),
                "s": st.none() | st.sampled_from(["a", "b", "it's", '"']),
                "t": st.none() | st.datetimes().map(lambda moment: int((moment - moment.min).total_seconds() * 1e6)),
                "b": st.booleans(),
            }
        ),
        max_size=60,
    ),
    st.integers(1, 40),
)
def test_the_rows_pass_their_own_schema(rows, times):
    dtypes = {"f": "float64", "g": "float64", "i": "int64", "j": "int64", "s": "string", "t": "timestamp", "b": "bool"}
    plain = pa.schema([("f", pa.float64()), ("g", pa.float64()), ("i", pa.int64()), ("j", pa.int64()),
                       ("s", pa.string()), ("t", pa.timestamp("us", "UTC")), ("b", pa.bool_())])  # fmt: skip
    table = conform(pa.Table.from_pylist(rows * times, schema=plain), dtypes)
    proposal = proposed(table)
    schema = declared(proposal)
    report = validate(table, schema) if table.num_rows else None
    if report is not None:
        assert [(check.column, check.name, check.detail) for check in report.checks if check.status != "passed"] == []
    data = proposal.to_json()
    built = Schema(tuple(Field(**item) for item in data["fields"]), rows_at_least=data["rows_at_least"])
    assert built == schema


@pytest.mark.parametrize(("rows", "least"), [(0, 1), (1, 1), (19, 9), (336_776, 100_000)])
def test_half_of_the_rows_are_expected_again(rows, least):
    assert proposed(pa.table({"x": pa.array(np.zeros(rows, np.int8))})).rows_at_least == least
