"""A pandera model is a schema: the same rows fail as pandera fails, with our severities, and pandera is not run."""

from typing import Optional

import pandera.polars as pan
import polars as pl
import pyarrow as pa
import pytest

from headrace.core.errors import DefinitionError
from headrace.validation import Field, Fresh, Schema, Surroundings, as_schema, validate


class Trips(pan.DataFrameModel):
    ride: int = pan.Field(ge=0, unique=True)
    kind: str = pan.Field(isin=["card", "cash"], nullable=True)
    code: str = pan.Field(str_matches="[A-Z]{2}", str_length={"min_value": 2, "max_value": 3})
    share: float = pan.Field(gt=0, lt=1, metadata={"headrace": {"unit": "share", "severity": "warn"}})
    minutes: float = pan.Field(in_range={"min_value": 0, "max_value": 600}, ne=13.0)
    at: pl.Datetime("us", "UTC") = pan.Field()
    note: Optional[str] = pan.Field(notin=["?"], nullable=True)  # noqa: UP045  as pandera reads it

    class Config:  # noqa: D106
        unique = ["kind", "code"]  # noqa: RUF012

    @pan.check("minutes")
    def whole(cls, data: pan.PolarsData) -> pl.LazyFrame:  # noqa: N805
        return data.lazyframe.select(pl.col(data.key) % 1 == 0)

    @pan.dataframe_check
    def minutes_follow_share(cls, data: pan.PolarsData) -> pl.LazyFrame:  # noqa: N805
        return data.lazyframe.select(pl.col("minutes") >= pl.col("share"))


def trips(**changed):
    at = pa.array([0, 1, 2], pa.timestamp("us", "UTC"))
    columns = {
        "ride": [0, 1, 2],
        "kind": ["card", "cash", None],
        "code": ["AB", "CDE", "FG"],
        "share": [0.1, 0.5, 0.9],
        "minutes": [1.0, 2.0, 3.0],
        "at": at,
        "note": ["x", None, "y"],
    }
    return pa.table({**columns, **changed})


def test_a_model_is_read_into_fields_and_rules():
    schema = Schema.from_pandera(Trips, rows_at_least=2, rules=[Fresh("at", "1d", severity="warn")], labels=["share"])
    fields = {item.name: item for item in schema.fields}
    assert fields["ride"] == Field("ride", "int64", min=0, unique=True)
    assert fields["kind"] == Field("kind", "string", nullable=True, allowed=("card", "cash"))
    assert (fields["share"].unit, fields["share"].severity) == ("share", "warn")
    assert not fields["note"].required
    assert [rule.name for rule in schema.rows] == [
        "str_matches([A-Z]{2})", "greater_than(0)", "less_than(1)", "not_equal_to(13.0)", "whole", "notin(['?'])",
        "minutes_follow_share",
    ]  # fmt: skip
    assert schema.unique == ("kind", "code")
    assert as_schema(schema) is schema


@pytest.mark.parametrize(
    ("changed", "row", "words"),
    [
        ({"ride": [0, -1, 2]}, 1, "ride is outside"),
        ({"ride": [0, 0, 2]}, 1, "ride comes again"),
        ({"kind": ["card", "gold", None]}, 1, "kind is none of card, cash"),
        ({"code": ["AB", "x1", "FG"]}, 1, r"code breaks the rule str_matches"),
        ({"code": ["AB", "ABCD", "FG"]}, 1, "code does not have"),
        ({"minutes": [1.0, 2.0, 601.0]}, 2, "minutes is outside"),
        ({"minutes": [1.0, 2.0, 13.0]}, 2, r"minutes breaks the rule not_equal_to\(13.0\)"),
        ({"minutes": [1.0, 2.5, 3.0]}, 1, "minutes breaks the rule whole"),
        ({"minutes": [0.0, 2.0, 3.0]}, 0, "minutes_follow_share does not hold"),
        ({"note": ["?", None, "y"]}, 0, "note breaks the rule notin"),
        ({"kind": ["card", "card", None], "code": ["AB", "AB", "FG"]}, 1, "kind, code comes again"),
    ],
)
def test_rows_that_pandera_fails_are_set_aside(changed, row, words):
    rows = trips(**changed)
    with pytest.raises((pan.errors.SchemaErrors, pan.errors.SchemaError)):
        Trips.validate(pl.from_arrow(rows), lazy=True)
    report = validate(rows, Trips)
    assert report.rejected.num_rows == 1
    assert (
        report.rejected.select(["ride", "code"]).to_pylist() == rows.select(["ride", "code"]).to_pylist()[row : row + 1]
    )
    assert pytest.importorskip("re").search(words, report.rejected.column("reason")[0].as_py())


def test_sound_rows_pass_both():
    Trips.validate(pl.from_arrow(trips()))
    report = validate(trips(), Trips)
    assert (report.rejected.num_rows, report.count("passed")) == (0, len(report.checks))


def test_severity_from_metadata_and_from_raise_warning():
    class Warned(pan.DataFrameModel):
        n: int = pan.Field(ge=0, metadata={"headrace": {"severity": "stop"}})
        m: int = pan.Field(ge=0, raise_warning=True)

    report = validate(pa.table({"n": [-1], "m": [-1]}), Warned)
    assert {check.column: check.status for check in report.checks if check.rows} == {"n": "failed", "m": "warned"}
    assert report.accepted.num_rows == 1


def test_a_schema_object_is_as_good_as_a_model():
    schema = pan.DataFrameSchema({"n": pan.Column(int, pan.Check(lambda data: data.lazyframe.select(pl.col("n") > 1)))})
    assert validate(pa.table({"n": [1, 2]}), schema, Surroundings()).rejected.num_rows == 1


def test_digests_follow_the_model():
    class One(pan.DataFrameModel):
        n: int = pan.Field(gt=0)

    class Two(pan.DataFrameModel):
        n: int = pan.Field(gt=1)

    assert as_schema(One).digest == as_schema(One).digest
    assert as_schema(One).digest != as_schema(Two).digest


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"^n.*$": pan.Column(int, regex=True)}, "a pattern for column names"),
        ({"n": pan.Column(pl.Datetime("us"))}, "no type that tables hold"),
        ({"n": pan.Column(pl.List(pl.Int64))}, "no type that tables hold"),
        ({"n": pan.Column(int, metadata={"headrace": {"severty": "warn"}})}, "metadata 'severty' is not known"),
        ({"n": pan.Column()}, "has no type"),
    ],
)
def test_what_tables_cannot_hold_is_refused(columns, message):
    with pytest.raises(DefinitionError, match=message):
        Schema.from_pandera(pan.DataFrameSchema(columns))


def test_something_else_is_refused():
    with pytest.raises(DefinitionError, match="is no pandera model"):
        validate(pa.table({"n": [1]}), {"n": int})
