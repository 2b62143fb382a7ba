"""A folder of plain models: what is taken from it, when, and what is said of the rest."""

import os

import pytest

from headrace.core.clock import ManualClock
from headrace.core.errors import CorruptedError, InvalidInputError, NotFoundError, UnavailableError
from headrace.core.hashing import digest_bytes
from headrace.serving.config import BatchingConfig
from headrace.serving.models.repository_source import RepositorySource


class TickingClock(ManualClock):
    """Time passes with every look at it."""

    def monotonic(self):
        self.advance(1.0)
        return super().monotonic()


CLOCK = TickingClock()


@pytest.fixture
def put(tmp_path):
    """Write a file of the repository."""

    def write(path: str, content: bytes = b"graph"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    return write


@pytest.fixture
def open_folder(tmp_path):
    def open_it(*, watch: bool = False) -> RepositorySource:
        return RepositorySource(tmp_path, batching=BatchingConfig(), watch=watch, clock=CLOCK)

    return open_it


def only(source):
    (model,) = source.wanted()
    return model


def test_the_highest_version_is_wanted_and_read_with_its_digest(put, open_folder):
    for version in (1, 2, 10):
        put(f"sum/{version}/model.onnx", b"graph %d" % version)
    source = open_folder()
    model = only(source)
    assert (model.name, model.route, model.versions, model.required) == ("sum", None, (10,), False)
    artifact = source.load(model, 10)
    assert (artifact.model, artifact.digest, artifact.features) == (b"graph 10", digest_bytes(b"graph 10"), ())


def test_folders_that_are_no_versions_are_passed_over(put, open_folder):
    for name in ("1", "01", "0", "-3", "1.5", "v2", "99999999999999999999", ".git", "\u0663"):
        put(f"sum/{name}/model.onnx")
    put("sum/2")
    assert only(open_folder()).versions == (1,)


def test_a_hidden_folder_and_a_loose_file_are_no_models(put, open_folder):
    put(".git/1/model.onnx")
    put("README.md")
    put("sum/1/model.onnx")
    assert only(open_folder()).name == "sum"


def test_a_triton_folder_is_served_without_its_config(put, open_folder):
    put("sum/1/model.onnx")
    put("sum/config.pbtxt", b"this is { not read")
    assert only(open_folder()).problem is None


@pytest.mark.parametrize(
    ("files", "kind", "words"),
    [
        (["sum/notes.txt"], NotFoundError, r"sum holds no version, a folder with a number such as 1$"),
        (["sum/v1/model.onnx"], NotFoundError, r"a folder with a number such as 1; folders there: v1"),
        (["sum/1/other.onnx"], NotFoundError, r"sum/1 holds no model.onnx"),
        (["sum/1/model.onnx/model.onnx"], NotFoundError, r"sum/1 holds no model.onnx"),
    ],
)
def test_a_folder_without_a_model_says_what_is_missing(put, open_folder, files, kind, words):
    for file in files:
        put(file)
    problem = only(open_folder()).problem
    assert isinstance(problem, kind)
    with pytest.raises(kind, match=words):
        raise problem


def test_bad_settings_are_the_problem_of_their_model_alone(put, open_folder):
    put("bad/1/model.onnx")
    put("bad/model.toml", b"vresions = 1")
    put("good/1/model.onnx")
    bad, good = open_folder().wanted()
    assert isinstance(bad.problem, InvalidInputError)
    assert (good.problem, good.versions) == (None, (1,))


def test_settings_that_the_server_cannot_have_are_a_problem_too(put, tmp_path):
    put("sum/1/model.onnx")
    put("sum/model.toml", b"[batching]\ndefault_priority = 2\n")
    source = RepositorySource(
        tmp_path, batching=BatchingConfig(priority_levels=1, default_priority=1), watch=False, clock=CLOCK
    )
    assert "default_priority is 2" in str(only(source).problem)


def test_listed_versions_that_are_missing_are_named(put, open_folder):
    put("sum/1/model.onnx")
    put("sum/model.toml", b"versions = [1, 3]")
    model = only(open_folder())
    assert model.versions == (1,)
    assert "3 holds no model.onnx" in model.refused[3].message


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"no repository folder at .*nowhere"):
        RepositorySource(tmp_path / "nowhere", batching=BatchingConfig(), watch=False, clock=CLOCK)


def test_without_watch_a_change_is_seen_by_look_and_kept_by_accept(put, open_folder):
    put("sum/1/model.onnx")
    source = open_folder()
    before = source.revision()
    put("sum/2/model.onnx")
    put("other/1/model.onnx")
    assert source.revision() == before
    assert only(source).versions == (1,)
    assert set(source.names()) == {"sum", "other"}
    found = source.look("sum")
    assert found.versions == (2,)
    assert only(source).versions == (1,)
    source.accept(found)
    assert only(source).versions == (2,)


def test_an_unknown_name_is_answered_with_the_nearest(put, open_folder):
    put("sum/1/model.onnx")
    with pytest.raises(NotFoundError, match=r"no model 'sun' can be loaded; there are: sum") as caught:
        open_folder().look("sun")
    assert caught.value.hint == "did you mean 'sum'?"


def test_with_watch_a_change_is_taken_once_it_stands_still(put, open_folder):
    put("sum/1/model.onnx")
    source = open_folder(watch=True)
    first = source.revision()
    file = put("sum/2/model.onnx", b"gra")
    assert source.revision() == first
    file.write_bytes(b"graph")
    assert source.revision() == first
    assert only(source).versions == (1,)
    assert source.revision() != first
    assert only(source).versions == (2,)


def test_with_watch_models_come_and_go(put, open_folder):
    put("sum/1/model.onnx")
    source = open_folder(watch=True)
    put("other/1/model.onnx")
    (source.revision(), source.revision())
    assert [model.name for model in source.wanted()] == ["sum", "other"]
    file = put("sum/1/model.onnx")
    file.unlink()
    file.parent.rmdir()
    file.parent.parent.rmdir()
    source.revision()
    assert len(source.wanted()) == 2
    source.revision()
    assert only(source).name == "other"


@pytest.mark.parametrize("change", ["content", "settings", "link"])
def test_with_watch_every_kind_of_change_is_one(put, open_folder, tmp_path, change):
    put("sum/1/model.onnx")
    other = put("elsewhere.onnx", b"other")
    (tmp_path / "sum/2").mkdir()
    (tmp_path / "sum/2/model.onnx").symlink_to(tmp_path / "sum/1/model.onnx")
    source = open_folder(watch=True)
    before = only(source)
    if change == "content":
        put("sum/1/model.onnx", b"longer graph")
    elif change == "settings":
        put("sum/model.json", b'{"batching": {"window_us": 1}}')
    else:
        (tmp_path / "sum/new").symlink_to(other)
        (tmp_path / "sum/new").rename(tmp_path / "sum/2/model.onnx")
    (source.revision(), source.revision())
    after = only(source)
    assert before.mark(2) != after.mark(2)


def test_a_file_that_is_written_while_it_is_taken_is_refused(put, open_folder):
    put("sum/1/model.onnx")
    source = open_folder()
    put("sum/1/model.onnx", b"half a gra")
    with pytest.raises(UnavailableError, match="was written while it was being taken"):
        source.load(only(source), 1)


def test_a_file_that_is_gone_empty_or_unreadable_says_so(put, open_folder, tmp_path):
    file = put("sum/1/model.onnx", b"")
    source = open_folder()
    with pytest.raises(CorruptedError, match="is empty"):
        source.load(only(source), 1)
    file.unlink()
    with pytest.raises(NotFoundError, match=r"there is no .*model.onnx"):
        source.load(only(source), 1)
    file.symlink_to(file)
    with pytest.raises(UnavailableError, match="cannot be read: Too many levels of symbolic links"):
        source.load(source.look("sum"), 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_says_so(put, open_folder, tmp_path):
    put("sum/1/model.onnx")
    (tmp_path / "sum").chmod(0)
    problem = only(open_folder()).problem
    (tmp_path / "sum").chmod(0o700)
    assert "cannot be read: Permission denied" in str(problem)


def test_a_large_folder_is_looked_at_less_often(put, tmp_path):
    """Of 500 models a look is worth half a second."""
    clock = ManualClock()
    for number in range(500):
        put(f"sum-{number}/1/model.onnx")
    source = RepositorySource(tmp_path, batching=BatchingConfig(), watch=True, clock=clock)
    put("sum-0/2/model.onnx")
    taken = []
    while not taken:
        clock.advance(0.01)
        source.revision()
        taken = [model for model in source.wanted() if model.versions == (2,)]
    assert clock.elapsed_s == pytest.approx(1.0, abs=0.03)
