"""A replay from the package alone gives the logged scores bit for bit, or says which one it does not give."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from headrace.core.errors import CorruptedError, InvalidInputError, NotFoundError
from headrace.core.progress import SilentProgress
from headrace.pipeline.packages.places import found_package
from headrace.pipeline.packages.replaying import replay


def run(models, place, log, *, version=None):
    with found_package(models.workspace, place) as found:
        wanted = found.version if found.version is not None else version
        return replay(found.load(), log, version=wanted, progress=SilentProgress())


def test_what_was_answered_is_answered_again(models):
    log = models.log(1)
    done = run(models, "late@1", log)
    assert (done.rows, done.equal, done.first_difference) == (len(models.rows), len(models.rows), None)
    assert done.other_rows == 0


def test_a_single_other_bit_is_found_and_named(models):
    def lie(scores):
        changed = scores.copy()
        changed.view(np.uint32)[1234, 0] ^= 1
        return changed

    done = run(models, "late@1", models.log(1, change=lie))
    assert done.equal == done.rows - 1
    first = done.first_difference
    assert first.prediction_id == "1/1234"
    assert first.logged != first.replayed
    assert abs(first.logged - first.replayed) < 1e-6
    told = first.to_json()
    assert float.fromhex(told["logged_hex"]) == first.logged


def test_each_version_is_held_against_its_own_answers(models):
    models.log(1)
    log = models.log(2)
    for version in (1, 2):
        done = run(models, f"late@{version}", log)
        assert done.equal == done.rows == done.other_rows == len(models.rows)


def test_a_directory_needs_to_be_told_the_version_where_the_log_has_several(models, tmp_path):
    models.log(1)
    package = str(tmp_path / "built1")
    assert run(models, package, models.workspace.predictions).equal == len(models.rows)
    log = models.log(2)
    with pytest.raises(InvalidInputError, match="versions 1, 2") as caught:
        run(models, package, log)
    assert caught.value.hint == "name it: --version 1"
    assert run(models, package, log, version=1).equal == len(models.rows)
    assert run(models, package, log, version=2).equal < len(models.rows)


def test_nothing_but_the_package_and_the_log_is_needed(models, tmp_path):
    log = shutil.copytree(models.log(1), tmp_path / "log")
    package = shutil.copytree(tmp_path / "built1", tmp_path / "alone")
    shutil.rmtree(models.workspace.home)
    assert run(models, str(package), log).equal == len(models.rows)


@pytest.mark.parametrize("deep", ["", "one", "one/late"])
def test_the_log_may_be_named_at_any_depth(models, deep):
    log = models.log(1)
    assert run(models, "late@1", log / deep).rows == len(models.rows)
    segment = next(log.rglob("*.arrow"))
    assert 0 < run(models, "late@1", segment).rows <= len(models.rows)


def test_wrong_logs_are_told_apart(models, tmp_path):
    with pytest.raises(NotFoundError, match="holds no logged predictions of 'late'"):
        run(models, "late@1", tmp_path)
    log = models.log(2)
    with pytest.raises(NotFoundError, match="no prediction of late version 1; it has 3000 of other versions"):
        run(models, "late@1", log)
    segment = next(log.rglob("*.arrow"))
    segment.write_bytes(segment.read_bytes()[:-100])
    with pytest.raises(CorruptedError, match="not a readable prediction segment"):
        run(models, "late@2", log)


def test_predictions_over_other_features_are_refused(models):
    from datetime import UTC, datetime

    from headrace.monitoring.prediction_log import PredictionBatch, PredictionLog

    log = PredictionLog(models.workspace.predictions)
    log.append(
        PredictionBatch("late", 1, ["x"], np.zeros((1, 5), np.float32), np.zeros(1, np.float32), datetime.now(UTC))
    )
    log.close()
    with pytest.raises(InvalidInputError, match="over 5 features, package late takes 3"):
        run(models, "late@1", models.workspace.predictions)
