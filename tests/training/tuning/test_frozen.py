"""Tuned parameters as a file: what was written is read, what was changed since is refused."""

from __future__ import annotations

import json

import pytest

from headrace.core.errors import CorruptedError, NotFoundError
from headrace.pipeline.project_file import import_project_file
from headrace.training.tuning import tuned, write_tuned

PARAMS = {"num_leaves": 15, "learning_rate": 0.1, "extra_trees": True}


def test_what_is_written_is_read_and_equal_content_gives_equal_bytes(tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "deep" / "b.json"
    assert write_tuned(first, PARAMS, {"trials": 3}) == write_tuned(second, PARAMS, {"trials": 3})
    assert tuned(first) == PARAMS
    assert first.read_bytes() == second.read_bytes()


def test_a_relative_path_is_looked_for_beside_the_project_file(tmp_path, monkeypatch):
    write_tuned(tmp_path / "tuned" / "late.json", PARAMS, {})
    (tmp_path / "project.py").write_text('import headrace as hr\nparams = hr.tuned("tuned/late.json")\n')
    monkeypatch.chdir("/")
    assert import_project_file(tmp_path / "project.py").params == PARAMS


def test_parameters_that_were_changed_by_hand_are_refused(tmp_path):
    path = tmp_path / "late.json"
    write_tuned(path, PARAMS, {})
    path.write_text(path.read_text().replace("15", "16"))
    with pytest.raises(CorruptedError, match="was changed since it was tuned"):
        tuned(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"digest": "x", "params": {}})])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "late.json").write_text(content)
    with pytest.raises(CorruptedError):
        tuned(tmp_path / "late.json")


def test_no_file_says_who_writes_it(tmp_path):
    with pytest.raises(NotFoundError, match="there are no tuned parameters") as missing:
        tuned(tmp_path / "late.json")
    assert "headrace tune writes them" in missing.value.hint
