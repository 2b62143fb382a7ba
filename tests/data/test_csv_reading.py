"""Every row of a CSV file is either typed as declared or set aside with its file, line number, text and reason."""

import csv as stdlib_csv
import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import DefinitionError, SourceError
from headrace.data import CsvSource
from headrace.data.csv_reading import read_csv

AB = {"a": "int64", "b": "string"}


def set_aside(read):
    return [(row["line_number"], row["raw_line"], row["reason"]) for row in read.rejected.to_pylist()]


def error(source):
    with pytest.raises(SourceError) as caught:
        read_csv(source)
    return caught.value


def test_rows_come_typed_and_in_file_order(csv):
    read = read_csv(csv("a,b,ignored\n3,x,?\n1,y,?\n2,,?\n", AB))
    assert read.frame.rows() == [(3, "x"), (1, "y"), (2, None)]
    assert read.rows == 3
    assert read.rejected.num_rows == 0


def test_columns_are_found_by_name_whatever_their_place(csv):
    assert read_csv(csv("z,b,a\n0,x,1\n", AB)).frame.rows() == [(1, "x")]


def test_a_row_that_does_not_parse_is_set_aside_with_its_file_line_text_and_reason(csv):
    source = csv("a,b\n1,x\ntwelve,y\n3,z\n", AB)
    read = read_csv(source)
    assert read.frame.rows() == [(1, "x"), (3, "z")]
    assert read.rows == 3
    assert read.rejected.to_pylist() == [
        {
            "source_file": str(source.path),
            "line_number": 3,
            "raw_line": "twelve,y",
            "reason": "column 'a': 'twelve' is not int64",
        }
    ]


def test_line_numbers_count_lines_of_the_file_not_records(csv):
    read = read_csv(csv('a,b\n1,"two\nlines"\n\nbad,x\n2,"three\n\nlines"\nworse,y\n', AB))
    assert read.frame.rows() == [(1, "two\nlines"), (2, "three\n\nlines")]
    assert [line for line, _, _ in set_aside(read)] == [5, 9]


def test_a_record_over_several_lines_is_set_aside_whole_under_its_first_line(csv):
    read = read_csv(csv('a,b\n1,x\nbad,"two\nlines"\n2,y\n', AB))
    assert set_aside(read) == [(3, 'bad,"two\nlines"', "column 'a': 'bad' is not int64")]
    assert read.frame.rows() == [(1, "x"), (2, "y")]


def test_ragged_rows_are_set_aside_and_say_how_many_fields_they_have(csv):
    read = read_csv(csv('a,b\n1\n2,x\n3,y,z\n4,"a,b"\n', AB))
    assert set_aside(read) == [(2, "1", "1 field, the header names 2"), (4, "3,y,z", "3 fields, the header names 2")]
    assert read.frame.rows() == [(2, "x"), (4, "a,b")]


def test_one_open_quote_does_not_swallow_the_lines_behind_it(csv):
    read = read_csv(csv('a,b\n1,"open\n2,x\n3,"closed"\n4,mid"dle\n5,y\n', AB))
    assert [(line, text) for line, text, _ in set_aside(read)] == [(2, '1,"open'), (5, '4,mid"dle')]
    assert all("quote" in reason for _, _, reason in set_aside(read))
    assert read.frame.rows() == [(2, "x"), (3, "closed"), (5, "y")]


def test_no_field_reaches_over_a_line_with_a_stray_quote(csv):
    read = read_csv(csv('a,b\n"\n",1"\n",\n7,good\n', AB))
    assert [line for line, _, _ in set_aside(read)] == [2, 3, 4]
    assert read.frame.rows() == [(7, "good")]


def test_a_file_of_stray_quotes_is_refused_by_name(csv):
    found = error(csv("a,b\n" + '1,x"y\n' * 1_001 + "1,x\n", AB))
    assert "rows.csv" in found.message
    assert "line 2" in found.message
    assert found.hint is not None


def test_bytes_that_are_not_utf8_set_their_row_aside_alone(csv):
    read = read_csv(csv("a,b\n1,é\n".encode() + b"2,r\xe9\n3,x\n", AB))
    assert set_aside(read) == [(3, "2,r\ufffd", "not UTF-8")]
    assert read.frame.rows() == [(1, "é"), (3, "x")]


def test_the_same_bytes_in_a_column_nobody_reads_set_the_row_aside_too(csv):
    read = read_csv(csv(b"a,b\n1,\xff\n2,x\n", {"a": "int64"}))
    assert read.frame.rows() == [(2,)]


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not ended"])
def test_line_endings_and_byte_order_marks_do_not_matter(csv, prefix, ending, last):
    lines = ["a,b", "1,x", '2,"y"', "bad,z", '4,"q""q"'] + ([""] if last else [])
    read = read_csv(csv(prefix + ending.join(lines).encode(), AB))
    assert read.frame.rows() == [(1, "x"), (2, "y"), (4, 'q"q')]
    assert set_aside(read) == [(4, "bad,z", "column 'a': 'bad' is not int64")]


def test_a_mark_of_utf16_is_refused_with_the_way_out(csv):
    found = error(csv("a,b\n1,x\n".encode("utf-16"), AB))
    assert "UTF-16" in found.message
    assert found.hint == "save the file as UTF-8"


def test_a_header_alone_is_a_table_without_rows(csv):
    for content in ("a,b\n", "a,b"):
        read = read_csv(csv(content, AB))
        assert read.rows == 0
        assert read.frame.schema.names() == ["a", "b"]
        assert read.frame.height == 0


def test_an_empty_file_says_what_its_first_line_must_be(csv):
    for content in ("", "\n", "\r\n\n", b"\xef\xbb\xbf"):
        found = error(csv(content, AB))
        assert "is empty; its first line must name the columns: a, b" in found.message


def test_a_missing_column_is_named_with_the_file_and_the_nearest_name(csv):
    found = error(csv("arr_dealy,b\n1,x\n", {"arr_delay": "int64"}))
    assert found.message.endswith("rows.csv has no column 'arr_delay'; its columns are: arr_dealy, b")
    assert found.hint == "did you mean 'arr_dealy'?"


def test_a_wrong_separator_is_suspected(csv):
    assert error(csv("first;second\n1;x\n", {"first": "int64"})).hint == "is the separator ','?"
    assert read_csv(csv("a;b\n1;x\n", AB, separator=";")).frame.rows() == [(1, "x")]


def test_a_header_that_repeats_a_name_is_refused_with_the_places(csv):
    found = error(csv("a,b,c,a\n1,x,2,3\n", AB))
    assert "names column 'a' more than once (columns 1, 4)" in found.message


@pytest.mark.parametrize("header", ['"a,b', 'a"x,a,b', 'a,b"'])
def test_a_stray_quote_in_the_header_is_refused(csv, header):
    assert "the header holds a quote" in error(csv(f"{header}\n1,x\n", AB)).message


def test_a_header_that_is_not_utf8_or_ends_with_cr_alone_is_refused_with_advice(csv):
    assert error(csv(b"\xe9,a,b\n1,1,x\n", AB)).hint == "save the file as UTF-8"
    assert "CR alone" in str(error(csv("a,b\r1,x\r", AB)).hint)


@pytest.mark.parametrize("body", ["1,x\r2,y\n", "1,x\r2,y", "1,x\ry\n"])
def test_a_return_alone_is_a_character_of_its_field_or_makes_its_row_ragged(csv, body):
    read = read_csv(csv("a,b\n7,good\n" + body, AB))
    assert read.frame.rows()[0] == (7, "good")
    assert read.rows == 2


def test_a_return_ends_the_last_line_and_behind_a_quote_no_other(csv):
    for body in ("1,x\r", '1,"x"\r'):
        assert read_csv(csv("a,b\n" + body, AB)).frame.rows() == [(1, "x")]
    for body in ('2,"x"\ry\n', '2,",x"\r1\n'):
        read = read_csv(csv("a,b\n1,x\n" + body, AB))
        assert read.frame.rows() == [(1, "x")]
        assert "quote" in set_aside(read)[0][2]


def test_a_quoted_header_with_blanks_is_read(csv):
    assert read_csv(csv('" a ","b"\n1,x\n', AB)).frame.rows() == [(1, "x")]


def test_a_file_of_which_nothing_parses_is_an_error_not_an_empty_table(csv):
    found = error(csv("a,b\nx,1\ny,2\n", AB))
    assert "no row of" in found.message
    assert "line 2: column 'a': 'x' is not int64" in found.message


def test_missing_values_are_what_the_source_says(csv):
    text = 'a,b\nNA,NA\n"",""\n-,-\n'
    assert read_csv(csv(text, {"b": "string"})).frame["b"].to_list() == [None, None, "-"]
    assert read_csv(csv(text, {"b": "string"}, null_values=("-",))).frame["b"].to_list() == ["NA", "", None]
    assert read_csv(csv(text, AB, null_values=("NA", "-"))).rejected["line_number"].to_pylist() == [3]


def test_the_line_of_each_row_is_given_where_asked_for(csv):
    read = read_csv(csv('a,b\n1,"x\ny"\nbad,y\n3,z\n', AB, line_column="line"))
    assert read.frame.rows() == [(1, "x\ny", 2), (3, "z", 5)]


def test_a_long_text_is_cut_in_reason_and_raw_line(csv):
    ((_, raw, reason),) = set_aside(read_csv(csv(f"a,b\n{'9' * 10_000},x\n1,y\n", AB)))
    assert len(raw) == 4_096
    assert reason == f"column 'a': '{'9' * 60}...' is not int64"


def test_the_first_failing_column_gives_the_reason(csv):
    read = read_csv(csv("a,b\nx,y\n1,2\n", {"a": "int64", "b": "float64"}))
    assert set_aside(read)[0][2] == "column 'a': 'x' is not int64"


class TestFile:
    def test_a_missing_file_names_its_nearest_neighbour(self, tmp_path):
        (tmp_path / "flights.csv").write_text("a\n1\n")
        found = error(CsvSource(tmp_path / "flihgts.csv", AB))
        assert found.message == f"there is no file {tmp_path / 'flihgts.csv'}"
        assert found.hint == "did you mean 'flights.csv'?"

    def test_a_missing_folder_is_named(self, tmp_path):
        assert "there is no folder" in error(CsvSource(tmp_path / "nowhere" / "x.csv", AB)).message

    def test_a_folder_is_no_file(self, tmp_path):
        assert "is a folder" in error(CsvSource(tmp_path, AB)).message

    def test_a_function_that_finds_no_file_is_told_as_a_missing_source(self):
        def find():
            raise FileNotFoundError("the package is not installed")

        assert error(CsvSource(find, AB)).message.endswith("cannot be found: the package is not installed")

    def test_a_function_finds_the_file_when_it_is_read(self, csv):
        inner = csv("a,b\n1,x\n", AB)
        assert read_csv(CsvSource(lambda: inner.path, AB)).rows == 1


class TestZip:
    def packed(self, tmp_path, **members):
        path = tmp_path / "rows.csv.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return CsvSource(path, AB)

    def test_the_one_member_is_read_with_its_line_numbers(self, tmp_path):
        read = read_csv(self.packed(tmp_path, **{"x.csv": "a,b\n1,x\nbad,y\n", "__MACOSX/x.csv": "?"}))
        assert read.frame.rows() == [(1, "x")]
        assert [line for line, _, _ in set_aside(read)] == [3]

    @pytest.mark.parametrize("members", [{}, {"x.csv": "a", "y.csv": "b"}])
    def test_none_or_several_members_are_refused(self, tmp_path, members):
        assert "exactly one CSV file" in error(self.packed(tmp_path, **members)).message

    def test_a_damaged_archive_is_refused(self, tmp_path):
        source = self.packed(tmp_path, **{"x.csv": "a,b\n" + "1,x\n" * 10_000})
        content = bytearray(source.path.read_bytes())
        content[40:60] = b"\x00" * 20
        source.path.write_bytes(content)
        assert "cannot be read" in error(source).message


class TestDeclaration:
    def test_a_type_outside_the_vocabulary_is_refused_with_the_nearest(self):
        with pytest.raises(DefinitionError, match="CsvSource column 'a': 'int' is not a column type") as caught:
            CsvSource("x.csv", {"a": "int"})
        assert caught.value.hint == "did you mean 'int64'?"

    @pytest.mark.parametrize(
        ("columns", "options"),
        [
            ({}, {}),
            (AB, {"separator": ""}),
            (AB, {"separator": "\n"}),
            (AB, {"separator": '"'}),
            (AB, {"line_column": "a"}),
        ],
    )
    def test_a_contradiction_is_refused(self, columns, options):
        with pytest.raises(DefinitionError):
            CsvSource("x.csv", columns, **options)


fields = st.text(st.sampled_from("ab1 ,;\"\n\r\té\u2028\x00'#"), max_size=6)


@settings(deadline=None)
@given(
    st.lists(st.lists(fields, min_size=3, max_size=3), min_size=1, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([",", ";", "\t"]),
    st.booleans(),
)
def test_what_the_standard_library_writes_is_read_back_exactly(tmp_path_factory, rows, ending, separator, every_quoted):
    out = io.StringIO()
    bare_return = any("\r" in field for row in rows for field in row)  # the library leaves it unquoted before LF
    quoting = stdlib_csv.QUOTE_ALL if every_quoted or bare_return else stdlib_csv.QUOTE_MINIMAL
    writer = stdlib_csv.writer(out, lineterminator=ending, delimiter=separator, quoting=quoting)
    writer.writerow(["a", "b", "c"])
    writer.writerows(rows)
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_bytes(out.getvalue().encode())
    names = {"a": "string", "b": "string", "c": "string"}
    read = read_csv(CsvSource(path, names, null_values=(), line_column="line", separator=separator))
    assert [row[:3] for row in read.frame.rows()] == [tuple(row) for row in rows]
    assert read.rejected.num_rows == 0
    lines = [2]
    for row in rows:
        lines.append(lines[-1] + 1 + sum(field.count("\n") for field in row))
    assert read.frame["line"].to_list() == lines[:-1]


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused_and_every_record_is_accounted_for(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_bytes(b"a,b\n" + content)
    try:
        read = read_csv(CsvSource(path, AB))
    except SourceError:
        return
    assert read.rows == read.frame.height + read.rejected.num_rows


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from('1,"x\n\r'), max_size=10), max_size=12))
def test_hostile_lines_are_accounted_for_one_by_one(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_bytes(("a,b\n" + "\n".join(lines) + "\n7,good\n").encode())
    read = read_csv(CsvSource(path, AB))
    assert read.rows == read.frame.height + read.rejected.num_rows
    numbers = read.rejected["line_number"].to_pylist()
    assert numbers == sorted(set(numbers))
    for row in read.rejected.to_pylist():
        text = path.read_bytes().decode().split("\n")[row["line_number"] - 1]
        assert row["raw_line"].split("\n")[0].rstrip("\r") == text.rstrip("\r")
