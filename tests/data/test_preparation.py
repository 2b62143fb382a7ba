"""Values are read as declared, or set aside with their place; rows get an identity, and a key one winner."""

import datetime as dt
import math
import subprocess
import sys
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import DefinitionError
from headrace.data import Decimal, Deduplicate, LocalTime, Preparation, RowId, Typed, Unit, ingest
from headrace.data.preparation.identity import row_ids
from headrace.data.preparation.units import UNITS, conversion

NEW_YORK = "America/New_York"


def read(reading, *texts):
    """The values, "fails" where a text does not read."""
    values, failed = reading.read(pl.Series(texts, dtype=pl.String()))
    return ["fails" if bad else value for value, bad in zip(values, failed, strict=True)]


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


class TestLocalTime:
    def test_summer_and_winter_have_their_own_offset(self):
        found = read(LocalTime(NEW_YORK), "2013-01-01 12:00:00", "2013-07-01T12:00:00.5", " 2013-07-01 12:00", None)
        expected = [utc(2013, 1, 1, 17), utc(2013, 7, 1, 16, 0, 0, 500_000), utc(2013, 7, 1, 16), None]
        assert found == expected

    def test_a_time_that_never_was_is_set_aside_or_shifted_as_declared(self):
        gap = "2013-03-10 02:30:00"
        assert read(LocalTime(NEW_YORK), gap) == ["fails"]
        assert read(LocalTime(NEW_YORK, gap="shift"), gap, "2013-03-10 03:30:00") == [utc(2013, 3, 10, 7, 30)] * 2

    @pytest.mark.parametrize(("fold", "hour"), [("earlier", 5), ("later", 6), ("reject", None)])
    def test_a_time_that_was_twice_is_the_moment_that_is_declared(self, fold, hour):
        expected = "fails" if hour is None else utc(2013, 11, 3, hour, 30)
        assert read(LocalTime(NEW_YORK, fold=fold), "2013-11-03 01:30:00") == [expected]
        assert read(LocalTime(NEW_YORK, fold=fold, gap="shift"), "2013-11-03 01:30:00") == [expected]

    @pytest.mark.parametrize("text", ["", "noon", "2013-02-29 12:00:00", "2013-01-01", "2013-01-01 12:00:00Z", "13:00"])
    def test_what_is_no_time_fails(self, text):
        assert read(LocalTime(NEW_YORK), text) == ["fails"]

    def test_years_1900_and_9999_are_read_and_the_end_of_time_is_not_passed(self):
        assert read(LocalTime(NEW_YORK), "1900-01-01 00:00:00") == [utc(1900, 1, 1, 5)]
        assert read(LocalTime("Asia/Tokyo"), "9999-12-31 23:59:59") == [utc(9999, 12, 31, 14, 59, 59)]
        assert read(LocalTime(NEW_YORK), "9999-12-31 23:59:59") == ["fails"]

    def test_a_format_is_taken_at_its_word(self):
        assert read(LocalTime("Europe/Berlin", "%d.%m.%Y %H:%M"), "31.12.2013 12:00") == [utc(2013, 12, 31, 11)]

    @pytest.mark.parametrize("arguments", [("New York",), (NEW_YORK, "%H:%M%z")])
    def test_a_contradiction_is_refused(self, arguments):
        with pytest.raises(DefinitionError):
            LocalTime(*arguments)

    @settings(deadline=None, max_examples=200)
    @given(
        st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2037, 1, 1)),  # noqa: DTZ001  # local times
        st.sampled_from([NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"]),
        st.sampled_from(["earlier", "later"]),
    )
    def test_the_standard_library_agrees(self, local, zone, fold):
        """`fold` as PEP 495 has it; a gap is shifted with fold 0."""
        aware = local.replace(tzinfo=ZoneInfo(zone), fold=int(fold == "later"))
        moment = aware.astimezone(dt.UTC)
        existed = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local
        text = local.isoformat(sep=" ", timespec="microseconds")
        assert read(LocalTime(zone, fold=fold), text) == [moment if existed else "fails"]
        shifted = moment if existed else local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(dt.UTC)
        assert read(LocalTime(zone, fold=fold, gap="shift"), text) == [shifted]


class TestDecimal:
    def test_units_of_the_scale_are_exact(self):
        texts = ["12.34", "-0.01", "+7", " 7.5 ", "007.10", "12.340000", "92233720368547758.07"]
        assert read(Decimal(2), *texts) == [1234, -1, 700, 750, 710, 1234, 2**63 - 1]

    @pytest.mark.parametrize(
        "text", ["12.345", "1,5", "", ".", "1e3", "12.", "92233720368547758.08", "--1", "1 2", "nan"]
    )
    def test_nothing_is_rounded_away_or_guessed(self, text):
        expected = [1200] if text == "12." else ["fails"]
        assert read(Decimal(2), text) == expected

    def test_marks_of_other_countries(self):
        german = Decimal(2, point=",", thousands=".")
        assert read(german, "1.234.567,89", "1234,5", "12.34,5", "1.2345") == [123456789, 123450, "fails", "fails"]

    def test_float64_is_the_nearest_number(self):
        assert read(Decimal(2, "float64"), "0.10", "-12.3", "1.234") == [0.1, -12.3, "fails"]

    @pytest.mark.parametrize("arguments", [{"scale": 19}, {"scale": -1}, {"scale": 2, "point": ",", "thousands": ","}])
    def test_a_contradiction_is_refused(self, arguments):
        with pytest.raises(DefinitionError):
            Decimal(**arguments)

    @settings(deadline=None, max_examples=100)
    @given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**14), max_value=10**14))
    def test_the_standard_library_agrees(self, value):
        assert read(Decimal(3), str(value)) == [int(value.scaleb(3))]


class TestUnit:
    @pytest.mark.parametrize(
        ("source", "target", "value", "expected"),
        [
            ("F", "C", 32.0, 0.0), ("F", "C", 212.0, 100.0), ("F", "C", -40.0, -40.0), ("C", "F", 37.0, 98.6),
            ("C", "K", 0.0, 273.15), ("mi", "km", 1.0, 1.609344), ("kt", "km/h", 1.0, 1.852),
            ("lb", "kg", 1.0, 0.45359237), ("inHg", "hPa", 29.92, 1013.2075888), ("h", "min", 1.5, 90.0),
            ("%", "1", 12.5, 0.125), ("C", "C", 7.0, 7.0),
        ],
    )  # fmt: skip
    def test_what_is_known_by_heart(self, source, target, value, expected):
        assert Unit(source, target).read(pl.Series([value]))[0][0] == pytest.approx(expected, rel=1e-15, abs=0)

    def test_numbers_text_nan_and_missing_values(self):
        values, failed = Unit("F", "C").read(pl.Series(["32", None, "nan", "warm"]))
        assert values[0] == 0.0
        assert values[1] is None
        assert math.isnan(values[2])
        assert failed.to_list() == [False, False, False, True]

    @pytest.mark.parametrize(("source", "target"), [("F", "km"), ("Fahr", "C")])
    def test_units_that_do_not_convert_are_refused(self, source, target):
        with pytest.raises(DefinitionError):
            Unit(source, target)

    @pytest.mark.parametrize("symbol", sorted(UNITS))
    def test_there_and_back_is_the_same(self, symbol):
        for other in UNITS:
            if UNITS[symbol][0] == UNITS[other][0]:
                p, q, r = conversion(symbol, other)
                a, b, c = conversion(other, symbol)
                assert (p * a, q * a + b * r, c * r) == (p * a, 0, p * a)


class TestSteps:
    def test_columns_are_read_renamed_derived_filtered_and_identified(self, csv, store):
        prepare = Preparation(
            values={"temp": Unit("F", "C"), "at": LocalTime(NEW_YORK)},
            rename={"temp": "celsius"},
            derive={"warm": pl.col("celsius") > 20},
            keep=pl.col("id") != 2,
            drop=["junk"],
            row_id=RowId("key", of=["id"]),
        )
        source = csv(
            "id,temp,at,junk\n1,50,2013-01-01 00:00,x\n2,50,2013-01-01 00:00,x\n3,86,2013-01-01 00:00,x\n",
            {"id": "int64", "temp": "float64", "at": "string", "junk": "string"},
            prepare=prepare,
        )
        result = ingest(source, store, "t")
        table = store.read("t")
        assert table.column_names == ["id", "celsius", "at", "warm", "key"]
        assert table.column("celsius").to_pylist() == [10.0, 30.0]
        assert table.column("warm").to_pylist() == [False, True]
        assert len(set(table.column("key").to_pylist())) == 2
        assert (result.rows_read, result.rows_quarantined) == (3, 0)

    def test_rows_that_do_not_read_keep_file_line_values_and_reason(self, csv, store):
        prepare = Preparation(values={"at": LocalTime(NEW_YORK), "p": Decimal(2)}, required=["id"])
        good = "2013-01-01 00:00"
        text = f"id,at,p\n1,2013-03-10 02:30:00,1\nbad,x,1\n3,{good},1.234\n,{good},1\n5,{good},1\n"
        source = csv(text, {"id": "int64", "at": "string", "p": "string"}, prepare=prepare)
        result = ingest(source, store, "t")
        assert (result.rows_read, result.rows_quarantined, result.version.rows) == (5, 4, 1)
        rows = store.read("t_quarantine").to_pylist()
        assert [row["line_number"] for row in rows] == [2, 3, 4, 5]
        assert [row["reason"].split(":")[0] for row in rows[:3]] == ["column 'at'", "column 'id'", "column 'p'"]
        assert rows[0]["raw_line"] == '{"id": 1, "at": "2013-03-10 02:30:00", "p": "1"}'
        assert rows[2]["reason"] == "column 'p': '1.234' is not a decimal with at most 2 digits behind '.'"
        assert rows[3]["reason"] == "column 'id' is missing, which no row may lack"
        assert {row["source_file"] for row in rows} == {str(source.path)}

    @pytest.mark.parametrize(
        ("prepare", "message"),
        [
            (Preparation(values={"aa": Typed("int64")}), "values names column 'aa'"),
            (Preparation(rename={"aa": "b"}), "rename names column 'aa'"),
            (Preparation(rename={"a": "b"}), "prepare of 't' failed: DuplicateError"),
            (Preparation(derive={"c": pl.col("aa")}), "prepare of 't' failed: ColumnNotFoundError"),
            (Preparation(required=["aa"]), "required names column 'aa'"),
            (Preparation(row_id=RowId("a")), "RowId column 'a' is there already"),
            (Preparation(then=lambda rows: rows.select("a")), "selects columns away"),
            (Preparation(deduplicate=Deduplicate(["aa"])), "column 'aa'"),
            (Preparation(derive={"c": pl.date(2013, 1, 1)}), "table 't': column 'c' has type date32"),
        ],
    )
    def test_a_declaration_that_does_not_fit_names_table_and_column(self, csv, store, prepare, message):
        with pytest.raises(DefinitionError, match=message):
            ingest(csv("a,b\n1,x\n", {"a": "int64", "b": "string"}, prepare=prepare), store, "t")
        assert store.names() == []


class TestDuplicates:
    def kept(self, csv, store, rule, text="k,v\na,1\nb,5\na,3\na,2\nb,\n"):
        source = csv(text, {"k": "string", "v": "int64"}, prepare=Preparation(deduplicate=rule))
        result = ingest(source, store, "t")
        return [tuple(row.values()) for row in store.read("t").to_pylist()], result.rows_duplicate

    @pytest.mark.parametrize(
        ("rule", "rows"),
        [
            (Deduplicate(["k"]), [("a", 2), ("b", None)]),
            (Deduplicate(["k"], "first"), [("a", 1), ("b", 5)]),
            (Deduplicate(["k"], "greatest", by="v"), [("b", 5), ("a", 3)]),
        ],
    )
    def test_the_declared_winner_stays_where_it_was(self, csv, store, rule, rows):
        assert self.kept(csv, store, rule) == (rows, 3)

    def test_of_equally_great_rows_the_last_wins(self, csv, store):
        text = "k,v,n\na,1,first\na,1,last\n"
        rule = Preparation(deduplicate=Deduplicate(["k"], "greatest", by="v"))
        ingest(csv(text, {"k": "string", "v": "int64", "n": "string"}, prepare=rule), store, "t")
        assert store.read("t").column("n").to_pylist() == ["last"]

    def test_a_row_without_a_key_is_set_aside(self, csv, store):
        rows, _ = self.kept(csv, store, Deduplicate(["k"]), "k,v\n,1\na,2\n")
        assert rows == [("a", 2)]
        assert store.read("t_quarantine").column("reason").to_pylist() == [
            "column 'k' is missing, which no row may lack"
        ]

    @pytest.mark.parametrize("arguments", [([],), ("k",), (["k"], "greatest")])
    def test_a_contradiction_is_refused(self, arguments):
        with pytest.raises(DefinitionError):
            Deduplicate(*arguments)

    @settings(deadline=None, max_examples=100)
    @given(
        st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(0, 3))), max_size=20),
        st.sampled_from(["first", "last", "greatest"]),
        st.integers(0, 20),
    )
    def test_winners_are_those_of_a_plain_loop(self, rows, keep, cut):
        rule = Deduplicate(["k"], keep, by="v" if keep == "greatest" else None)
        schema = {"k": pl.Int64(), "v": pl.Int64()}
        frames = [pl.DataFrame(part, schema, orient="row").select(rule.columns) for part in (rows[:cut], rows[cut:])]
        best = {}
        for place, (key, value) in enumerate(rows):
            rank = {"first": -place, "last": place, "greatest": (-1 if value is None else value, place)}[keep]
            if key not in best or rank > best[key][0]:
                best[key] = (rank, place)
        assert rule.winners(frames).nonzero()[0].tolist() == sorted(place for _, place in best.values())


FRAME = pl.DataFrame(
    {
        "i": [1, 1, None],
        "f": [0.5, math.nan, None],
        "s": ["x", "é", None],
        "b": [True, False, None],
        "t": pl.Series([utc(2013, 1, 1), None, None], dtype=pl.Datetime("us", "UTC")),
    }
)

GOLDEN = ["2809cfea2d9bb7a6166fdfe8ae89a62d", "7924636099045a18e69c10c135b3a450", "108f63204064dfa130d7ecf11012c2ba"]


class TestRowId:
    def test_it_is_the_same_in_another_process(self):
        script = (
            "import polars as pl; from headrace.data.preparation.identity import row_ids;"
            "print(row_ids(pl.DataFrame({'i': [1, None], 's': ['x', 'é'], 'f': [0.5, float('nan')]})).to_list())"
        )
        runs = {
            subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
            for _ in "12"
        }
        here = row_ids(pl.DataFrame({"i": [1, None], "s": ["x", "é"], "f": [0.5, math.nan]})).to_list()
        assert runs == {f"{here}\n"}

    def test_the_ids_of_this_version_stay(self):
        """An identity that changes with a release would double every row of an upsert."""
        assert row_ids(FRAME).to_list() == GOLDEN

    def test_order_of_columns_and_neighbours_do_not_matter(self):
        assert row_ids(FRAME.select("s", "t", "i", "b", "f")).equals(row_ids(FRAME))
        assert row_ids(FRAME[1:]).to_list() == row_ids(FRAME).to_list()[1:]

    def test_every_difference_matters(self):
        frames = [
            pl.DataFrame({"a": [1]}), pl.DataFrame({"b": [1]}), pl.DataFrame({"a": [2]}), pl.DataFrame({"a": [1.0]}),
            pl.DataFrame({"a": ["1"]}), pl.DataFrame({"a": [None]}, {"a": pl.Int64()}), pl.DataFrame({"a": [0]}),
            pl.DataFrame({"a": [0.0]}), pl.DataFrame({"a": [-0.0]}), pl.DataFrame({"a": [""]}),
            pl.DataFrame({"a": [1], "b": [2]}), pl.DataFrame({"a": [2], "b": [1]}),
        ]  # fmt: skip
        ids = [row_ids(frame)[0] for frame in frames]
        alike = {("0", "0.0")}  # an integer 0 and a float 0.0 have the same bits
        assert len(set(ids)) == len(ids) - len(alike)

    def test_a_million_rows_have_a_million_ids(self):
        ids = row_ids(pl.DataFrame({"n": pl.int_range(1_000_000, eager=True)}))
        assert ids.n_unique() == 1_000_000
        assert ids.str.len_bytes().unique().to_list() == [32]
