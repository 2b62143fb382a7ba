"""`headrace data validate`: what it checks, writes, freezes, takes back in, and how it ends."""

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from headrace.cli.data import app
from headrace.core.errors import FailedCheckError, InvalidInputError, NotFoundError
from headrace.data import TableStore

PROJECT = """
import headrace as hr
import polars as pl

source = hr.CsvSource(
    "FOLDER/rides.csv",
    {"id": "string", "at": "timestamp", "station": "string", "minutes": "float64", "late": "bool"},
    prepare=lambda rows: rows, line_column="line",
)
rides = hr.EventTable("rides", source, ["station"], event_time="at")
features = hr.FeatureSet("set", spine=rides, at="at", row_id="id",
    features=[hr.windows(rides, by="station", over=["1h"], values={None: [hr.Count()]})])
model = hr.Model("late", features=features, target=hr.column("minutes") > 30,
    split=hr.TimeSplit(train="2024-02-01", valid="2024-02-15"))
project = hr.Project("rides", model=model, schemas={"rides": hr.Schema(
    [
        hr.Field("id", "string", unique=True),
        hr.Field("at", "timestamp", not_before="2020-01-01"),
        hr.Field("station", "string"),
        hr.Field("minutes", "float64", min=0, max=MOST),
        hr.Field("late", "bool", nullable=True),
    ],
    labels=["late"], sensitive=["station"], outcome=lambda: pl.col("late"), rules=[RULES],
)})
"""


def rides(rows=1_500, seed=0, *, factor=1.0):
    random = np.random.default_rng(seed)
    at = 1_704_067_200_000_000 + np.sort(random.integers(0, 40 * 86_400, rows)) * 1_000_000
    frame = pl.DataFrame(
        {
            "id": [f"r{number}" for number in range(rows)],
            "at": pl.Series(at).cast(pl.Datetime("us", "UTC")),
            "station": random.choice(["north", "south"], rows),
            "minutes": (random.gamma(3, 5, rows).clip(0, 90) * factor).round(3),
            "late": random.random(rows) < 0.3,
        }
    )
    bad = pl.int_range(pl.len()).is_in([10, 20])
    return frame.with_columns(minutes=pl.when(bad).then(150.0).otherwise("minutes"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    return tmp_path


def write(folder, *, most=100, rules="", frame=None):
    text = PROJECT.replace("FOLDER", str(folder)).replace("MOST", str(most)).replace("RULES", rules)
    text = text.replace("])", "])")
    (folder / "project.py").write_text(text)
    (frame if frame is not None else rides()).write_csv(folder / "rides.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")


def run(*arguments):
    """Run a command in this process; its answer."""
    done = CliRunner().invoke(app, ["validate", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def answer(*arguments):
    return json.loads(run(*arguments, "--home", "home", "--json"))["tables"][0]


@pytest.mark.slow
class TestProject:
    def test_checks_facts_and_groups_in_json_and_in_the_report(self, folder):
        found = answer(".")
        checks = {(check["name"], check["column"]): check for check in found["validation"]["checks"]}
        assert checks["range", "minutes"]["rows"] == 2
        assert "(rides.csv line 12)" in checks["range", "minutes"]["detail"]
        assert found["groups"][0]["column"] == "station"
        page = (folder / "home/validation.html").read_text()
        assert "Checks" in page
        assert "minutes is outside [0, 100]" in page
        assert "http://" not in page.replace("http://www.w3.org", "")
        assert json.loads((folder / "home/validation.json").read_text())["tables"][0]["rows"] == 1_500

    def test_words_for_people(self, folder):
        said = run(".", "--home", "home")
        assert "rides: 1,500 rows" in said
        assert "2 rows set aside" in said
        assert said.rstrip().endswith("validation.html")

    def test_a_frozen_reference_names_a_change_of_unit(self, folder):
        assert "frozen" in run(".", "--home", "home", "--freeze")
        assert (folder / "reference/rides.json").is_file()
        assert answer(".")["anomalies"]["findings"] == []
        write(folder, most=10_000, frame=rides(seed=1, factor=60))
        kinds = [(f["kind"], f["column"]) for f in answer(".")["anomalies"]["findings"]]
        assert kinds == [("unit_change", "minutes")]
        with pytest.raises(FailedCheckError, match="minutes as seconds"):
            run(".", "--home", "home", "--strict")

    def test_a_failing_table_ends_with_6_and_still_has_its_report(self, folder):
        write(folder, rules='hr.Fresh("at", "1d")')
        with pytest.raises(
            FailedCheckError, match="table 'rides': column 'at', fresh: the newest at is 2024-02-09"
        ) as caught:
            run(".", "--home", "home")
        assert caught.value.exit_code == 6
        assert (folder / "home/validation.html").is_file()

    def test_when_serving_the_label_must_be_absent(self, folder):
        with pytest.raises(FailedCheckError, match="column 'late', absent: 1,500 of 1,500 rows"):
            run(".", "--home", "home", "--environment", "serving")

    def test_set_aside_rows_are_taken_in_after_the_schema_was_put_right(self, folder):
        store = TableStore(folder / "home/tables")
        answer(".")
        from headrace.pipeline.project import load_project
        from headrace.validation import validate

        schema = load_project(folder)[0].schemas["rides"]
        report = validate(store.read("rides"), schema)
        store.write("rides_rejected", report.rejected, transaction="r")
        store.write("rides_accepted", report.accepted, transaction="a")
        assert "0 rows taken in, 2 still set aside" in run(".", "--home", "home", "--replay")
        write(folder, most=200)
        assert "2 rows taken in, 0 still set aside · version 1 of rides_accepted" in run(
            ".", "--home", "home", "--replay"
        )
        assert store.read("rides_accepted").num_rows == 1_500
        assert store.read("rides_rejected").num_rows == 0
        assert "0 rows taken in" in run(".", "--home", "home", "--replay")

    def test_rows_that_were_put_right_are_taken_in(self, folder):
        store = TableStore(folder / "home/tables")
        answer(".")
        from headrace.pipeline.project import load_project
        from headrace.validation import validate

        report = validate(store.read("rides"), load_project(folder)[0].schemas["rides"])
        store.write("rides_rejected", report.rejected, transaction="r")
        store.write("rides_accepted", report.accepted, transaction="a")
        fixed = pl.from_arrow(report.rejected).with_columns(minutes=pl.Series([15.0, 999.0]))
        fixed.write_parquet(folder / "fixed.parquet")
        said = run(".", "--home", "home", "--replay", "--table", "rides", "--fixed", "fixed.parquet")
        assert "1 rows taken in, 1 still set aside" in said
        assert store.read("rides_rejected").column("minutes").to_pylist() == [999.0]


class TestFiles:
    def test_a_file_without_a_project(self, folder):
        rides().write_parquet(folder / "rides.parquet")
        found = answer("--table", "rides=rides.parquet")
        assert (found["rows"], found["validation"], found["anomalies"]) == (1_500, None, None)
        assert found["days"][0][0] == "2024-01-01"

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ((), InvalidInputError, "name a project"),
            (("--table", "rides"), InvalidInputError, "is not NAME=FILE"),
            (("--table", "rides=rides.xlsx"), InvalidInputError, "ends in none of"),
            (("--table", "rides=no.parquet"), Exception, "there is no file"),
            ((".", "--table", "ridse"), NotFoundError, "no table 'ridse'"),
            ((".", "--fixed", "x.csv"), InvalidInputError, "goes with --replay"),
        ],
    )
    def test_what_cannot_be_done_says_so(self, folder, arguments, error, message):
        with pytest.raises(error, match=message):
            run(*arguments, "--home", "home")
