"""Settings: the environment is read once, and what it says is checked."""

from pathlib import Path

import pytest

from headrace.core.clock import ManualClock, SystemClock
from headrace.core.config import DEFAULT_HOME, cpu_budget, load_settings
from headrace.core.errors import EXIT_CODES, Code, InvalidInputError, NotFoundError, did_you_mean


def test_defaults(monkeypatch):
    for name in ("HEADRACE_THREADS", "HEADRACE_LOG_FORMAT", "HEADRACE_HOME"):
        monkeypatch.delenv(name, raising=False)
    settings = load_settings()
    assert settings.home == DEFAULT_HOME
    assert settings.threads == cpu_budget()
    assert settings.log_format == "auto"


def test_the_environment_decides_where_it_speaks(monkeypatch):
    monkeypatch.setenv("HEADRACE_THREADS", "3")
    monkeypatch.setenv("HEADRACE_HOME", "elsewhere")
    assert load_settings().threads == 3
    assert load_settings().home == Path("elsewhere")
    assert load_settings(home=Path("here")).home == Path("here")


def test_places_and_keys_of_models_come_from_the_environment_and_passwords_are_not_shown(monkeypatch):
    monkeypatch.setenv("HEADRACE_REGISTRY", "postgresql://me:geheim@host/db")
    monkeypatch.setenv("HEADRACE_PACKAGES", "s3://bucket/models")
    monkeypatch.setenv("HEADRACE_TRUSTED_KEYS", "a.pub:folder")
    monkeypatch.setenv("HEADRACE_SIGNING_KEY", "team.key")
    settings = load_settings()
    assert settings.registry == "postgresql://me:geheim@host/db"
    assert settings.packages == "s3://bucket/models"
    assert settings.trusted_keys == (Path("a.pub"), Path("folder"))
    assert settings.signing_key == Path("team.key")
    assert "geheim" not in repr(settings)
    for name in ("REGISTRY", "PACKAGES", "TRUSTED_KEYS", "SIGNING_KEY"):
        monkeypatch.setenv(f"HEADRACE_{name}", "")
    empty = load_settings()
    assert (empty.registry, empty.packages, empty.trusted_keys, empty.signing_key) == (None, None, (), None)


@pytest.mark.parametrize(("name", "value"), [("THREADS", "0"), ("THREADS", "many"), ("LOG_FORMAT", "xml")])
def test_a_bad_value_is_named_with_what_is_allowed(monkeypatch, name, value):
    monkeypatch.setenv(f"HEADRACE_{name}", value)
    with pytest.raises(InvalidInputError, match=f"HEADRACE_{name} is '{value}'"):
        load_settings()


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu.max": "max 100000"}, 10_000),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 10_000),
        ({}, 10_000),
    ],
)
def test_a_cgroup_quota_lowers_the_budget(tmp_path, files, most):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert 1 <= cpu_budget(tmp_path) <= most


def test_every_code_has_an_exit_code_of_its_own():
    assert set(EXIT_CODES) == set(Code)
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)
    assert 0 not in EXIT_CODES.values()


def test_an_error_carries_its_hint_and_its_exit_code():
    error = NotFoundError("no x", hint="look for y")
    assert (str(error), error.hint, error.exit_code) == ("no x", "look for y", 3)


def test_hints_name_near_things_only():
    assert did_you_mean("arr_dealy", ["arr_delay", "dep_delay"]) == "did you mean 'arr_delay'?"
    assert did_you_mean("zebra", ["arr_delay"]) is None


def test_a_manual_clock_moves_when_told():
    clock = ManualClock()
    before = clock.now()
    clock.advance(1.5)
    assert ((clock.now() - before).total_seconds(), clock.monotonic()) == (1.5, 1.5)
    assert SystemClock().now().utcoffset() is not None
