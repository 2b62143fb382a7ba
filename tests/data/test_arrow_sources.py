"""Parquet, Arrow IPC, JSON lines: what is declared comes, typed, with its place; nothing else is read."""

import datetime as dt
import decimal
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import DefinitionError, SourceError
from headrace.data import ArrowSource, JsonLinesSource, ParquetSource
from headrace.data.sources import json_rows

TABLE = pa.table(
    {
        "id": pa.array(range(10), pa.int32()),
        "x": pa.array([None if number == 3 else number / 4 for number in range(10)], pa.float32()),
        "s": pa.array(["even", "odd"] * 5).dictionary_encode(),
        "at": pa.array([dt.datetime(2013, 1, 1, hour, tzinfo=dt.UTC) for hour in range(10)], pa.timestamp("ms", "UTC")),
        "local": pa.array([dt.datetime(2013, 3, 10, 2, minute) for minute in range(10)], pa.timestamp("us")),  # noqa: DTZ001  # a local time
        "price": pa.array([decimal.Decimal(f"{number}.25") for number in range(10)], pa.decimal128(9, 2)),
    }
)
PLAIN = {"id": "int64", "x": "float64", "s": "string", "at": "timestamp"}


def read(source, **options):
    return pa.concat_tables([part.table for part in source.parts(**options)])


def write_stream(table, path, **options):
    with path.open("wb") as out, pa.ipc.new_stream(out, table.schema, **options) as writer:
        writer.write_table(table, max_chunksize=4)


def write_file(table, path):
    with path.open("wb") as out, pa.ipc.new_file(out, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=4):
            writer.write_batch(batch.combine_chunks() if hasattr(batch, "combine_chunks") else batch)


@pytest.fixture(params=["parquet", "ipc file", "ipc stream", "ipc stream, gzip", "ipc file, gzip"])
def source(request, tmp_path):
    """The same table in every form."""
    path = tmp_path / "rows"
    if request.param == "parquet":
        pq.write_table(TABLE, path, row_group_size=4)
        return lambda columns, **options: ParquetSource(path, columns, **options)
    (write_file if "file" in request.param else write_stream)(TABLE, path)
    if "gzip" in request.param:
        path.write_bytes(gzip.compress(path.read_bytes()))
    return lambda columns, **options: ArrowSource(path, columns, **options)


class TestEveryForm:
    def test_declared_columns_come_widened_in_their_declared_order(self, source):
        table = read(source({"s": "string", "id": "float64"}))
        assert table.schema == pa.schema([("s", pa.string()), ("id", pa.float64())])
        assert table.column("id").to_pylist() == [float(number) for number in range(10)]

    def test_values_of_every_type_come_exactly(self, source):
        table = read(source(PLAIN))
        assert table.to_pylist() == TABLE.select(list(PLAIN)).to_pylist()

    def test_types_without_a_name_come_as_text_where_declared(self, source):
        table = read(source({"local": "string", "price": "string"}))
        assert table.column("local")[3].as_py() == "2013-03-10 02:03:00.000000"
        assert table.column("price")[3].as_py() == "3.25"
        assert read(source({"price": "float64"})).column("price")[3].as_py() == 3.25

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            (None, "column 'local' is timestamp"),
            ({"local": "timestamp"}, "column 'local' is timestamp.*declared timestamp"),
            ({"s": "int64"}, "column 's' is string, declared int64"),
            ({"x": "int64"}, "column 'x' is float, declared int64"),
            ({"idd": "int64"}, "has no column 'idd'"),
        ],
    )
    def test_what_does_not_fit_is_told_with_file_and_column(self, source, columns, message):
        with pytest.raises(SourceError, match=rf"rows.*{message}"):
            read(source(columns))

    def test_pieces_are_bounded_and_say_their_rows(self, source):
        parts = list(source({"id": "int64"}).parts(batch_bytes=8))
        assert len(parts) > 2
        assert [line for part in parts for line in part.lines.tolist()] == list(range(1, 11))
        assert sum(part.rows for part in parts) == 10

    def test_a_table_without_rows_keeps_its_columns(self, tmp_path):
        empty = TABLE.slice(0, 0)
        pq.write_table(empty, tmp_path / "rows.parquet")
        write_stream(empty, tmp_path / "rows.arrow")
        for source in (ParquetSource(tmp_path / "rows.parquet", PLAIN), ArrowSource(tmp_path / "rows.arrow", PLAIN)):
            assert read(source).schema.names == list(PLAIN)

    def test_an_unknown_type_is_refused_when_it_is_written_down(self, source):
        with pytest.raises(DefinitionError, match="'int' is not a column type"):
            source({"id": "int"})


class TestParquet:
    @pytest.fixture
    def path(self, tmp_path):
        pq.write_table(
            pa.table({"n": range(1_000), "pad": ["x" * 50] * 1_000}), tmp_path / "n.parquet", row_group_size=100
        )
        return tmp_path / "n.parquet"

    def test_row_groups_below_the_bound_are_not_read(self, path, monkeypatch):
        read_groups = []
        iter_batches = pq.ParquetFile.iter_batches

        def spy(self, *, row_groups, **options):
            read_groups.extend(row_groups)
            return iter_batches(self, row_groups=row_groups, **options)

        monkeypatch.setattr(pq.ParquetFile, "iter_batches", spy)
        parts = list(ParquetSource(path, {"n": "int64"}).beyond("n", 849).parts())
        assert [value for part in parts for value in part.table.column("n").to_pylist()] == list(range(850, 1_000))
        assert parts[0].lines[0] == 851
        assert read_groups == [8, 9]

    def test_a_bound_may_be_on_a_column_that_is_not_asked_for(self, path):
        assert read(ParquetSource(path, {"pad": "string"}, after=("n", 989))).num_rows == 10

    def test_a_range_of_rows_reads_its_row_groups_alone(self, path):
        table = read(ParquetSource(path, {"n": "int64"}, rows=(250, 420)))
        assert table.column("n").to_pylist() == list(range(250, 420))

    def test_nothing_beyond_the_bound_gives_the_columns(self, path):
        assert read(ParquetSource(path, {"n": "int64"}, after=("n", 10_000))).num_rows == 0


def write_lines(path, *lines):
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return path


COLUMNS = {"i": "int64", "f": "float64", "b": "bool", "s": "string", "t": "timestamp"}


class TestJsonLines:
    def test_objects_come_typed_with_missing_keys_as_missing_values(self, tmp_path):
        path = write_lines(
            tmp_path / "rows.jsonl",
            {"i": 1, "f": 1, "b": True, "s": "é\n", "t": "2013-03-10T06:59:59Z", "other": [1, {"x": 2}]},
            {"i": None, "s": ""},
        )
        parts = list(JsonLinesSource(path, COLUMNS).parts())
        at = dt.datetime(2013, 3, 10, 6, 59, 59, tzinfo=dt.UTC)
        assert parts[0].table.to_pylist() == [
            {"i": 1, "f": 1.0, "b": True, "s": "é\n", "t": at},
            {"i": None, "f": None, "b": None, "s": "", "t": None},
        ]
        assert parts[0].lines.tolist() == [1, 2]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b'{"i": 1', "not JSON: "),
            (b"[1]", "not a JSON object but [1]"),
            (b'{"i": 1}{"i": 2}', "not JSON: Extra data"),
            (b'{"i": 1.5}', "column 'i': 1.5 is not int64"),
            (b'{"i": "1"}', "column 'i': \"1\" is not int64"),
            (b'{"i": true}', "column 'i': true is not int64"),
            (b'{"i": 9223372036854775808}', "column 'i': 9223372036854775808 is not int64"),
            (b'{"f": 1e999}', "column 'f': Infinity is not float64"),
            (b'{"f": NaN}', "not JSON: NaN is no number of JSON"),
            (b'{"s": 5}', "column 's': 5 is not string"),
            (b'{"b": 1}', "column 'b': 1 is not bool"),
            (
                b'{"t": "2013-03-10 06:59"}',
                "column 't': \"2013-03-10 06:59\" is not timestamp, text with Z or an offset",
            ),
            (b'{"i": 1, "i": 2}', "not JSON: key 'i' comes twice"),
            (b'{"s": "\xff"}', "not UTF-8"),
            (b'{"s": "a\x00b"}', "not JSON: Invalid control character"),
        ],
    )
    def test_a_line_that_does_not_read_is_set_aside_alone(self, tmp_path, line, reason):
        good = {"i": 1, "f": 2.5, "b": False, "s": "x", "t": "2013-03-10T06:59:59Z"}
        path = write_lines(tmp_path / "rows.jsonl", good, b"", line, good)
        parts = list(JsonLinesSource(path, COLUMNS).parts())
        rejected = pa.concat_tables([part.rejected for part in parts]).to_pylist()
        assert [row["line_number"] for row in rejected] == [3]
        assert rejected[0]["reason"].startswith(reason)
        assert sum(part.table.num_rows for part in parts) == 2
        assert [line for part in parts for line in part.lines.tolist()] == [1, 4]

    def test_one_bad_line_costs_a_closer_look_at_its_neighbours_only(self, tmp_path, monkeypatch):
        looked = []
        one_by_one = json_rows._one_by_one
        monkeypatch.setattr(json_rows, "_one_by_one", lambda *a: looked.append(len(a[0])) or one_by_one(*a))
        path = write_lines(
            tmp_path / "x", *({"i": n} for n in range(200_000)), b"{", *({"i": n} for n in range(200_000))
        )
        parts = list(JsonLinesSource(path, {"i": "int64"}).parts())
        assert sum(part.rows for part in parts) == 400_001
        assert parts[0].rejected["line_number"].to_pylist() == [200_001]
        assert parts[0].lines[200_000] == 200_002
        assert sum(looked) <= 100_000

    def test_a_column_that_no_line_names_is_an_error(self, tmp_path):
        path = write_lines(tmp_path / "x", {"arr_delay": 1})
        with pytest.raises(SourceError, match=r"no line of .*x names column 'arr_dealy'") as caught:
            read(JsonLinesSource(path, {"arr_dealy": "int64"}))
        assert caught.value.hint == "did you mean 'arr_delay'?"
        named = write_lines(tmp_path / "y", {"a": None})
        assert read(JsonLinesSource(named, {"a": "int64"})).num_rows == 1

    def test_a_file_of_nothing_is_an_error(self, tmp_path):
        for content, message in (
            (b"", "is empty"),
            (b"\n\n", "is empty"),
            (b"x\ny\n", "no line of"),
            (b"\xff\xfe{", "UTF-16"),
        ):
            (tmp_path / "x").write_bytes(content)
            with pytest.raises(SourceError, match=message):
                read(JsonLinesSource(tmp_path / "x", {"a": "int64"}))

    values = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**65), 2**65),
        st.floats(),
        st.text(max_size=3),
        st.just([1]),
        st.just({}),
    )

    @settings(deadline=None, max_examples=150)
    @given(
        st.lists(st.dictionaries(st.sampled_from("ifbs"), values), min_size=1, max_size=4),
        st.sampled_from([1, 30, 9_999]),
    )
    def test_reading_at_once_gives_what_reading_line_by_line_gives(self, rows, batch_bytes):
        text = "\n".join(map(json.dumps, [*rows, {"i": 1, "f": 1.0, "b": True, "s": "x"}])).encode()
        columns = {name: COLUMNS[name] for name in "ifbs"}
        found = json_rows.read_lines(text, columns, 1)
        slow = json_rows._one_by_one(text, columns, 1)
        assert (repr(found.table.to_pylist()), list(found.lines)) == (repr(slow.table.to_pylist()), list(slow.lines))
        assert found.rejections == slow.rejections
