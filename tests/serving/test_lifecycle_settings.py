"""A plain model's settings file: what it may say, and what an error in it says."""

import json

import pytest

from headrace.core.errors import InvalidInputError
from headrace.serving.config import BatchingConfig
from headrace.serving.models.settings import ModelSettings, VersionPolicy, parse_settings, read_settings


def test_without_a_file_the_highest_version_is_wanted(tmp_path):
    settings = read_settings(tmp_path)
    assert settings == ModelSettings()
    assert settings.versions.choose([1, 10, 9]) == (10,)
    assert settings.over(BatchingConfig()) == BatchingConfig()


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ('versions = "all"', (4, 3, 1)),
        ("versions = { latest = 2 }", (4, 3)),
        ("versions = { latest = 9 }", (4, 3, 1)),
        ("versions = [1, 3, 7]", (3, 1)),
        ("", (4,)),
    ],
)
def test_a_version_policy_chooses_the_highest_first(tmp_path, text, chosen):
    (tmp_path / "model.toml").write_text(text)
    assert read_settings(tmp_path).versions.choose([3, 1, 4]) == chosen


def test_toml_and_json_say_the_same(tmp_path):
    toml, as_json = tmp_path / "toml", tmp_path / "json"
    toml.mkdir()
    as_json.mkdir()
    (toml / "model.toml").write_text("versions = { latest = 2 }\n[batching]\nmax_batch_rows = 8\ntarget_ms = 5\n")
    document = {"versions": {"latest": 2}, "batching": {"max_batch_rows": 8, "target_ms": 5}}
    (as_json / "model.json").write_text(json.dumps(document))
    assert read_settings(toml) == read_settings(as_json)
    assert read_settings(toml).versions == VersionPolicy(latest=2)
    assert read_settings(toml).over(BatchingConfig(window_us=7)) == BatchingConfig(
        window_us=7, max_batch_rows=8, target_ms=5
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"version": "all"}, r"m: 'version' is unknown; known: versions, batching"),
        ({"batching": {"max_batch_row": 1}}, r"m: batching: 'max_batch_row' is unknown"),
        ({"batching": {"max_batch_rows": "8"}}, r"m: batching.max_batch_rows is '8', expected int"),
        ({"batching": {"max_batch_rows": True}}, r"max_batch_rows is True, expected int"),
        ({"batching": {"adaptive": 1}}, r"adaptive is 1, expected bool"),
        ({"batching": {"target_ms": "fast"}}, r"target_ms is 'fast', expected a number"),
        ({"batching": {"max_batch_rows": 0}}, r"m: batching: max_batch_rows is 0; it must be at least 1"),
        ({"batching": [1]}, r"m: batching is list, expected a table"),
        ({"versions": {"newest": 1}}, r"m: versions: 'newest' is unknown; known: latest"),
        ({"versions": {"latest": 0}}, r"m: versions is \{'latest': 0\}; allowed: 'all', \{latest = N\} or a list"),
        ({"versions": []}, r"versions is \[\]"),
        ({"versions": [0]}, r"versions is \[0\]"),
        ({"versions": [True]}, r"versions is \[True\]"),
        ({"versions": "latest"}, r"versions is 'latest'"),
        ([], r"m is list, expected a table"),
    ],
)
def test_what_is_not_allowed_is_named(content, words):
    with pytest.raises(InvalidInputError, match=words):
        parse_settings(content, place="m")


def test_an_unknown_key_names_the_nearest_known_one():
    with pytest.raises(InvalidInputError) as caught:
        parse_settings({"batching": {"max_batch_row": 1}}, place="m")
    assert caught.value.hint == "did you mean 'max_batch_rows'?"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.toml", b"versions = ", r"model.toml is not valid TOML"),
        ("model.json", b"{", r"model.json is not valid JSON"),
        ("model.json", b"\xff\xfe{", r"model.json is not valid JSON"),
    ],
)
def test_a_file_that_does_not_parse_is_named(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=words):
        read_settings(tmp_path)


def test_two_settings_files_are_one_too_many(tmp_path):
    for name in ("model.toml", "model.json"):
        (tmp_path / name).write_text("")
    with pytest.raises(InvalidInputError, match="keep one of them"):
        read_settings(tmp_path)
