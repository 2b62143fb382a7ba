"""Read LightGBM's model text (format v3 and v4) into a `Forest`.

Layout: a header of `key=value` lines and bare flags, blocks that start with `Tree=i`, then `end of trees`, importances
and parameters, which are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TypeVar

import numpy as np

from headrace.core.errors import InvalidInputError
from headrace.packaging.export.forest import (
    Bools,
    Float64s,
    Forest,
    Int64s,
    LinearLeaves,
    Missing,
    Tree,
    check_tree,
)

Number = TypeVar("Number", int, float)
SUPPORTED_VERSIONS = ("v3", "v4")
_CATEGORICAL_BIT, _DEFAULT_LEFT_BIT, _MISSING_SHIFT, _MISSING_MASK = 1, 2, 2, 3


def parse_model(text: str) -> Forest:
    """Parse a model text.

    Raises:
        InvalidInputError: not a LightGBM model text, an unknown version, or parts that contradict each other.
    """
    text = text.replace("\r\n", "\n")
    head, separator, body = text.partition("\nTree=")
    if not separator:
        head, body = text.partition("\nend of trees")[0], ""
    header = _fields(head)
    if not head.startswith("tree\n") or header.get("version") not in SUPPORTED_VERSIONS:
        raise InvalidInputError(
            f"not a LightGBM model text of version {' or '.join(SUPPORTED_VERSIONS)}: it starts with {text[:40]!r}",
            hint="pass a Booster, or the text of Booster.model_to_string()",
        )
    names = tuple(_required(header, "feature_names").split())
    outputs = int(header.get("num_tree_per_iteration", header.get("num_class", "1")))
    blocks = ("\n" + body.partition("\nend of trees")[0]).split("\nTree=") if body else []
    trees = [_parse_tree(_fields(block)) for block in blocks if block.strip()]
    if len(names) != int(_required(header, "max_feature_idx")) + 1 or len(trees) % outputs:
        raise InvalidInputError(f"model text with {len(names)} feature names, {len(trees)} trees for {outputs} outputs")
    return Forest(
        feature_names=names,
        outputs=outputs,
        objective=header.get("objective", ""),
        average="average_output" in header,
        trees=tuple(check_tree(tree, n_features=len(names), position=i) for i, tree in enumerate(trees)),
    )


def _fields(block: str) -> dict[str, str]:
    """`key=value` lines as a mapping; a bare line is a key with an empty value."""
    pairs = (line.partition("=") for line in block.splitlines())
    return {key: value for key, _, value in pairs if key}


def _required(fields: Mapping[str, str], key: str) -> str:
    if key not in fields:
        raise InvalidInputError(f"model text has no '{key}' where one must be", hint="was the file cut short?")
    return fields[key]


def _parse_tree(fields: Mapping[str, str]) -> Tree:
    leaves = int(_required(fields, "num_leaves"))
    nodes = max(leaves - 1, 0)
    decision = _integers(fields, "decision_type", nodes)
    has_categories = int(fields.get("num_cat", "0")) > 0
    return Tree(
        feature=_integers(fields, "split_feature", nodes),
        threshold=_floats(fields, "threshold", nodes),
        missing=_missing(decision),
        default_left=(decision & _DEFAULT_LEFT_BIT) > 0,
        categorical=_categorical(decision, has_categories=has_categories),
        left=_integers(fields, "left_child", nodes),
        right=_integers(fields, "right_child", nodes),
        leaf_value=_floats(fields, "leaf_value", leaves),
        categories=_categories(fields) if has_categories else (),
        linear=_linear(fields, leaves) if fields.get("is_linear") == "1" else None,
    )


def _missing(decision: Int64s) -> Int64s:
    missing: Int64s = (decision >> _MISSING_SHIFT) & _MISSING_MASK
    if len(missing) and missing.max() > Missing.NAN:
        raise InvalidInputError(f"model text has decision type {int(decision.max())}, which names no missing mode")
    return missing


def _categorical(decision: Int64s, *, has_categories: bool) -> Bools:
    # A tree without categories is walked by numerical comparison alone, whatever its decision types say.
    return (decision & _CATEGORICAL_BIT) > 0 if has_categories else np.zeros(len(decision), dtype=np.bool_)


def _categories(fields: Mapping[str, str]) -> tuple[Int64s, ...]:
    """One ascending array of members a categorical split, from its bit set of 32-bit words."""
    bounds = _integers(fields, "cat_boundaries", int(fields["num_cat"]) + 1)
    words = _integers(fields, "cat_threshold", int(bounds[-1]))
    bits = (words[:, None] >> np.arange(32)) & 1
    return tuple(np.flatnonzero(bits[start:stop].ravel()) for start, stop in pairwise(bounds))


def _linear(fields: Mapping[str, str], leaves: int) -> LinearLeaves:
    ends = np.cumsum(_integers(fields, "num_features", leaves))
    features = _integers(fields, "leaf_features", int(ends[-1]))
    coefficients = _floats(fields, "leaf_coeff", int(ends[-1]))
    return LinearLeaves(
        constant=_floats(fields, "leaf_const", leaves),
        features=tuple(np.split(features, ends[:-1])),
        coefficients=tuple(np.split(coefficients, ends[:-1])),
    )


def _integers(fields: Mapping[str, str], key: str, count: int) -> Int64s:
    return np.array(_numbers(fields, key, count, int), dtype=np.int64)


def _floats(fields: Mapping[str, str], key: str, count: int) -> Float64s:
    return np.array(_numbers(fields, key, count, float), dtype=np.float64)


def _numbers(fields: Mapping[str, str], key: str, count: int, number: Callable[[str], Number]) -> list[Number]:
    words = fields.get(key, "").split()
    if len(words) != count:
        raise InvalidInputError(f"model text has {len(words)} values in '{key}' where {count} must be")
    try:
        return [number(word) for word in words]
    except ValueError as error:
        raise InvalidInputError(f"model text has a value in '{key}' that is no number: {error}") from error
