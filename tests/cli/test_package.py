"""`headrace package` and `headrace models` as a user types them: answers, exit codes, what a mistake is told."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime

import numpy as np
import pytest
from typer.testing import CliRunner

from headrace.cli.main import application
from headrace.core.clock import SystemClock
from headrace.core.database import open_database
from headrace.core.errors import HeadraceError
from headrace.packaging import PackageContents, Registry, Signature, build_package
from headrace.pipeline.releasing import desk_over


@pytest.fixture
def home(tmp_path):
    """Five versions of a model that is no graph; version 3 is champion, after 1."""
    engine = open_database(tmp_path / "home" / "registry.db")
    registry = Registry(engine, tmp_path / "home")
    for number in range(1, 6):
        contents = PackageContents(
            name="late", model=bytes([number]) * 10, plan={}, schema={}, signature=Signature.of_matrix(("a", "b")),
            baseline={}, evaluation={}, lineage={}, sbom={}, model_card="",
        )  # fmt: skip
        registry.register("late", build_package(tmp_path / f"built{number}", contents).path)
    desk = desk_over(registry, actor="ann", clock=SystemClock())
    desk.adopt("late", 1, reason="first")
    desk.adopt("late", 3, reason="better")
    engine.dispose()
    return tmp_path / "home"


def run(*words, code=0):
    """Output of a command that ends with this code."""
    done = CliRunner().invoke(application(), [str(word) for word in words])
    found = done.exception.exit_code if isinstance(done.exception, HeadraceError) else done.exit_code
    assert found == code, (done.output, done.exception)
    return done.output if not isinstance(done.exception, HeadraceError) else f"{done.output}{done.exception.message}"


def answer(*words, code=0):
    return json.loads(run(*words, "--json", code=code).partition("\n")[0])


def test_models_are_listed_with_or_without_the_word(home):
    listed = answer("models", "--home", home)
    assert listed == answer("models", "list", "--home", home) == answer("models", "late", "--home", home)
    assert [version["aliases"] for version in listed["late"]["versions"]] == [[], [], ["champion"], [], []]
    assert "champion" in run("models", "late", "--home", home)
    run("models", "lat", "--home", home, code=3)


def test_history_tells_who_moved_what_when_and_why(home):
    run("models", "pin", "late@1", "--why", "audit", "--home", home)
    events = answer("models", "history", "late", "--home", home)["events"]
    assert [(event["what"], event["version"], event["reason"]) for event in events] == [
        ("alias champion", 1, "first"), ("alias champion", 3, "better"), ("pin", 1, "audit"),
    ]  # fmt: skip
    shown = run("models", "history", "late", "--home", home)
    assert re.search(r"alias champion +1 -> 3 +ann +better", shown)


def test_a_package_is_inspected_and_verified_by_reference_and_by_directory(home, tmp_path):
    by_reference = answer("package", "inspect", "late@2", "--home", home)
    by_directory = answer("package", "inspect", tmp_path / "built2")
    assert by_reference["digest"] == by_directory["digest"]
    assert "features: 2" in run("package", "inspect", "late@2", "--home", home)
    assert answer("package", "verify", "late@2", "--home", home)["is_intact"]
    assert "9 files are what the manifest says" in run("package", "verify", tmp_path / "built2")


def test_an_altered_package_is_told_file_by_file_and_ends_with_5(home):
    digest = answer("package", "inspect", "late@2", "--home", home)["digest"]
    (home / "packages" / digest / "plan.json").write_text("{ }")
    shown = run("package", "verify", "late@2", "--home", home, code=5)
    assert re.search(r"plan\.json .* REFUSED", shown)
    assert re.search(r"model\.onnx .* ok", shown)
    assert "plan.json has digest" in shown
    assert not answer("package", "verify", "late@2", "--home", home, code=5)["is_intact"]
    run("package", "inspect", "late@2", "--home", home, code=5)


def test_packages_are_compared(home):
    told = answer("package", "diff", "late@1", "late@2", "--home", home)
    assert told["files"]["changed"] == ["model.onnx"]
    assert "files changed: model.onnx" in run("package", "diff", "late@1", "late@2", "--home", home)
    assert "the same package" in run("package", "diff", "late@3", "late@champion", "--home", home)


def test_keys_are_made_packages_signed_and_signatures_asked_for(home, tmp_path):
    pytest.importorskip("cryptography", reason="needs headrace[signing]")
    made = answer("package", "keygen", tmp_path / "team")
    run("package", "keygen", tmp_path / "team", code=4)
    run("package", "verify", "late@2", "--key", tmp_path / "team.pub", "--home", home, code=12)
    signed = answer("package", "sign", "late@2", "--key", tmp_path / "team.key", "--home", home)
    assert signed["key"] == made["key"]
    assert "team.pub" in run("package", "verify", "late@2", "--key", tmp_path / "team.pub", "--home", home)
    assert answer("package", "inspect", "late@2", "--home", home)["signatures"][0]["key"] == made["key"]
    run("package", "sign", "late@2", "--key", tmp_path / "none.key", "--home", home, code=3)


def test_a_promotion_asks_for_a_signature_where_keys_are_trusted(home, tmp_path, monkeypatch):
    pytest.importorskip("cryptography", reason="needs headrace[signing]")
    run("package", "keygen", tmp_path / "team")
    monkeypatch.setenv("HEADRACE_TRUSTED_KEYS", str(tmp_path / "team.pub"))
    said = run("release", "start", "late", "4", "--home", home, code=12)
    assert "late@4: no trusted key signed" in said
    assert answer("release", "status", "late", "--home", home)["state"]["candidate"] is None
    run("package", "sign", "late@4", "--key", tmp_path / "team.key", "--home", home)
    run("release", "start", "late", "4", "--home", home)


@pytest.mark.parametrize("target", ["late.tar", "late"])
def test_a_package_goes_out_and_comes_in_elsewhere(home, tmp_path, target):
    sent = answer("models", "export", "late@2", "--to", tmp_path / target, "--home", home)
    run("models", "export", "late@2", "--to", tmp_path / target, "--home", home, code=4)
    run("models", "export", "late@2", "--to", tmp_path / target, "--replace", "--home", home)
    came = answer("models", "import", tmp_path / target, "--home", tmp_path / "other")
    assert came == {"model": "late", "version": 1, "digest": sent["digest"]}
    assert answer("models", "import", tmp_path / "built2", "--home", tmp_path / "other") == came
    run("models", "import", tmp_path / target, "--name", "early", "--home", tmp_path / "third", code=2)
    run("models", "import", tmp_path / "nowhere", "--home", tmp_path / "third", code=3)
    run("models", "import", home, "--home", tmp_path / "third", code=3)


def test_garbage_is_collected_after_a_trial_and_comes_back_by_import(home, tmp_path):
    run("models", "export", "late@2", "--to", tmp_path / "two.tar", "--home", home)
    trial = answer("models", "gc", "--keep-last", 1, "--dry-run", "--home", home)
    assert trial["collected"] == ["late@2", "late@4"]
    assert trial["kept"]["late@1"] == ["where a rollback goes"]
    run("models", "pin", "late@4", "--why", "audit", "--home", home)
    assert answer("models", "gc", "--keep-last", 1, "--home", home)["collected"] == ["late@2"]
    assert "(collected)" in run("models", "late", "--home", home)
    for words in (("package", "verify", "late@2"), ("package", "inspect", "late@2")):
        assert "was collected on" in run(*words, "--home", home, code=3)
    assert "was collected" in run("release", "start", "late", "2", "--home", home, code=3)
    assert answer("models", "import", tmp_path / "two.tar", "--home", home)["version"] == 2
    run("package", "verify", "late@2", "--home", home)
    run("models", "unpin", "late@4", "--home", home)
    run("models", "unpin", "late@4", "--home", home, code=3)
    run("models", "gc", "--keep-last", 0, "--home", home, code=2)


@pytest.mark.slow
def test_a_model_is_brought_predicts_and_its_predictions_are_replayed(tmp_path):
    import lightgbm as lgb

    from headrace.monitoring.prediction_log import PredictionBatch, PredictionLog

    rows = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    booster = lgb.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1}, lgb.Dataset(rows, rows[:, 0] > 0), 5
    )
    booster.save_model(tmp_path / "model.txt")
    (tmp_path / "schema.json").write_text('{"columns": {"a": "float64", "b": "float64"}}')
    schema, home = ["--schema", tmp_path / "schema.json"], ["--home", tmp_path / "home"]
    brought = answer("models", "bring", tmp_path / "model.txt", "--name", "late", *schema, *home)
    assert brought["version"] == 1
    scores = booster.predict(rows.astype(np.float64)).astype(np.float32)
    log = PredictionLog(tmp_path / "log")
    log.append(PredictionBatch("late", 1, [str(n) for n in range(500)], rows, scores, datetime.now(UTC)))
    log.close()
    told = answer("package", "replay", "late@1", "--predictions", tmp_path / "log", *home)
    assert (told["rows"], told["equal"]) == (500, 500)
    (segment,) = (tmp_path / "log" / "late").glob("*.arrow")
    segment.unlink()
    scores[7] = np.nextafter(scores[7], np.float32(1))
    log = PredictionLog(tmp_path / "log")
    log.append(PredictionBatch("late", 1, [str(n) for n in range(500)], rows, scores, datetime.now(UTC)))
    log.close()
    told = answer("package", "replay", "late@1", "--predictions", tmp_path / "log", *home, code=1)
    assert told["different"] == 1
    assert told["first_difference"]["prediction_id"] == "7"
    assert "first difference: 7 in" in run(
        "package", "replay", "late@1", "--predictions", tmp_path / "log", *home, code=1
    )


@pytest.mark.slow
def test_a_registry_elsewhere_is_named_by_option_or_environment(home, postgres_database, tmp_path, monkeypatch):
    places = ["--registry", postgres_database, "--packages", tmp_path / "shared"]
    came = answer("models", "import", tmp_path / "built2", "--home", tmp_path / "empty", *places)
    assert came["version"] == 1
    assert not (tmp_path / "empty" / "registry.db").exists()
    monkeypatch.setenv("HEADRACE_REGISTRY", postgres_database)
    monkeypatch.setenv("HEADRACE_PACKAGES", str(tmp_path / "shared"))
    assert list(answer("models", "--home", tmp_path / "empty")) == ["late"]
    assert len(answer("models", "--home", home)["late"]["versions"]) == 1
    run("package", "verify", "late@1", "--home", tmp_path / "empty")
    monkeypatch.setenv("HEADRACE_REGISTRY", "postgresql://me:geheim@127.0.0.1:1/db")
    said = run("models", "--home", home, code=7)
    assert "me:***@127.0.0.1:1/db cannot be used" in said
    assert "geheim" not in said
    monkeypatch.setenv("HEADRACE_REGISTRY", "mysql://host/db")
    assert "allowed: a file, sqlite:///, postgresql://" in run("models", "--home", home, code=2)


def test_every_command_has_an_example(home):
    for group in ("package", "models"):
        commands = run(group, "--help")
        for name in re.findall(r"^│ (\w+) ", commands, re.MULTILINE):
            assert "Example" in run(group, name, "--help"), f"{group} {name}"


def test_a_copied_home_is_whole(home, tmp_path):
    copy = shutil.copytree(home, tmp_path / "copy")
    shutil.rmtree(home)
    assert answer("package", "verify", "late", "--home", copy)["is_intact"]
