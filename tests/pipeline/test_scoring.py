"""Row files: what is read, written and refused."""

import numpy as np
import pyarrow as pa
import pytest

from headrace.core.errors import InvalidInputError, NotFoundError, UnavailableError
from headrace.pipeline.scoring import FORMATS, ScoringJob, read_rows, score_file, write_rows


@pytest.mark.parametrize("ending", FORMATS)
def test_rows_come_back_as_they_went(tmp_path, ending):
    columns = {"id": ["a", "b"], "score": np.array([0.25, 0.5], np.float32), "model_version": np.array([1, 2])}
    write_rows(tmp_path / f"rows{ending}", columns)
    table = read_rows(tmp_path / f"rows{ending}")
    assert table.column_names == list(columns)
    assert table["id"].to_pylist() == ["a", "b"]
    assert table["score"].to_pylist() == [0.25, 0.5]
    assert [path.name for path in tmp_path.iterdir()] == [f"rows{ending}"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"nothing\.csv"):
        read_rows(tmp_path / "nothing.csv")


def test_an_unknown_ending_lists_the_known(tmp_path):
    (tmp_path / "rows.xls").write_text("")
    with pytest.raises(InvalidInputError, match=r"\.parquet, \.arrow, \.csv"):
        read_rows(tmp_path / "rows.xls")


def test_a_file_that_is_not_what_it_says_is_refused(tmp_path):
    (tmp_path / "rows.parquet").write_text("not parquet")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_rows(tmp_path / "rows.parquet")


def test_a_text_column_is_no_feature(tmp_path):
    write_rows(tmp_path / "rows.arrow", {"id": ["a"], "carrier": ["UA"]})
    job = ScoringJob("m", tmp_path / "rows.arrow", None, "127.0.0.1:1")
    with pytest.raises(InvalidInputError, match="column 'carrier' is string"):
        score_file(job)


def test_no_server_leaves_no_output(tmp_path):
    write_rows(tmp_path / "rows.arrow", {"x": pa.array([1.0])})
    job = ScoringJob("m", tmp_path / "rows.arrow", tmp_path / "out.arrow", "127.0.0.1:1", timeout_s=2.0)
    with pytest.raises(UnavailableError):
        score_file(job)
    assert not (tmp_path / "out.arrow").exists()
