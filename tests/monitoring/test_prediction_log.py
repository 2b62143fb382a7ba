"""The prediction log: every row written or counted as lost, whole segments, nothing waits for a disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from headrace.core.errors import CorruptedError, InvalidInputError
from headrace.monitoring import (
    LogLimits,
    PredictionBatch,
    PredictionLog,
    feature_matrix,
    read_predictions,
    score_matrix,
)

AT = datetime(2013, 11, 1, 12, tzinfo=UTC)


def batch(rows=3, *, start=0, version=1, width=4, at=AT, model="late"):
    values = np.arange(start, start + rows, dtype=np.float32)
    return PredictionBatch(
        model=model,
        version=version,
        ids=[f"id-{start + n}" for n in range(rows)],
        features=np.repeat(values[:, None], width, axis=1),
        scores=values / 1024,
        logged_at=at,
    )


def test_what_was_answered_is_read_back_bit_for_bit(tmp_path):
    log = PredictionLog(tmp_path)
    odd = batch(2)
    odd.features[0] = [np.nan, -0.0, np.inf, 1e-45]
    assert log.append(odd)
    assert log.append(batch(3, start=2, at=AT + timedelta(microseconds=1)))
    counts = log.close()
    assert (counts.offered, counts.written, counts.pending, counts.lost) == (5, 5, 0, 0)
    table = read_predictions(tmp_path, "late")
    assert table["prediction_id"].to_pylist() == [f"id-{n}" for n in range(5)]
    assert table["logged_at"][2].as_py() == AT + timedelta(microseconds=1)
    assert feature_matrix(table)[:2].tobytes() == odd.features.tobytes()
    assert score_matrix(table)[:, 0].tolist() == [n / 1024 for n in range(5)]


def test_the_callers_arrays_may_be_reused_at_once(tmp_path):
    log = PredictionLog(tmp_path)
    given = batch(3)
    log.append(given)
    given.features[:] = -1.0
    given.scores[:] = -1.0
    log.close()
    table = read_predictions(tmp_path, "late")
    assert feature_matrix(table)[:, 0].tolist() == [0.0, 1.0, 2.0]
    assert score_matrix(table)[:, 0].min() >= 0.0


def test_versions_and_models_are_read_apart(tmp_path):
    log = PredictionLog(tmp_path)
    log.append(batch(2))
    log.append(batch(3, version=2, width=7))
    log.append(batch(4, model="fraud"))
    log.close()
    assert read_predictions(tmp_path, "late").num_rows == 5
    assert feature_matrix(read_predictions(tmp_path, "late", version=2)).shape == (3, 7)
    assert read_predictions(tmp_path, "fraud").num_rows == 4
    with pytest.raises(InvalidInputError, match="different widths"):
        feature_matrix(read_predictions(tmp_path, "late"))


def test_scores_of_several_classes_keep_their_columns(tmp_path):
    log = PredictionLog(tmp_path)
    scores = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]], dtype=np.float32)
    log.append(PredictionBatch("late", 1, ["a", "b"], np.zeros((2, 1), np.float32), scores, AT))
    log.close()
    assert score_matrix(read_predictions(tmp_path, "late")).tobytes() == scores.tobytes()


def test_a_model_without_predictions_gives_an_empty_table(tmp_path):
    table = read_predictions(tmp_path, "nobody")
    assert table.num_rows == 0
    assert feature_matrix(table).shape == (0, 0)


def test_rows_beyond_the_bound_are_lost_and_counted(tmp_path):
    log = PredictionLog(tmp_path, LogLimits(pending_rows=10, segment_rows=1_000, flush_interval_s=60))
    assert log.append(batch(8))
    assert not log.append(batch(3))
    assert log.append(batch(2))
    log.flush()
    assert log.append(batch(10))
    counts = log.close()
    assert (counts.offered, counts.written, counts.lost_full) == (23, 20, 3)


def test_rows_after_the_close_are_lost_and_counted(tmp_path):
    log = PredictionLog(tmp_path)
    log.close()
    assert not log.append(batch(3))
    assert log.close().lost_closed == 3


def test_a_segment_that_cannot_be_written_is_lost_and_counted_and_the_log_goes_on(tmp_path):
    (tmp_path / "late").write_text("a file where the folder should be")
    log = PredictionLog(tmp_path)
    log.append(batch(3))
    log.append(batch(2, model="fraud"))
    log.flush()
    counts = log.close()
    assert (counts.lost_failed, counts.written) == (3, 2)
    assert read_predictions(tmp_path, "fraud").num_rows == 2


def test_flush_waits_for_everything_appended_before_it(tmp_path):
    log = PredictionLog(tmp_path, LogLimits(flush_interval_s=60))
    for n in range(5):
        log.append(batch(4, start=4 * n))
        log.flush()
        assert read_predictions(tmp_path, "late").num_rows == 4 * (n + 1)
    log.close()


def test_many_threads_lose_nothing(tmp_path):
    log = PredictionLog(tmp_path, LogLimits(segment_rows=500, flush_interval_s=0.01))

    def write(worker):
        for n in range(50):
            log.append(batch(4, start=1_000 * worker + 4 * n))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = log.close()
    ids = read_predictions(tmp_path, "late")["prediction_id"].to_pylist()
    assert counts.written == len(ids) == len(set(ids)) == 8 * 50 * 4


def test_processes_share_a_folder(tmp_path):
    logs = [PredictionLog(tmp_path), PredictionLog(tmp_path)]
    for n, log in enumerate(logs):
        log.append(batch(3, start=10 * n))
        log.close()
    assert read_predictions(tmp_path, "late").num_rows == 6


@pytest.mark.parametrize(
    "wrong",
    [
        {"features": np.zeros((3, 4))},
        {"features": np.zeros((2, 4), np.float32)},
        {"features": np.zeros(3, np.float32)},
        {"scores": np.zeros(2, np.float32)},
        {"scores": np.zeros(3)},
    ],
)
def test_a_batch_whose_parts_disagree_is_refused(tmp_path, wrong):
    log = PredictionLog(tmp_path)
    parts = {"ids": ["a", "b", "c"], "features": np.zeros((3, 4), np.float32), "scores": np.zeros(3, np.float32)}
    with pytest.raises(InvalidInputError):
        log.append(PredictionBatch(model="late", version=1, logged_at=AT, **(parts | wrong)))
    assert log.close().offered == 0


@pytest.mark.parametrize("content", [b"", b"not arrow at all"])
def test_a_broken_segment_is_named(tmp_path, content):
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "x.arrow").write_bytes(content)
    with pytest.raises(CorruptedError, match=r"x\.arrow is not a readable prediction segment"):
        read_predictions(tmp_path, "late")


def test_an_arrow_file_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "late").mkdir()
    table = pa.table({"prediction_id": ["a"]})
    with pa.ipc.new_file(str(tmp_path / "late" / "x.arrow"), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(CorruptedError, match="not a prediction segment of format 1"):
        read_predictions(tmp_path, "late")


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from headrace.monitoring import LogLimits, PredictionBatch, PredictionLog
assert "pyarrow" not in sys.modules
log = PredictionLog(Path(sys.argv[1]), LogLimits(segment_rows=200, flush_interval_s=0.01))
start = 0
while True:
    features = np.arange(start, start + 20, dtype=np.float32)[:, None].repeat(30, axis=1)
    ids = [f"{sys.argv[2]}-{start + n}" for n in range(20)]
    while not log.append(PredictionBatch("late", 1, ids, features, features[:, 0] / 7, datetime.now(UTC))):
        pass
    start += 20
    if start % 400 == 0:
        log.flush()
        print(start, flush=True)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_whole_segments_and_every_flushed_row(tmp_path):
    for attempt in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(attempt)], stdout=subprocess.PIPE, text=True
        )
        try:
            for _ in range(2 + 3 * attempt):
                flushed = int(process.stdout.readline())
            time.sleep(0.004 * attempt)
            os.kill(process.pid, signal.SIGKILL)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        table = read_predictions(tmp_path, "late")
        ids = table["prediction_id"].to_pylist()
        mine = [int(name.split("-")[1]) for name in ids if name.startswith(f"{attempt}-")]
        assert len(set(ids)) == len(ids)
        assert set(range(flushed)) <= set(mine)
        expected = np.array([int(name.split("-")[1]) for name in ids], dtype=np.float32)
        assert (feature_matrix(table) == expected[:, None]).all()
