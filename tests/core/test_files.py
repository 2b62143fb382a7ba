"""Files are whole or absent, whatever interrupts."""

import pytest

from headrace.core.errors import AlreadyExistsError
from headrace.core.files import staged_directory, write_atomic


def test_a_write_replaces_the_whole_content(tmp_path):
    path = tmp_path / "deep" / "file.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_content(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "not bytes")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "target"
    with staged_directory(target) as staged:
        (staged / "a").write_text("x")
        assert not target.exists()
    assert (target / "a").read_text() == "x"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), SystemExit()])
def test_an_interrupted_block_leaves_the_old_folder(tmp_path, error):
    target = tmp_path / "target"
    with staged_directory(target) as staged:
        (staged / "a").write_text("old")

    def interrupted():
        with staged_directory(target, replace=True) as staged:
            (staged / "a").write_text("new")
            raise error

    with pytest.raises(type(error)):
        interrupted()
    assert (target / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_existing_folder_is_replaced_only_when_asked(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(AlreadyExistsError), staged_directory(target):
        pass
    with staged_directory(target, replace=True) as staged:
        (staged / "a").write_text("new")
    assert (target / "a").read_text() == "new"
