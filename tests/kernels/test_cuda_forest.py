"""Forests as a device walks them: their layout, what it refuses, and batches cut to a bounded buffer."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headrace_kernels.conformance.forest import make_forest, make_rows, walk_together
from headrace_kernels.cuda import device
from headrace_kernels.cuda import forest as cuda
from headrace_kernels.cuda.forest_layout import lay_out
from headrace_kernels.forests import Link, LinkRule
from headrace_kernels.reference import forest as reference

sys.path.insert(0, str(Path(__file__).parent / "devices"))
from emulated_device import COMPILER, EmulatedDevice

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: the emulator cannot be built")


def scored(forest, rows):
    scores = device.empty((len(rows), forest.n_targets), forest.leaf_values.dtype)
    cuda.CudaForest(forest).score(device.put(rows), scores)
    return device.get(scores)


def plainly(forest, rows):
    scores = np.empty((len(rows), forest.n_targets), forest.leaf_values.dtype)
    reference.score_forest(forest, rows, scores)
    return scores


def test_children_lie_side_by_side_and_leaves_point_at_themselves():
    forest = make_forest(np.random.default_rng(1), [5, 1, 3])
    layout = lay_out(forest)
    assert layout.starts.tolist() == [0, 9, 10]  # 2 n - 1 places a tree
    left = (layout.nodes >> np.uint64(32)) & np.uint64(0xFFFF)
    place = np.concatenate([np.arange(9), np.arange(1), np.arange(5)])
    is_leaf = layout.leaf_of >= 0
    assert (left[is_leaf] == place[is_leaf]).all()
    assert (left[~is_leaf] > place[~is_leaf]).all()
    assert sorted(layout.leaf_of[is_leaf]) == list(range(9))
    assert (layout.leaves[~is_leaf] == 0).all()


def test_a_tree_of_more_places_than_sixteen_bits_count_takes_wide_nodes():
    forest = make_forest(np.random.default_rng(1), [33_000])
    assert not lay_out(forest).is_narrow
    assert lay_out(make_forest(np.random.default_rng(1), [32_768])).is_narrow


def test_the_oracle_that_walks_together_gives_the_bits_of_the_plain_one():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        forest = make_forest(rng, [5, 1, 17, 9], n_targets=3, width=2)
        rows = make_rows(rng, forest, 40)
        assert walk_together(forest, rows, np.zeros((40, 3))).tobytes() == plainly(forest, rows).tobytes()


@needs_compiler
@pytest.mark.parametrize("n_features", [7, 70])
def test_batches_beyond_the_buffer_are_cut(monkeypatch, n_features):
    rng = np.random.default_rng(3)
    forest = make_forest(rng, [9, 2, 1, 5], n_features=n_features)
    rows = make_rows(rng, forest, 300)
    monkeypatch.setattr(cuda, "PLACES_BYTES", 1)
    with device.use(EmulatedDevice()) as used:
        assert scored(forest, rows).tobytes() == plainly(forest, rows).tobytes()
        assert used.launches == 3 * (2 if n_features == 7 else 3)  # 128, 128 and 44 rows


@needs_compiler
def test_shapes_that_do_not_fit_are_refused():
    forest = make_forest(np.random.default_rng(1), [3])
    with device.use(EmulatedDevice()):
        compiled = cuda.CudaForest(forest)
        for rows, scores in (((4, 6), (4, 1)), ((4, 7), (3, 1)), ((4, 7), (4, 2))):
            with pytest.raises(ValueError, match="do not fit 7 features"):
                compiled.score(device.zeros(rows, np.float32), device.zeros(scores, np.float64))
        with pytest.raises(ValueError, match="the shape of scores"):
            cuda.link_scores(device.zeros((2, 1), np.float64), LinkRule(Link.SQUARE), device.zeros((1, 1), np.float32))


@pytest.mark.parametrize(
    ("field", "change", "problem"),
    [
        ("node_left", lambda a: a * 0, "two parents|belongs to no tree"),
        ("node_left", lambda a: a * 0 + 99, "a child is not there"),
        ("node_left", lambda a: a * 0 - 99, "a child is not there"),
        ("tree_root", lambda a: a[:0], "no trees"),
        ("tree_root", lambda a: a * 0 + ~0, "two parents|belongs to no tree|to two"),
        ("node_column", lambda a: a + 99, "reads no column"),
        ("node_column", lambda a: a - 99, "reads no column"),
        ("column_feature", lambda a: a + 99, "a feature that is not there"),
        ("column_kind", lambda a: a + 9, "no known kind"),
        ("column_kind", lambda a: a * 0 + 2, "a table is empty"),
        ("tables", lambda a: a[1:], "tables do not fit"),
        ("table_start", lambda a: a[1:], "columns differ"),
        ("node_split", lambda a: a * np.float32(np.nan), "a split is NaN"),
        ("node_split", lambda a: a[1:], "nodes differ"),
        ("tree_targets", lambda a: a + 3, "adds to no target"),
        ("tree_targets", lambda a: a[1:], "targets differ"),
        ("base", lambda a: np.zeros(2, a.dtype), "bases and targets differ"),
    ],
)
def test_arrays_that_contradict_each_other_are_refused(field, change, problem):
    good = make_forest(np.random.default_rng(1), [6, 3])
    lay_out(good)
    with pytest.raises(ValueError, match=problem):
        lay_out(replace(good, **{field: change(getattr(good, field))}))
