"""Set-aside rows are asked again and taken in once they pass; nothing is doubled, nothing accepted is judged again."""

import pyarrow as pa
import pytest

from headrace.core.errors import InvalidInputError
from headrace.validation import Field, Schema, Surroundings, replay, validate

AROUND = Surroundings(source_file="rides.csv", line_column="line")


def table(values):
    return pa.table({"n": pa.array(values, pa.int64()), "line": list(range(2, 2 + len(values)))})


def schema(most):
    return Schema([Field("n", "int64", nullable=True, max=most, unique=True)])


def test_a_wider_rule_takes_rows_in():
    first = validate(table([1, 50, 200]), schema(10), AROUND)
    again = replay(first.accepted, first.rejected, schema(100), AROUND)
    assert again.accepted.to_pylist() == [{"n": 50, "line": 3}]
    assert again.rejected.to_pylist() == [
        {"n": 200, "line": 4, "source_file": "rides.csv", "line_number": 4, "reason": "n is outside [, 100]"}
    ]


def test_a_row_that_was_put_right_is_taken_in_without_the_columns_of_validation():
    first = validate(table([1, 50]), schema(10), AROUND)
    fixed = first.rejected.set_column(0, "n", pa.array([5]))
    again = replay(first.accepted, fixed, schema(10), AROUND)
    assert again.accepted.schema == first.accepted.schema
    assert again.accepted.column("n").to_pylist() == [5]
    assert again.rejected.num_rows == 0


def test_a_row_that_repeats_an_accepted_one_still_fails():
    first = validate(table([1, 1]), schema(10), AROUND)
    again = replay(first.accepted, first.rejected, schema(10), AROUND)
    assert again.accepted.num_rows == 0
    assert again.rejected.column("reason").to_pylist() == ["n comes again"]


def test_accepted_rows_are_not_judged_again():
    first = validate(table([1, 9, 50]), schema(10), AROUND)
    again = replay(first.accepted, first.rejected, schema(5), AROUND)
    assert again.rejected.column("n").to_pylist() == [50]
    assert again.accepted.num_rows == 0


def test_nothing_to_replay():
    first = validate(table([1]), schema(10), AROUND)
    again = replay(first.accepted, first.rejected, schema(10), AROUND)
    assert (again.accepted.num_rows, again.rejected.num_rows) == (0, 0)


def test_rows_of_another_shape_are_refused():
    with pytest.raises(InvalidInputError, match="no column 'line'"):
        replay(table([1]), pa.table({"n": [1], "reason": ["x"]}), schema(10))
