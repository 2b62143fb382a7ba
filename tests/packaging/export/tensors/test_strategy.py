"""The rule counts bytes and launches as the graphs have them, and chooses the smaller sum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from headrace.packaging.export.model_text import parse_model
from headrace.packaging.export.tensors import Strategy, export_tensor_raw_score, strategy
from headrace.packaging.export.tensors.operators import Needs, measure
from headrace.packaging.export.tensors.slots import plan_slots
from headrace.packaging.export.tensors.splits import plan_splits
from headrace.packaging.export.tensors.strategy import choose_strategy, paths_cost, traversal_cost
from headrace.packaging.export.tensors.traversal import active_trees


def complete(depth: int, trees: int, *, categories: bool = False) -> str:
    """A model text of equal complete trees; with categories, each root splits on a set."""
    n = 2**depth - 1
    children = np.arange(n)
    left, right = 2 * children + 1, 2 * children + 2
    left, right = (np.where(one < n, one, -(one - n) - 1) for one in (left, right))
    kinds = ["1" if categories and node == 0 else "8" for node in range(n)]
    tree = [f"num_leaves={n + 1}", f"num_cat={int(categories)}", f"split_feature={' '.join(['0'] * n)}"]
    tree += [f"threshold={' '.join(str(0 if kind == '1' else node) for node, kind in enumerate(kinds))}"]
    tree += [f"decision_type={' '.join(kinds)}", f"left_child={' '.join(map(str, left))}"]
    tree += [f"right_child={' '.join(map(str, right))}", f"leaf_value={' '.join(['1'] * (n + 1))}"]
    tree += ["cat_boundaries=0 1", "cat_threshold=5"] if categories else []
    head = ["tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "max_feature_idx=0"]
    head += ["objective=regression", "feature_names=a", "feature_infos=[0:9]", ""]
    return "\n".join([*head, *("\n".join([f"\nTree={i}", *tree, ""]) for i in range(trees)), "end of trees"])


def needs(depth: int, form: Strategy, *, categories: bool = False, trees: int = 10) -> Needs:
    """What the graph of raw scores needs."""
    text = complete(depth, trees, categories=categories)
    return measure(onnx.load_from_string(export_tensor_raw_score(text, strategy=form)))


@pytest.mark.parametrize(("categories", "level"), [(False, (62, 7)), (True, (94, 10))])
def test_a_level_of_the_traversal_moves_what_is_said(categories, level):
    """One level more costs the docstring's bytes a tree and row, and its operators."""
    less, more = (needs(depth, Strategy.TRAVERSAL, categories=categories) for depth in (3, 4))
    assert more.moved_bytes_per_row - less.moved_bytes_per_row == 10 * level[0]
    assert more.operators - less.operators == level[1]
    costs = [traversal_cost(np.full(10, depth), has_codes=categories) for depth in (3, 4)]
    assert costs[1] - costs[0] == 10 * level[0] * strategy.ROWS + level[1] * strategy.LAUNCH_BYTES


@pytest.mark.parametrize("categories", [False, True])
def test_the_matrix_form_moves_what_is_said(categories):
    """Bytes grow with splits and leaves as the rule has it, and operators do not grow."""
    less, more = (needs(depth, Strategy.PATHS, categories=categories) for depth in (3, 4))
    moved = more.moved_bytes_per_row - less.moved_bytes_per_row
    assert more.operators == less.operators
    costs = [paths_cost(parse_model(complete(depth, 10)), 10, has_codes=categories) for depth in (3, 4)]
    assert moved * strategy.ROWS == costs[1] - costs[0]


def test_few_trees_take_the_matrix_form_and_many_are_traversed():
    """Complete trees: by matrices where there are few and launches weigh, by levels where there are hundreds."""
    chosen = {}
    for depth, trees in ((2, 300), (3, 300), (5, 300), (4, 10), (6, 10)):
        forest = parse_model(complete(depth, trees))
        chosen[depth, trees] = choose_strategy(forest, plan_slots(forest, plan_splits(forest)), has_codes=False)
    paths, walk = Strategy.PATHS, Strategy.TRAVERSAL
    assert chosen == {(2, 300): walk, (3, 300): walk, (5, 300): walk, (4, 10): paths, (6, 10): paths}


def test_chains_take_the_matrix_form_however_many_they_are():
    """A chain is as deep as it has leaves, so that levels cost most."""
    forest = parse_model(complete(0, 1))
    tree = replace(forest.trees[0], leaf_value=np.zeros(9))
    costs = paths_cost(replace(forest, trees=(tree,)), 1000, has_codes=False), np.full(1000, 8)
    assert costs[0] < traversal_cost(costs[1], has_codes=False)


def test_matrices_too_large_are_not_chosen(monkeypatch):
    """Memory for the matrices is bounded whatever launches would be saved."""
    forest = parse_model(complete(4, 10))
    slots = plan_slots(forest, plan_splits(forest))
    monkeypatch.setattr(strategy, "LARGEST_MATRICES_BYTES", 10_000)
    assert choose_strategy(forest, slots, has_codes=False) is Strategy.TRAVERSAL


def test_a_forest_without_splits_is_a_constant():
    """Nothing is walked where there is nothing to walk."""
    forest = parse_model(complete(0, 3))
    slots = plan_slots(forest, plan_splits(forest))
    assert choose_strategy(forest, slots, has_codes=False) is Strategy.TRAVERSAL
    assert slots.depth.tolist() == [0, 0, 0]


def test_trees_that_have_ended_are_cut_off_by_eighths():
    """A cut is made where it removes an eighth of the trees at least, and never the deepest."""
    assert active_trees(np.array([5, 5, 5, 2, 2])) == [5, 5, 3, 3, 3]
    assert active_trees(np.array([3] * 20 + [1])) == [21, 21, 21]
    assert active_trees(np.array([1])) == [1]


def test_slots_hold_every_leaf_once():
    """Leaves lead to themselves, nodes to two neighbours."""
    forest = parse_model(complete(3, 2))
    slots = plan_slots(forest, plan_splits(forest))
    assert len(slots.child) == 2 * 15
    assert np.isnan(slots.threshold).sum() == 2 * 8
    reached = np.sort(np.concatenate([slots.child[~np.isnan(slots.threshold)] + side for side in (0, 1)]))
    assert reached.tolist() == [*range(1, 15), *range(16, 30)]
