"""A store in an empty folder, and CSV files of any bytes."""

from pathlib import Path

import pytest

from headrace.data import CsvSource


@pytest.fixture
def store(tmp_path):
    from headrace.data import TableStore

    return TableStore(tmp_path / "tables")


@pytest.fixture
def csv(tmp_path):
    """Write bytes (or text as UTF-8) to a file and declare it as a source."""

    def write(content, columns, *, name="rows.csv", **options):
        path = Path(tmp_path / name)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return CsvSource(path, columns, **options)

    return write
