"""A killed training goes on from its last checkpoint, and says where it did."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from headrace.core.progress import SilentProgress
from headrace.training import Checkpoint, TrainingSettings, load_trained, save_trained, train

SETTINGS = TrainingSettings(params={"num_leaves": 7}, rounds=40, early_stopping_rounds=0, threads=1)


class Stopped(Exception):  # noqa: N818  an end, not an error
    pass


class Stopping(SilentProgress):
    """Ends training after so many rounds, as Ctrl-C does."""

    def __init__(self, rounds):
        self.left = rounds

    def step(self, label, total=None):
        outer = super().step(label, total)
        counter = self

        class Counting:
            def __enter__(self):
                self.step = outer.__enter__()
                return self

            def __exit__(self, *error):
                return outer.__exit__(*error)

            def advance(self, amount=1):
                counter.left -= amount
                if counter.left < 0:
                    raise Stopped

            def note(self, text):
                pass

        return Counting()


def interrupted(data, path, rounds, settings=SETTINGS):
    with pytest.raises(Stopped):
        train(data, settings, progress=Stopping(rounds), checkpoint=Checkpoint(path, "this", every_s=0.0))


def test_training_goes_on_where_it_was_and_says_so(make_data, tmp_path):
    data, path = make_data(), tmp_path / "deep" / "checkpoint.json"
    whole = train(data, SETTINGS)
    interrupted(data, path, 15)
    resumed = train(data, SETTINGS, checkpoint=Checkpoint(path, "this", every_s=0.0))
    assert resumed.resumed_at == (15,)
    assert resumed.to_json()["resumed_at"] == [15]
    assert [point.trees for point in resumed.curve] == list(range(1, 41))
    assert [point.value for point in resumed.curve[:15]] == [point.value for point in whole.curve[:15]]
    assert resumed.best_value == pytest.approx(whole.best_value, abs=0.01)
    assert resumed.booster.num_trees() == 40
    assert not path.exists(), "training is done: nothing is left to go on from"


def test_without_random_draws_the_resumed_model_is_the_whole_one(make_data, tmp_path):
    data, path = make_data(), tmp_path / "checkpoint.json"
    interrupted(data, path, 15)
    resumed = train(data, SETTINGS, checkpoint=Checkpoint(path, "this"))
    whole = train(data, SETTINGS)
    np.testing.assert_allclose(resumed.predict(data.values), whole.predict(data.values), rtol=1e-6)


def test_the_same_places_of_resumption_give_the_same_model(make_data, tmp_path):
    drawn = TrainingSettings(
        params={"num_leaves": 7, "bagging_fraction": 0.5, "bagging_freq": 1}, rounds=40, threads=1,
        early_stopping_rounds=0,
    )  # fmt: skip
    found = []
    for turn in range(2):
        path = tmp_path / f"{turn}.json"
        for rounds in (10, 12):
            interrupted(make_data(), path, rounds, drawn)
        found.append(train(make_data(), drawn, checkpoint=Checkpoint(path, "this")))
    assert found[0].resumed_at == (10, 22)
    assert found[0].model_text == found[1].model_text


def test_early_stopping_remembers_the_best_before_the_interruption(make_data, tmp_path):
    data, path = make_data(rows=1_500), tmp_path / "checkpoint.json"
    stopping = TrainingSettings(params={"num_leaves": 31}, rounds=400, early_stopping_rounds=15, threads=1)
    whole = train(data, stopping)
    assert whole.best_iteration < 200
    interrupted(data, path, whole.best_iteration + 5, stopping)
    resumed = train(data, stopping, checkpoint=Checkpoint(path, "this"))
    assert resumed.best_iteration == whole.best_iteration
    assert len(resumed.curve) == whole.best_iteration + 15
    np.testing.assert_allclose(resumed.predict(data.values), whole.predict(data.values), rtol=1e-6)


def test_another_training_and_a_damaged_file_are_begun_anew(make_data, tmp_path):
    data, path = make_data(), tmp_path / "checkpoint.json"
    interrupted(data, path, 15)
    body = path.read_text()
    assert Checkpoint(path, "another").read() is None
    for damage in (body[: len(body) // 2], body.replace("leaf_value=", "leaf_value=1", 1), "[]", ""):
        path.write_text(damage)
        assert Checkpoint(path, "this").read() is None
    resumed = train(data, SETTINGS, checkpoint=Checkpoint(path, "this"))
    assert resumed.resumed_at == ()


def test_a_resumed_model_is_stored_with_where_it_was_resumed(make_data, tmp_path):
    data, path = make_data(), tmp_path / "checkpoint.json"
    interrupted(data, path, 15)
    resumed = train(data, SETTINGS, checkpoint=Checkpoint(path, "this"))
    save_trained(resumed, tmp_path / "model")
    assert load_trained(tmp_path / "model").resumed_at == (15,)


TRAINING = """
import sys, numpy as np
from pathlib import Path
from headrace.training import Checkpoint, SplitMasks, TrainingData, TrainingSettings, train
rng = np.random.default_rng(0)
values = rng.normal(size=(20_000, 5)).astype(np.float32)
labels = values[:, 0] + rng.normal(size=20_000) > 0
part = np.arange(20_000) // 10_000
data = TrainingData(values, tuple("abcde"), labels, SplitMasks(part == 0, part == 1, part == 9))
settings = TrainingSettings(rounds=int(sys.argv[2]), early_stopping_rounds=0, threads=1)
trained = train(data, settings, checkpoint=Checkpoint(Path(sys.argv[1]), "x", every_s=0.05))
print(trained.resumed_at, trained.booster.num_trees())
"""


@pytest.mark.slow
def test_a_killed_process_is_gone_on_from(tmp_path):
    path = tmp_path / "checkpoint.json"
    process = subprocess.Popen([sys.executable, "-c", TRAINING, path, "100000"], stdout=subprocess.PIPE)
    limit = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < limit
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    reached = json.loads(path.read_bytes())["curve"][-1][0]
    done = subprocess.run(
        [sys.executable, "-c", TRAINING, path, str(reached + 5)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"({reached},) {reached + 5}"
