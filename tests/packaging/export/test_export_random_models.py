"""Models nobody trained: random trees, every kind of split in one forest, judged by LightGBM reading the same text."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SPECIAL_THRESHOLDS = [0.0, -0.0, 1e-35, -1e-35, 1.0000000180025095e-35, -1.0000000180025095e-35, 1e-36, -1e-36, 5e-324]
SPECIAL_THRESHOLDS += [1e-20, -1e-20, 1e300, -1e300, 3.4028235e38, -3.4028235e38, 0.1, 1 / 3, 16777217.0, 0.5, -0.5]
OBJECTIVES = ["binary sigmoid:2", "regression", "regression sqrt", "poisson", "cross_entropy_lambda", "lambdarank"]


def words(values):
    return " ".join(repr(value) for value in np.asarray(values).tolist())


class ModelWriter:
    """Writes random trees in LightGBM's text format."""

    def __init__(self, seed, n_features, *, linear):
        self.random = np.random.default_rng(seed)
        self.n_features = n_features
        self.linear = linear

    def threshold(self):
        kind = self.random.integers(4)
        if kind == 0:
            return float(self.random.choice(SPECIAL_THRESHOLDS))
        value = np.float32(self.random.normal(scale=2.0))
        between = (float(value) + float(np.nextafter(value, np.float32(9e9)))) / 2
        return [float(value), between, float(self.random.normal(scale=2.0))][kind - 1]

    def members(self):
        highest = int(self.random.choice([2, 5, 30, 31, 32, 64, 700]))
        return np.flatnonzero(self.random.random(highest + 1) < self.random.choice([0.0, 0.1, 0.5, 0.9]))

    def tree(self, number):
        leaves = int(self.random.choice([1, 2, 3, 8, 40]))
        left, right, open_leaves = [], [], [None]
        for node in range(leaves - 1):
            leaf = int(self.random.integers(len(open_leaves)))
            if open_leaves[leaf] is not None:
                parent, side = open_leaves[leaf]
                side[parent] = node
            left.append(~leaf)
            right.append(~len(open_leaves))
            open_leaves[leaf] = (node, left)
            open_leaves.append((node, right))
        categorical = self.random.random(leaves - 1) < 0.3
        missing = self.random.integers(0, 3, leaves - 1)
        decision = categorical + 2 * self.random.integers(0, 2, leaves - 1) + 4 * missing
        thresholds, bounds, bits = [], [0], []
        for node in range(leaves - 1):
            if not categorical[node]:
                thresholds.append(self.threshold())
                continue
            members = self.members()
            mask = np.zeros(32 * (1 + max(members, default=0) // 32), dtype=np.int64)
            mask[members] = 1
            bits += (mask.reshape(-1, 32) << np.arange(32)).sum(axis=1).tolist()
            thresholds.append(len(bounds) - 1)
            bounds.append(len(bits))
        lines = [
            f"Tree={number}",
            f"num_leaves={leaves}",
            f"num_cat={len(bounds) - 1}",
            f"split_feature={words(self.random.integers(0, self.n_features, leaves - 1))}",
            f"threshold={' '.join(map(repr, thresholds))}",
            f"decision_type={words(decision)}",
            f"left_child={words(left)}",
            f"right_child={words(right)}",
            f"leaf_value={words(self.random.normal(size=leaves))}",
        ]
        if len(bounds) > 1:
            lines += [f"cat_boundaries={words(bounds)}", f"cat_threshold={words(bits)}"]
        return "\n".join(lines + self.leaf_models(leaves)) + "\n\n\n"

    def leaf_models(self, leaves):
        if not self.linear or self.random.random() < 0.3:
            return ["is_linear=0"]
        sizes = self.random.integers(0, 4, leaves)
        total = int(sizes.sum())
        return [
            "is_linear=1",
            f"leaf_const={words(self.random.normal(size=leaves))}",
            f"num_features={words(sizes)}",
            f"leaf_features={words(self.random.integers(0, self.n_features, total))}",
            f"leaf_coeff={words(self.random.normal(size=total))}",
        ]

    def text(self, n_trees, outputs, objective, *, average):
        header = ["tree", "version=v4", f"num_class={outputs}", f"num_tree_per_iteration={outputs}", "label_index=0"]
        header += [f"max_feature_idx={self.n_features - 1}", f"objective={objective}"]
        header += ["average_output"] if average else []
        header += [f"feature_names={' '.join(f'f{i}' for i in range(self.n_features))}"]
        header += [f"feature_infos={' '.join(['[-9:9]'] * self.n_features)}", "", ""]
        return "\n".join(header) + "".join(self.tree(i) for i in range(n_trees * outputs)) + "end of trees\n"


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 6), st.integers(1, 12), st.integers(1, 3)),
    objective=st.sampled_from(OBJECTIVES),
    kind=st.sampled_from(["plain", "linear", "average", "linear average"]),
)
def test_random_model_is_exact(seed, size, objective, kind, hostile_rows, exactness):
    """Categorical and numerical splits of one feature, every missing mode, odd thresholds, mixed leaf kinds."""
    n_features, n_trees, outputs = size
    objective = objective if outputs == 1 else f"multiclass num_class:{outputs}"
    writer = ModelWriter(seed, n_features, linear="linear" in kind)
    text = writer.text(n_trees, outputs, objective, average="average" in kind)
    booster = lightgbm.Booster(model_str=text)
    found = exactness(text, hostile_rows(text, 1000, seed=seed), booster)
    assert (found.leaves, found.raw) == (0, 0.0)
    assert found.prediction <= 2e-6
