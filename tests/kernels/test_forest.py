"""Native forests against the plain ones: any trees, any rows, any instructions, to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.forests import ClassRule, ColumnKind, Forest, Link, LinkRule, Transform
from headrace_kernels.reference import forest as reference

pytest.importorskip("headrace_kernels.native._forest", reason="the native forest is not built")
from headrace_kernels.native import forest as native

WAYS = [(name, method) for name in native.available_instructions() for method in ("blocks", "walk")] + [("", "")]
SPECIAL = np.array(
    [np.nan, 0.0, -0.0, 1e-45, -1e-45, 1e-35, -1e-35, 1.0000001e-35, np.inf, -np.inf, 3.4e38, -1.0, -0.999, 0.5, 7.0],
    dtype=np.float32,
)


def grow(generator: np.random.Generator, n_leaves: int, first_node: int, first_leaf: int) -> tuple[list, list, int]:
    """A random tree of so many leaves: left and right children, and the root."""
    if n_leaves == 1:
        return [], [], ~first_leaf
    left, right = [None] * (n_leaves - 1), [None] * (n_leaves - 1)
    open_ends = [(0, left), (0, right)]
    for node in range(1, n_leaves - 1):
        parent, side = open_ends.pop(int(generator.integers(len(open_ends))))
        side[parent] = first_node + node
        open_ends += [(node, left), (node, right)]
    for leaf, (parent, side) in enumerate(open_ends):
        side[parent] = ~(first_leaf + leaf)
    return left, right, first_node


def make_forest(seed: int, leaves: list[int], *, width: int = 1, dtype: type = np.float64, bins: int = 40) -> Forest:
    """Random trees over 7 features: two plain columns of one feature, one with zeros missing, two tables."""
    generator = np.random.default_rng(seed)
    kinds = [*[ColumnKind.PLAIN] * 6, ColumnKind.ZERO_MISSING, ColumnKind.TABLE, ColumnKind.TABLE]
    features = [0, 1, 2, 3, 4, 0, 5, 6, 6]
    lengths = [9 if kind is ColumnKind.TABLE else 0 for kind in kinds]
    left, right, roots = [], [], []
    for count in leaves:
        lefts, rights, root = grow(generator, count, len(left), sum(leaves[: len(roots)]))
        left, right, roots = left + lefts, right + rights, [*roots, root]
    grid = np.concatenate([generator.normal(size=bins), SPECIAL[~np.isnan(SPECIAL)]]).astype(np.float32)
    n_targets = 3
    return Forest(
        n_features=7,
        n_targets=n_targets,
        column_feature=np.array(features, np.int32),
        column_kind=np.array(kinds, np.uint8),
        table_start=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        tables=generator.integers(0, 2, size=sum(lengths)).astype(np.uint8),
        node_column=generator.integers(0, len(kinds), size=len(left)).astype(np.int32),
        node_split=generator.choice(grid, len(left)),
        node_nan_left=generator.random(len(left)) < 0.5,
        node_left=np.array(left, np.int32),
        node_right=np.array(right, np.int32),
        tree_root=np.array(roots, np.int32),
        tree_targets=np.array([generator.permutation(n_targets)[:width] for _ in leaves], np.int32),
        leaf_values=generator.normal(size=(sum(leaves), width)).astype(dtype),
        base=generator.normal(size=int(generator.choice([0, n_targets]))).astype(dtype),
    )


def make_rows(seed: int, forest: Forest, n_rows: int) -> np.ndarray:
    """Rows of ordinary and special values, of splits and their neighbours."""
    generator = np.random.default_rng(seed)
    splits = np.concatenate([forest.node_split, SPECIAL])
    with np.errstate(over="ignore", under="ignore"):
        near = np.concatenate([splits, np.nextafter(splits, np.float32(9e9)), np.nextafter(splits, np.float32(-9e9))])
    rows = generator.choice(near, size=(n_rows, forest.n_features))
    return np.where(generator.random(rows.shape) < 0.3, generator.normal(size=rows.shape) * 4, rows).astype(np.float32)


def scores_of(score, forest: Forest, rows: np.ndarray) -> np.ndarray:
    scores = np.full((len(rows), forest.n_targets), 7.0, dtype=forest.leaf_values.dtype)
    score(rows, scores)
    return scores


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    leaves=st.lists(st.sampled_from([1, 2, 3, 7, 31, 64, 65, 130]), min_size=1, max_size=10),
    n_rows=st.sampled_from([0, 1, 2, 15, 16, 17, 31, 33, 63, 64, 65]),
    width=st.sampled_from([1, 3]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_every_way_gives_the_bits_of_the_plain_one(seed, leaves, n_rows, width, dtype):
    forest = make_forest(seed, leaves, width=width, dtype=dtype)
    rows = make_rows(seed, forest, n_rows)
    with np.errstate(over="ignore"):
        expected = scores_of(lambda *arrays: reference.score_forest(forest, *arrays), forest, rows)
    for instructions, method in WAYS:
        compiled = native.CompiledForest(forest, instructions=instructions, method=method)
        found = scores_of(compiled.score, forest, rows)
        assert found.tobytes() == expected.tobytes(), (instructions, method)


@pytest.mark.parametrize("leaves", [[255, 256, 3], [257, 4], [40] * 60], ids=["one byte", "two bytes", "many"])
@pytest.mark.parametrize("bins", [100, 3000], ids=["few thresholds", "many thresholds"])
def test_sizes_at_which_the_layout_changes_give_the_same_bits(leaves, bins):
    """Leaves and ranks beyond 256 take two bytes; more than 256 thresholds of a column take a third level of search."""
    forest = make_forest(1, leaves, bins=bins)
    if bins > 100:
        forest = replace(forest, node_column=np.minimum(forest.node_column, 0).astype(np.int32))
    rows = make_rows(2, forest, 130)
    expected = scores_of(lambda *arrays: reference.score_forest(forest, *arrays), forest, rows)
    for instructions, method in WAYS:
        compiled = native.CompiledForest(forest, instructions=instructions, method=method)
        assert scores_of(compiled.score, forest, rows).tobytes() == expected.tobytes(), (instructions, method)


def test_a_row_scores_the_same_in_every_batch():
    forest = make_forest(3, [63] * 20)
    rows = make_rows(4, forest, 131)
    for instructions, method in WAYS:
        compiled = native.CompiledForest(forest, instructions=instructions, method=method)
        alone = np.concatenate([scores_of(compiled.score, forest, rows[i : i + 1]) for i in range(len(rows))])
        for n_rows in range(1, 131):
            assert scores_of(compiled.score, forest, rows[:n_rows]).tobytes() == alone[:n_rows].tobytes()


def test_score_forest_compiles_and_scores():
    forest = make_forest(5, [9, 4])
    rows = make_rows(6, forest, 5)
    found = scores_of(lambda *arrays: native.score_forest(forest, *arrays), forest, rows)
    assert found.tobytes() == scores_of(native.CompiledForest(forest).score, forest, rows).tobytes()


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("node_left", [99, -1], "a child is not there"),
        ("node_left", [0, -1], "two parents"),
        ("node_left", [-9, -1], "a child is not there"),
        ("tree_root", [1], "belongs to no tree"),
        ("tree_root", [], "no trees"),
        ("tree_root", [-1], "belongs to no tree|two parents"),
        ("node_column", [0, 9], "reads no column"),
        ("node_column", [0, -1], "reads no column"),
        ("column_feature", [5], "a feature that is not there"),
        ("column_kind", [7], "no known kind"),
        ("column_kind", [2], "a table is empty"),
        ("tables", [1], "tables do not end"),
        ("table_start", [0], "columns differ"),
        ("table_start", [1, 1], "do not start at 0"),
        ("node_split", [np.nan, 0.0], "a split is NaN"),
        ("node_split", [0.0], "nodes differ"),
        ("tree_targets", [[3]], "adds to no target"),
        ("tree_targets", [[0], [0]], "targets differ"),
        ("base", [0.0, 0.0], "bases and targets differ"),
    ],
)
def test_arrays_that_contradict_each_other_are_refused(field, value, problem):
    good = Forest(
        n_features=2,
        n_targets=1,
        column_feature=np.zeros(1, np.int32),
        column_kind=np.zeros(1, np.uint8),
        table_start=np.zeros(2, np.int64),
        tables=np.zeros(0, np.uint8),
        node_column=np.zeros(2, np.int32),
        node_split=np.zeros(2, np.float32),
        node_nan_left=np.zeros(2, np.bool_),
        node_left=np.array([1, -1], np.int32),
        node_right=np.array([-3, -2], np.int32),
        tree_root=np.zeros(1, np.int32),
        tree_targets=np.zeros((1, 1), np.int32),
        leaf_values=np.zeros((3, 1)),
        base=np.zeros(1),
    )
    native.CompiledForest(good)
    like = getattr(good, field)
    shape = (-1, 1) if like.ndim == 2 else (-1,)
    with pytest.raises(ValueError, match=problem):
        native.CompiledForest(replace(good, **{field: np.array(value, like.dtype).reshape(shape)}))


def test_names_and_shapes_that_do_not_fit_are_refused():
    forest = make_forest(0, [3])
    with pytest.raises(ValueError, match="instructions 'mmx' are not on this processor"):
        native.CompiledForest(forest, instructions="mmx")
    with pytest.raises(ValueError, match="method is 'jump'"):
        native.CompiledForest(forest, method="jump")
    compiled = native.CompiledForest(forest)
    with pytest.raises(ValueError, match=r"rows must be \[n, 7\] and scores \[n, 3\]"):
        compiled.score(np.zeros((2, 6), np.float32), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="rows must be"):
        compiled.score(np.zeros((2, 7), np.float32), np.zeros((1, 3)))
    with pytest.raises(TypeError):
        compiled.score(np.zeros((2, 7)), np.zeros((2, 3)))
    scores = np.zeros((2, 3))
    with pytest.raises(ValueError, match="shape of scores"):
        native.link_scores(scores, LinkRule(Link.SQUARE), np.zeros((2, 2), np.float32))
    rule = ClassRule(Transform.NONE, all_positive=False, classes=np.arange(2))
    with pytest.raises(ValueError, match="labels must be"):
        native.classify_scores(scores.astype(np.float32), rule, np.zeros(2, np.int64), np.zeros((2, 2), np.float32))


SCORES = np.array([0.0, -0.0, 1e-30, -3.7, 12.5, 710.0, -710.0, 1e6, -1e6, 0.1, 0.2, -0.3])


@pytest.mark.parametrize("link", Link)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_rows", [4, 40], ids=["with the GIL", "without"])
def test_links_give_the_bits_of_the_plain_ones(link, dtype, n_rows):
    scores = np.resize(SCORES, (n_rows, 3)).astype(dtype)
    for rule in (LinkRule(link, 0.36787944117144233), LinkRule(link, 2.718281828459045, divisor=7.0)):
        found, expected = np.empty((n_rows, 3), np.float32), np.empty((n_rows, 3), np.float32)
        native.link_scores(scores, rule, found)
        with np.errstate(over="ignore"):
            reference.link_scores(scores, rule, expected)
        assert found.tobytes() == expected.tobytes(), rule


def test_powers_beyond_the_reals_are_those_of_c():
    """A negative base has no root, and its odd powers fall out of range below zero."""
    scores, rule = np.array([[0.5, 2001.0, 2000.0, -1.0]]), LinkRule(Link.EXPONENTIAL, -2.0)
    found, expected = np.empty((1, 4), np.float32), np.empty((1, 4), np.float32)
    native.link_scores(scores, rule, found)
    reference.link_scores(scores, rule, expected)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(expected, [[np.nan, -np.inf, np.inf, -0.5]])


@pytest.mark.parametrize("transform", Transform)
@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("all_positive", [True, False])
@pytest.mark.parametrize("n_rows", [4, 40], ids=["with the GIL", "without"])
def test_classes_follow_from_scores_as_in_the_plain_one(transform, width, all_positive, n_rows):
    """Labels are the same; probabilities may differ by the last bits of an exponential that is NumPy's own."""
    scores = np.resize(SCORES, (n_rows, width)).astype(np.float32)
    rule = ClassRule(transform, all_positive, np.array([4, -1, 9][: max(width, 2)]))
    labels, probabilities = np.zeros((2, n_rows), np.int64), np.zeros((2, n_rows, max(width, 2)), np.float32)
    for backend, own, shares in zip((native, reference), labels, probabilities, strict=True):
        backend.classify_scores(scores, rule, own, shares)
    assert labels[0].tolist() == labels[1].tolist()
    np.testing.assert_allclose(*probabilities, rtol=4 * np.finfo(np.float32).eps, atol=1e-38)
