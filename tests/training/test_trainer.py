"""Training is reproducible to the bit, stops early, says how it went, and ends cleanly on Ctrl-C."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from headrace.core.errors import CorruptedError, DefinitionError, InvalidInputError
from headrace.training import TrainingSettings, load_trained, refit, save_trained, train

# One thread: on a busy machine the second waits for a core while the first spins.
SETTINGS = TrainingSettings(params={"num_leaves": 15}, rounds=60, early_stopping_rounds=10, threads=1)


class RecordingProgress:
    def __init__(self):
        self.steps = []

    @contextmanager
    def step(self, label, total=None):
        self.steps.append((label, total))
        yield self

    def advance(self, amount=1):
        self.steps.append(amount)

    def note(self, text):
        self.noted = text


def test_training_twice_gives_the_same_model(make_data):
    data = make_data()
    first, second = train(data, SETTINGS), train(data, SETTINGS)
    assert first.model_text == second.model_text
    assert first.to_json() == second.to_json()


def test_the_model_does_not_depend_on_the_thread_count(make_data):
    data = make_data()
    one, two = (train(data, TrainingSettings(**{**SETTINGS.to_json(), "threads": n})) for n in (1, 2))
    np.testing.assert_array_equal(one.predict(data.values), two.predict(data.values))
    assert one.to_json() == two.to_json()


def test_another_seed_gives_another_model_where_rows_are_drawn(make_data):
    drawn = {"bagging_fraction": 0.5, "bagging_freq": 1}
    data = make_data()
    first, second = (train(data, TrainingSettings(params=drawn, rounds=5, seed=seed, threads=1)) for seed in (0, 1))
    assert (first.predict(data.values) != second.predict(data.values)).any()


def test_the_curve_is_the_metric_on_validation_rows(make_data):
    data = make_data()
    trained = train(data, SETTINGS)
    valid = data.split.valid
    expected = roc_auc_score(data.labels[valid], trained.predict(data.values[valid]))
    assert trained.best_value == pytest.approx(expected, abs=1e-6)
    assert trained.best_value == max(point.value for point in trained.curve)
    assert [point.trees for point in trained.curve] == list(range(1, len(trained.curve) + 1))


def test_early_stopping_ends_training_and_later_trees_are_not_used(make_data):
    data = make_data(rows=2_000)
    trained = train(data, TrainingSettings(rounds=500, early_stopping_rounds=5, threads=1))
    assert len(trained.curve) == trained.best_iteration + 5
    np.testing.assert_array_equal(
        trained.predict(data.values), trained.booster.predict(data.values, num_iteration=trained.best_iteration)
    )


def test_without_early_stopping_every_round_is_used(make_data):
    trained = train(make_data(), TrainingSettings(rounds=12, early_stopping_rounds=0, threads=1))
    assert trained.best_iteration == 12
    assert len(trained.curve) == 12


def test_test_rows_and_unlabelled_rows_do_not_touch_the_model(make_data):
    data = make_data()
    before = train(data, SETTINGS)
    data.values[data.split.test] = 7.0
    data.labels[data.split.test] ^= True
    assert train(data, SETTINGS).model_text == before.model_text


def test_importance_is_the_share_of_the_gain(make_data):
    importance = train(make_data(), SETTINGS).importance()
    assert sum(importance.values()) == pytest.approx(1.0)
    assert next(iter(importance)) == "feature 0"
    assert list(importance.values()) == sorted(importance.values(), reverse=True)


def test_refit_learns_from_validation_rows_too(make_data):
    data = make_data()
    first = train(data, SETTINGS)
    again = refit(data, SETTINGS, first.best_iteration)
    assert again.best_iteration == first.best_iteration
    assert again.curve == ()
    assert np.isnan(again.best_value)
    data.labels[data.split.valid] ^= True
    assert refit(data, SETTINGS, first.best_iteration).model_text != again.model_text
    with pytest.raises(InvalidInputError, match="at least 1 tree"):
        refit(data, SETTINGS, 0)


def test_progress_counts_trees_and_shows_the_metric(make_data):
    progress = RecordingProgress()
    trained = train(make_data(), SETTINGS, progress=progress)
    assert progress.steps[0] == ("train", 60)
    assert len(progress.steps) - 1 == len(trained.curve)
    assert progress.noted.startswith("auc 0.")


def test_ctrl_c_between_trees_ends_training(make_data):
    class Interrupting(RecordingProgress):
        def advance(self, amount=1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(make_data(), SETTINGS, progress=Interrupting())


def test_a_stored_model_predicts_the_same_bits_and_tells_the_same_story(make_data, tmp_path):
    data = make_data()
    trained = train(data, SETTINGS)
    save_trained(trained, tmp_path / "model")
    loaded = load_trained(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(data.values), trained.predict(data.values))
    assert loaded.to_json() == trained.to_json()
    assert loaded.model_text == trained.model_text


@pytest.mark.parametrize("file", ["model.txt", "training.json"])
def test_a_damaged_stored_model_is_refused(make_data, tmp_path, file):
    save_trained(train(make_data(), SETTINGS), tmp_path / "model")
    content = (tmp_path / "model" / file).read_text()
    (tmp_path / "model" / file).write_text(content[: len(content) // 2])
    with pytest.raises(CorruptedError):
        load_trained(tmp_path / "model")
    (tmp_path / "model" / file).unlink()
    with pytest.raises(CorruptedError, match="does not hold a trained model"):
        load_trained(tmp_path / "model")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"params": {"seed": 3}}, "'seed' is set by Headrace"),
        ({"metric": "acu"}, "objective 'binary' has no metric 'acu'"),
        ({"rounds": 0}, "must be at least 1"),
        ({"early_stopping_rounds": -1}, "at least 0"),
        ({"threads": 0}, "must be at least 1"),
    ],
)
def test_settings_that_cannot_be_fail_where_they_are_made(arguments, text):
    with pytest.raises(DefinitionError, match=text):
        TrainingSettings(**arguments)


def test_nothing_is_written_to_the_terminal(make_data, capfd):
    train(make_data(rows=1_000), TrainingSettings(rounds=3, threads=1))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_defining_a_model_does_not_import_lightgbm():
    program = "import sys, headrace.training; print('lightgbm' in sys.modules, 'pyarrow' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False False"


def test_how_training_went_is_json_without_times(make_data):
    body = json.loads(json.dumps(train(make_data(), SETTINGS).to_json(), allow_nan=False))
    assert "seconds" not in body
    assert "threads" not in body["settings"]
