"""Each check passes, warns, sets rows aside or stops the table, and says which rows and why."""

import json
import math

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import DefinitionError, FailedCheckError
from headrace.validation import Field, RowRule, Schema, validate

GOOD = pa.table({"n": [1, 2, 3], "x": [0.5, 1.5, 2.5], "s": ["a", "b", "c"]})
# one column, one row of which fails the check, and the field that says so
FAILING = {
    "not_null": ([1, None, 3], {}),
    "range": ([1, 20, 3], {"max": 10}),
    "allowed": ([1, 2, 3], {"allowed": (1, 3)}),
    "unique": ([1, 1, 3], {"unique": True}),
}


def run(values, *, name="int64", **field):
    report = validate(pa.table({"n": pa.array(values, getattr(pa, name)())}), Schema([Field("n", name, **field)]))
    return report, {check.name: check for check in report.checks}


def row_rule(severity="quarantine"):
    return RowRule("x_below_2", lambda: pl.col("x") < 2, severity=severity)


def test_a_sound_table_passes_every_check_untouched():
    schema = Schema(
        [
            Field("n", "int64", min=1, max=3, unique=True, allowed=(1, 2, 3)),
            Field("x", "float64", nullable=True, null_share_at_most=0.0),
            Field("s", "string"),
        ],
        unique=["n", "s"],
        rows=[RowRule("n_is_over_x", lambda: pl.col("n") > pl.col("x"))],
        rows_at_least=3,
    )
    report = validate(GOOD, schema)
    assert {check.status for check in report.checks} == {"passed"}
    assert all(check.rows == 0 and not check.detail for check in report.checks)
    assert report.passed
    assert report.accepted.equals(GOOD)
    assert report.rejected.num_rows == 0
    assert report.rejected.column_names == ["n", "x", "s", "reason"]


@pytest.mark.parametrize("check", FAILING)
class TestSeverity:
    def test_pass(self, check):
        _, checks = run([1, 3], **FAILING[check][1])
        assert checks[check].status == "passed"

    def test_warn_counts_and_keeps_the_row(self, check):
        values, field = FAILING[check]
        report, checks = run(values, **field, severity="warn")
        assert (checks[check].status, checks[check].rows) == ("warned", 1)
        assert (report.accepted.num_rows, report.rejected.num_rows, report.passed) == (3, 0, True)

    def test_quarantine_sets_the_row_aside_with_its_reason(self, check):
        values, field = FAILING[check]
        report, checks = run(values, **field)
        assert (checks[check].status, checks[check].rows) == ("warned", 1)
        assert report.accepted.column("n").to_pylist() == [values[0], values[2]]
        assert report.rejected.column("n").to_pylist() == [values[1]]
        assert report.rejected.column("reason")[0].as_py().startswith("n ")
        assert report.passed

    def test_stop_fails_the_table_and_raises_by_name(self, check):
        values, field = FAILING[check]
        report, checks = run(values, **field, severity="stop")
        assert (checks[check].status, checks[check].rows) == ("failed", 1)
        assert not report.passed
        with pytest.raises(FailedCheckError, match=f"table 't': column 'n', {check}: 1 of 3 rows") as caught:
            report.raise_if_failed("t")
        assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("severity", "status", "kept"), [("warn", "warned", 3), ("quarantine", "warned", 2), ("stop", "failed", 3)]
)
def test_a_row_rule_has_the_same_severities(severity, status, kept):
    report = validate(GOOD, Schema([], rows=[row_rule(severity)]))
    check = report.checks[0]
    assert (check.name, check.column, check.status, check.rows) == ("x_below_2", "", status, 1)
    assert report.accepted.num_rows == kept


def test_a_row_that_fails_several_checks_is_set_aside_once_with_all_reasons():
    report, _ = run([1, 99, 99], max=10, unique=True)
    assert report.rejected.to_pylist() == [
        {"n": 99, "reason": "n is outside [, 10]"},
        {"n": 99, "reason": "n is outside [, 10]; n comes again"},
    ]


def test_details_name_the_share_the_value_and_the_row():
    _, checks = run([1, 20, 30, 3], max=10)
    assert checks["range"].detail == "2 of 4 rows (50.00%): n is outside [, 10], first 20 in row 1"


class TestShape:
    def test_an_absent_column_fails_the_table_with_the_nearest_name(self):
        report = validate(GOOD, Schema([Field("nn", "int64", min=0, unique=True)]))
        present, rows = report.checks
        assert (present.name, present.column, present.status, present.rows) == ("present", "nn", "failed", 3)
        assert "did you mean 'n'?" in present.detail
        assert rows.status == "passed"

    def test_another_type_fails_the_table(self):
        report = validate(GOOD, Schema([Field("x", "int64", max=1)]))
        assert [(check.name, check.status) for check in report.checks] == [("dtype", "failed"), ("rows", "passed")]
        assert report.checks[0].detail == "is float64, declared int64"

    def test_rules_that_read_an_unsound_column_are_not_run(self):
        table = GOOD.drop_columns(["x"])
        report = validate(table, Schema([Field("x", "float64")], unique=["x"], rows=[row_rule()]))
        assert [check.name for check in report.checks] == ["present", "rows"]
        with pytest.raises(FailedCheckError, match="has no column 'x'"):
            report.raise_if_failed("t")

    def test_undeclared_columns_pass_through(self):
        assert validate(GOOD, Schema([Field("n", "int64")])).accepted.column_names == ["n", "x", "s"]

    def test_too_few_rows_fail_the_table(self):
        report = validate(GOOD, Schema([], rows_at_least=4))
        assert report.checks[0].detail == "3 rows, at least 4 are expected"
        assert not report.passed

    def test_a_table_without_rows_is_checked_all_the_same(self):
        report = validate(GOOD.slice(0, 0), Schema([Field("n", "int64", min=0)], unique=["n"], rows_at_least=0))
        assert report.passed
        assert report.accepted.num_rows == 0

    def test_several_failures_are_counted(self):
        report = validate(GOOD, Schema([Field("a", "int64"), Field("b", "int64")], rows_at_least=9))
        with pytest.raises(FailedCheckError, match=r"\(and 2 other checks\)"):
            report.raise_if_failed("t")


class TestMissing:
    def test_nulls_pass_every_check_but_not_null(self):
        report, _ = run([None, None, 1], nullable=True, min=0, allowed=(1,), unique=True)
        assert report.rejected.num_rows == 0

    def test_nan_is_a_value_and_out_of_every_range(self):
        report, checks = run([math.nan, 1.0, None], name="float64", nullable=True, min=0)
        assert checks["range"].rows == 1
        assert report.accepted.column("n").to_pylist() == [1.0, None]

    @pytest.mark.parametrize(("at_most", "status"), [(0.5, "passed"), (0.49, "warned")])
    def test_a_share_of_nulls_is_a_warning_about_the_column(self, at_most, status):
        report, checks = run([None, 1], nullable=True, null_share_at_most=at_most)
        assert checks["null_share"].status == status
        assert report.accepted.num_rows == 2

    def test_a_row_rule_that_is_null_passes(self):
        table = pa.table({"x": pa.array([None, 5.0])})
        assert validate(table, Schema([], rows=[row_rule()])).rejected.num_rows == 1


def test_columns_unique_together_keep_their_first_row():
    table = pa.table({"a": [1, 1, 1, None, None], "b": ["x", "y", "x", "x", "x"]})
    schema = Schema([Field("a", "int64", nullable=True), Field("b", "string")], unique=["a", "b"])
    report = validate(table, schema)
    assert report.rejected.to_pylist() == [
        {"a": 1, "b": "x", "reason": "a, b comes again"},
        {"a": None, "b": "x", "reason": "a, b comes again"},
    ]


class TestRuleOfTheProject:
    @pytest.mark.parametrize(
        "holds",
        [
            lambda: pl.col("nowhere") > 0,
            lambda: pl.col("n"),
            lambda: pl.col("n").sum() > 0,
            lambda: pl.col("s") > 1,
        ],
        ids=["no such column", "not true or false", "not row by row", "other type"],
    )
    def test_a_rule_that_cannot_be_asked_is_an_error_that_names_it(self, holds):
        with pytest.raises(DefinitionError, match="odd_rule"):
            validate(GOOD, Schema([], rows=[RowRule("odd_rule", holds)]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Field("n", "int"), "Field 'n': 'int' is not a column type"),
        (lambda: Field("n", "int64", severity="panic"), "severity 'panic' does not exist"),
        (lambda: Field("n", "string", min=1), "min and max are for"),
        (lambda: Field("n", "int64", min=2, max=1), "no value would pass"),
        (lambda: Field("n", "float64", min=math.nan), "NaN"),
        (lambda: Field("n", "int64", nullable=True, null_share_at_most=2), "it is a share"),
        (lambda: Field("n", "int64", null_share_at_most=0.1), "needs nullable=True"),
        (lambda: Field("n", "int64", allowed=("a",)), "allowed value 'a' is not int64"),
        (lambda: Field("n", "int64", allowed=(True,)), "allowed value True is not int64"),
        (lambda: Field("n", "timestamp", allowed=(1,)), "allowed value 1 is not timestamp"),
        (lambda: Schema([Field("n", "int64")] * 2), "'n' is declared 2 times"),
        (lambda: Schema([Field("n", "int64")], unique=["m"]), "unique names 'm'"),
        (lambda: RowRule("r", lambda: pl.lit(1), severity="x"), "RowRule 'r': severity"),
    ],
)
def test_a_contradiction_fails_at_its_definition(make, message):
    with pytest.raises(DefinitionError, match=message):
        make()


def test_whole_numbers_are_allowed_floats():
    report, _ = run([1.0, 2.0], name="float64", allowed=(1,))
    assert report.rejected.column("n").to_pylist() == [2.0]


def test_the_report_is_json_without_rows():
    report, _ = run([1, None], max=0)
    data = json.loads(json.dumps(report.to_json()))
    assert {key: data[key] for key in ("accepted", "rejected", "passed", "warned", "failed")} == {
        "accepted": 0, "rejected": 2, "passed": 2, "warned": 2, "failed": 0,
    }  # fmt: skip
    assert data["checks"][1]["name"] == "not_null"


def test_the_digest_of_a_schema_follows_its_rules():
    def schema(most=2, **options):
        return Schema([Field("x", "float64", max=most)], **options)

    assert schema().digest == schema().digest
    options = ({"rows_at_least": 2}, {"unique": ["x"]}, {"rows": [row_rule()]}, {"rows": [row_rule("stop")]})
    assert len({schema().digest, schema(3).digest, *(schema(**option).digest for option in options)}) == 6
    assert schema().dtypes == {"x": "float64"}
    json.dumps(schema(rows=[row_rule()]).to_json())


values = st.lists(st.none() | st.floats() | st.integers(-5, 5).map(float), max_size=30)


bounds = st.tuples(st.none() | st.integers(-4, 0), st.none() | st.integers(0, 4))


@settings(deadline=None)
@given(values, st.booleans(), bounds, st.booleans(), st.integers(1, 4))
def test_rows_divide_as_a_loop_in_plain_python_divides_them(values, nullable, bounds, unique, chunks):
    """Oracle: the documented rules, row by row."""
    low, high = bounds
    column = pa.chunked_array([values[at::chunks] for at in range(chunks)], pa.float64())
    flat = column.to_pylist()
    table = pa.table({"x": column, "row": list(range(len(flat)))})
    field = Field("x", "float64", nullable=nullable, min=low, max=high, unique=unique)
    report = validate(table, Schema([field], rows_at_least=0))
    kept, seen = [], set()
    for row, value in enumerate(flat):
        good = value is not None or nullable
        if value is not None:
            if low is not None or high is not None:
                good &= not math.isnan(value)
                good &= (low is None or value >= low) and (high is None or value <= high)
            key = "nan" if math.isnan(value) else value
            good &= not (unique and key in seen)
            seen.add(key)
        if good:
            kept.append(row)
    assert report.accepted.column("row").to_pylist() == kept
    assert report.rejected.column("row").to_pylist() == [row for row in range(len(flat)) if row not in kept]
    assert all(report.rejected.column("reason").to_pylist())
