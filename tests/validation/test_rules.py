"""Rules over a table, patterns and moments of fields, environments, and where a failing row comes from."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest

from headrace.core.errors import DefinitionError
from headrace.validation import (
    Field,
    ForeignKey,
    Fresh,
    NoGaps,
    Ordered,
    RowRule,
    Schema,
    Surroundings,
    TableRule,
    Unique,
    Volume,
    validate,
)

START = datetime(2024, 3, 1, tzinfo=UTC)
HOURS = [START + timedelta(hours=hour) for hour in range(10)]


def table(**columns):
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def times(moments, **more):
    return table(at=pa.array(moments, pa.timestamp("us", "UTC")), **more)


def outcome(rows, rule, around=None, fields=()):
    report = validate(rows, Schema(fields, rules=[rule]), around)
    return report, [check for check in report.checks if check.name != "rows"][-1]


class TestForeignKey:
    PLANES = table(tail=["a", "b", "c"], year=[1, 2, 3])

    def test_orphans_are_set_aside_and_nulls_pass(self):
        rows = table(tail=["a", None, "z", "b"])
        report, check = outcome(rows, ForeignKey("tail", "planes"), Surroundings({"planes": self.PLANES}))
        assert (check.name, check.column, check.rows) == ("foreign_key", "tail", 1)
        assert report.rejected.to_pylist() == [{"tail": "z", "reason": "tail is not in planes (tail)"}]

    def test_columns_together_under_other_names(self):
        rows = table(t=["a", "a", None], y=[1, 2, 9])
        rule = ForeignKey(["t", "y"], "planes", ["tail", "year"], severity="stop")
        report, check = outcome(rows, rule, Surroundings({"planes": self.PLANES}))
        assert (check.status, check.rows) == ("failed", 1)
        assert not report.passed

    def test_a_share_of_orphans_may_pass(self):
        rows = table(tail=["a", "z", "b", "c"])
        for share, failing in ((0.25, 0), (0.2, 1)):
            rule = ForeignKey("tail", "planes", orphans_at_most=share)
            assert outcome(rows, rule, Surroundings({"planes": self.PLANES}))[1].rows == failing

    def test_a_table_that_is_not_there_fails_by_name(self):
        _, check = outcome(table(tail=["a"]), ForeignKey("tail", "planes"), Surroundings({"boats": self.PLANES}))
        assert check.status == "failed"
        assert "no table 'planes' beside this one; there are: boats" in check.detail


class TestFresh:
    @pytest.mark.parametrize(("late", "status"), [(1, "passed"), (2, "passed"), (3, "failed")])
    def test_age_of_the_newest_row(self, late, status):
        around = Surroundings(now=HOURS[-1] + timedelta(hours=late))
        _, check = outcome(times(HOURS), Fresh("at", "2h"), around)
        assert check.status == status

    def test_the_message_says_how_old(self):
        _, check = outcome(times(HOURS), Fresh("at", "2h"), Surroundings(now=HOURS[-1] + timedelta(hours=30)))
        assert "30 h old; at most 2 h is expected" in check.detail

    def test_without_any_moment_it_fails(self):
        _, check = outcome(times([None]), Fresh("at", "2h"))
        assert check.status == "failed"


class TestVolume:
    def test_of_the_table(self):
        assert outcome(times(HOURS), Volume(5, 10))[1].status == "passed"
        assert outcome(times(HOURS), Volume(11))[1].detail == "10 rows; at least 11 are expected"

    def test_by_period_leaves_the_ends_out(self):
        days = [
            START + timedelta(days=day, hours=hour) for day in range(4) for hour in range(6) if day != 2 or hour < 2
        ]
        _, check = outcome(times(days), Volume(5, per="1d", column="at", severity="warn"))
        assert check.status == "warned"
        assert "2024-03-03 00:00 with 2" in check.detail

    def test_an_empty_period_counts(self):
        days = [START, START + timedelta(days=1), START + timedelta(days=3), START + timedelta(days=4)]
        _, check = outcome(times(days), Volume(1, per="1d", column="at"))
        assert "1 of 3 periods" in check.detail


class TestOrder:
    def test_a_row_below_the_greatest_before_it_fails(self):
        report, _ = outcome(table(n=[1, 3, 2, None, 3, 2]), Ordered("n"))
        assert report.rejected.column("n").to_pylist() == [2, 2]

    def test_strictly(self):
        report, _ = outcome(table(n=[1, 1, 2]), Ordered("n", strictly=True))
        assert report.rejected.column("n").to_pylist() == [1]

    def test_within_groups(self):
        report, check = outcome(table(n=[5, 1, 6, 0], g=["a", "b", "a", "b"]), Ordered("n", by="g"))
        assert report.rejected.to_pylist()[0]["n"] == 0
        assert "within g" in check.detail


class TestGaps:
    def test_the_longest_is_named(self):
        moments = [*HOURS[:3], *HOURS[7:]]
        _, check = outcome(times(moments), NoGaps("at", "2h"))
        assert check.status == "warned"
        assert "1 gaps in at are longer than 2h" in check.detail
        assert "2024-03-01T02:00:00+00:00 to 2024-03-01T07:00:00+00:00" in check.detail

    def test_of_exactly_the_length_passes_and_groups_are_apart(self):
        rows = times([*HOURS[:2], *HOURS[:2]], g=["a", "a", "b", "b"])
        assert outcome(rows, NoGaps("at", "1h"))[1].status == "passed"
        far = times([HOURS[0], HOURS[1], HOURS[9]], g=["a", "b", "a"])
        assert "where g is a" in outcome(far, NoGaps("at", "2h", by="g"))[1].detail


def test_unique_over_several_sets_of_columns():
    rows = table(a=[1, 1, 2], b=[1, 2, 2])
    report = validate(rows, Schema((), rules=[Unique("a"), Unique(["a", "b"]), Unique("b", severity="warn")]))
    assert [check.rows for check in report.checks[:3]] == [1, 0, 1]
    assert report.rejected.num_rows == 1


def test_a_rule_over_the_table_is_one_value():
    rows = table(n=[1, 2, 3])
    assert outcome(rows, TableRule("mean_is_2", lambda: pl.col("n").mean() == 2))[1].status == "passed"
    assert outcome(rows, TableRule("mean_is_3", lambda: pl.col("n").mean() == 3))[1].status == "failed"
    with pytest.raises(DefinitionError, match="gives 3 values"):
        outcome(rows, TableRule("odd", lambda: pl.col("n") > 1))


class TestFields:
    def test_patterns_match_from_end_to_end(self):
        rows = table(code=["N123AA", "xN1", "N1\n", None])
        report = validate(rows, Schema([Field("code", "string", nullable=True, pattern="N[0-9A-Z]+")]))
        assert report.rejected.column("code").to_pylist() == ["xN1", "N1\n"]

    def test_lengths_count_characters(self):
        rows = table(code=["é", "éé", "ééé", ""])
        report = validate(rows, Schema([Field("code", "string", min_length=1, max_length=2)]))
        assert report.rejected.column("code").to_pylist() == ["ééé", ""]

    def test_moments_keep_1900_and_9999_out(self):
        rows = times([datetime(1900, 1, 1, tzinfo=UTC), START, datetime(9999, 12, 31, tzinfo=UTC)])
        fields = [Field("at", "timestamp", not_before="2000-01-01", not_after="2030-01-01T00:00+01:00")]
        report = validate(rows, Schema(fields))
        assert report.accepted.num_rows == 1
        assert "at is outside [2000-01-01, 2030-01-01T00:00+01:00]" in report.rejected.column("reason")[0].as_py()

    def test_a_column_that_need_not_be_there(self):
        report = validate(table(n=[1]), Schema([Field("n", "int64"), Field("m", "int64", min=0, required=False)]))
        assert report.passed
        assert not validate(table(m=["x"]), Schema([Field("m", "int64", required=False)])).passed

    def test_a_strict_schema_names_undeclared_columns(self):
        report = validate(table(n=[1], extra=[1]), Schema([Field("n", "int64")], strict=True))
        assert [check.column for check in report.checks if check.status == "failed"] == ["extra"]


class TestEnvironments:
    SCHEMA = Schema([Field("n", "int64"), Field("late", "bool")], labels=["late"])

    def test_training_needs_the_label_and_serving_must_not_have_it(self):
        serving = Surroundings(environment="serving")
        with_label, without = table(n=[1], late=[True]), table(n=[1])
        assert validate(with_label, self.SCHEMA).passed
        assert not validate(without, self.SCHEMA).passed
        assert validate(without, self.SCHEMA, serving).passed
        assert not validate(with_label, self.SCHEMA, serving).passed

    def test_an_empty_label_is_absent(self):
        rows = table(n=[1], late=pa.array([None], pa.bool_()))
        assert validate(rows, self.SCHEMA, Surroundings(environment="serving")).passed


class TestOrigin:
    ROWS = table(n=[1, 99, 3], line=[2, 3, 7])
    AROUND = Surroundings(source_file="flights.csv", line_column="line")

    def test_a_rejected_row_keeps_file_line_and_reason(self):
        report = validate(self.ROWS, Schema([Field("n", "int64", max=10)]), self.AROUND)
        assert report.rejected.to_pylist() == [
            {"n": 99, "line": 3, "source_file": "flights.csv", "line_number": 3, "reason": "n is outside [, 10]"}
        ]

    def test_a_message_names_file_line_and_column(self):
        report = validate(self.ROWS, Schema([Field("n", "int64", max=10, severity="stop")]), self.AROUND)
        failed = next(check for check in report.checks if check.status == "failed")
        assert failed.detail.endswith("n is outside [, 10], first 99 in row 1 (flights.csv line 3)")

    def test_a_table_without_failures_has_the_same_columns(self):
        report = validate(self.ROWS, Schema([Field("n", "int64")]), self.AROUND)
        assert report.rejected.column_names == ["n", "line", "source_file", "line_number", "reason"]


def test_rules_of_columns_that_failed_are_not_asked():
    schema = Schema(
        [Field("at", "timestamp"), Field("n", "int64")],
        rules=[Fresh("at", "1h"), Ordered("n"), NoGaps("at", "1h")],
        rows=[RowRule("n", lambda: pl.col("n") > 0)],
    )
    assert [check.name for check in validate(table(n=["x"]), schema).checks] == ["present", "dtype", "rows"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ForeignKey([], "planes"), "give as many"),
        (lambda: ForeignKey(["a"], "planes", ["b", "c"]), "give as many"),
        (lambda: ForeignKey("a", "planes", orphans_at_most=2), "it is a share"),
        (lambda: Fresh("at", "2 hours"), "'2 hours' is no duration"),
        (lambda: Fresh("at", "0h"), "not above zero"),
        (lambda: Fresh("at", "2h", severity="quarantine"), "no row to quarantine"),
        (lambda: Volume(per="1d"), "per and column go together"),
        (lambda: Volume(5, 2), "greater than at_most"),
        (lambda: Unique([]), "names no column"),
        (lambda: Field("s", "string", pattern="("), "no regular expression"),
        (lambda: Field("n", "int64", pattern="x"), "are for string columns"),
        (lambda: Field("s", "string", min_length=3, max_length=2), "greater than max_length"),
        (lambda: Field("s", "string", not_before="2024-01-01"), "are for timestamp columns"),
        (lambda: Field("t", "timestamp", not_before="yesterday"), "no date or time"),
        (lambda: Field("t", "timestamp", not_before="2025-01-01", not_after="2024-01-01"), "later than not_after"),
        (lambda: Schema([Field("n", "int64")], labels=["m"]), "labels names 'm'"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(make, message):
    with pytest.raises(DefinitionError, match=message):
        make()


def test_a_rule_of_a_column_that_nobody_knows_is_refused_with_the_nearest():
    with pytest.raises(DefinitionError, match="reads column 'nn'"):
        validate(table(n=[1]), Schema([Field("n", "int64")], rules=[Ordered("nn")]))


def test_a_schema_with_rules_has_a_digest_that_follows_them():
    base = [Field("n", "int64")]
    digests = {
        Schema(base).digest,
        Schema(base, rules=[Ordered("n")]).digest,
        Schema(base, rules=[Ordered("n", strictly=True)]).digest,
        Schema(base, rules=[Fresh("n", timedelta(hours=1))]).digest,
        Schema(base, rules=[TableRule("r", lambda: pl.col("n").sum() > 0)]).digest,
        Schema(base, labels=["n"]).digest,
    }
    assert len(digests) == 6
