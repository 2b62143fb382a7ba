"""`headrace data profile` says what is in a table or a file, and freezes nothing over what was reviewed."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from headrace.cli.main import application
from headrace.core.errors import AlreadyExistsError, InvalidInputError, NotFoundError, SourceError
from headrace.data import TableStore
from headrace.data.profiling import Profile

TABLE = pa.table(
    {
        "n": np.arange(2_000),
        "x": pa.array([None if at % 10 == 0 else at * 0.5 for at in range(2_000)]),
        "origin": ["EWR", "JFK"] * 1_000,
        "at": pa.array(np.arange(2_000) * 3_600_000_000, pa.timestamp("us", "UTC")),
    }
)


@pytest.fixture
def home(tmp_path):
    TableStore(tmp_path / "home" / "tables").write("rows", TABLE, transaction="1")
    return tmp_path / "home"


def run(*arguments):
    result = CliRunner().invoke(application(), ["data", "profile", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_table_is_told(home):
    told = run("rows", "--home", home)
    assert "rows, version 0: 2,000 rows, 4 columns" in told
    assert "10.0%" in told
    assert "correlations: n and x +1.00" in told
    assert "may be a key: n, at" in told


def test_json_holds_profile_and_schema(home):
    found = json.loads(run("rows", "--home", home, "--json"))
    assert Profile.from_json(found["profile"]).rows == 2_000
    assert found["schema"]["fields"][0] == {"name": "n", "dtype": "int64", "min": 0, "max": 2_200, "unique": True}


def test_what_was_frozen_is_not_overwritten(tmp_path, home):
    run("rows", "--home", home, "--freeze", tmp_path / "rows_schema.py", "--html", tmp_path / "rows.html")
    assert 'hr.Field("origin", "string", allowed=("EWR", "JFK"))' in (tmp_path / "rows_schema.py").read_text()
    assert "<title>rows" in (tmp_path / "rows.html").read_text()
    with pytest.raises(AlreadyExistsError, match="may have been reviewed"):
        run("rows", "--home", home, "--freeze", tmp_path / "rows_schema.py")
    with pytest.raises(InvalidInputError, match=r"neither \.py nor \.json"):
        run("rows", "--home", home, "--freeze", tmp_path / "rows.yaml")
    run("rows", "--home", home, "--freeze", tmp_path / "rows.json")
    frozen = json.loads((tmp_path / "rows.json").read_text())
    assert Profile.from_json(frozen["profile"]).rows == 2_000


def test_files_are_told_too_and_what_is_neither_is_named(tmp_path, home):
    pq.write_table(TABLE, tmp_path / "file.parquet")
    assert "file.parquet: 2,000 rows" in run(tmp_path / "file.parquet")
    with pytest.raises(NotFoundError, match="there is no table 'row'"):
        run("row", "--home", home)
    with pytest.raises(SourceError, match="there is no file"):
        run(tmp_path / "nothing.parquet")
    assert "rows, version 0: 2,000 rows" in run("rows@0", "--home", home)
