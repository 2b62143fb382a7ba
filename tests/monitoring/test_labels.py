"""Labels meet predictions as far as they are known at a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import InvalidInputError
from headrace.monitoring import join_labels

AT = datetime(2013, 11, 1, tzinfo=UTC)
STAMP = pa.timestamp("us", tz="UTC")


def predictions(ids):
    return pa.table({"prediction_id": pa.array(ids, pa.string()), "answer": pa.array(range(len(ids)), pa.int64())})


def outcomes(rows):
    return pa.table(
        {
            "prediction_id": pa.array([r[0] for r in rows], pa.string()),
            "available_at": pa.array([None if r[1] is None else AT + timedelta(hours=r[1]) for r in rows], STAMP),
            "label": pa.array([r[2] for r in rows], pa.bool_()),
        }
    )


def joined(ids, rows, hours=10):
    table = join_labels(predictions(ids), outcomes(rows), as_of=AT + timedelta(hours=hours))
    return list(zip(table["prediction_id"].to_pylist(), table["label"].to_pylist(), strict=True))


def test_an_outcome_that_becomes_known_later_is_not_seen():
    assert joined(["a", "b"], [("a", 10, True), ("b", 10.1, True)]) == [("a", True), ("b", None)]


def test_a_corrected_outcome_wins_from_its_own_moment():
    rows = [("a", 3, False), ("a", 1, True)]
    assert joined(["a"], rows, hours=2) == [("a", True)]
    assert joined(["a"], rows, hours=3) == [("a", False)]


def test_a_prediction_asked_twice_counts_once_with_its_last_answer():
    table = join_labels(predictions(["a", "b", "a"]), outcomes([("a", 1, True)]), as_of=AT + timedelta(hours=2))
    assert table["answer"].to_pylist() == [1, 2]
    assert table["label"].to_pylist() == [None, True]


def test_outcomes_without_a_time_or_a_prediction_are_not_known():
    assert joined(["a"], [("a", None, True), ("z", 1, True), (None, 1, True)]) == [("a", None)]


def test_nothing_joined_with_nothing_is_nothing():
    table = join_labels(predictions([]), outcomes([]), as_of=AT)
    assert table.num_rows == 0
    assert table.column_names == ["prediction_id", "answer", "label", "label_at"]


@pytest.mark.parametrize("missing", ["prediction_id", "available_at", "label"])
def test_a_missing_column_is_named(missing):
    with pytest.raises(InvalidInputError, match="needed: prediction_id, available_at, label"):
        join_labels(predictions(["a"]), outcomes([]).drop_columns([missing]), as_of=AT)


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(InvalidInputError, match="without a time zone"):
        join_labels(predictions(["a"]), outcomes([]), as_of=AT.replace(tzinfo=None))


IDS = st.sampled_from("abcde")


@given(
    st.lists(IDS, max_size=12),
    st.lists(st.tuples(IDS, st.integers(0, 9), st.booleans()), max_size=12, unique_by=lambda r: r[:2]),
    st.integers(0, 9),
)
def test_the_join_is_what_a_loop_gives(ids, rows, hours):
    expected = []
    for place, name in enumerate(ids):
        if name in ids[place + 1 :]:
            continue
        known = sorted((at, label) for other, at, label in rows if other == name and at <= hours)
        expected.append((name, known[-1][1] if known else None))
    assert joined(ids, rows, hours) == expected
