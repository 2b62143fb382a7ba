"""Explanations of a workspace's models: what features do over many rows, and why one row scored as it did.

A package holds a graph, not the trees LightGBM explains; the trees lie in the workspace the model was trained in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.core.errors import NotFoundError, UnimplementedError
from headrace.packaging import ModelVersion
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import Dataset, load_dataset
from headrace.pipeline.judging import test_rows
from headrace.pipeline.stages.train import FULL, REFIT
from headrace.training.explaining import effects, explain_row
from headrace.training.storage import load_trained


def explain(context: RunContext, reference: str, rows: list[str], *, top: int | None = None) -> dict[str, Any]:
    """Explain a registered version: single rows by their ids, or without ids the test part.

    Args:
        context: the workspace, reopened.
        reference: such as `late@1`.
        rows: row ids of the spine.
        top: how many features to list of each row.

    Raises:
        NotFoundError: no such version or row, or the workspace has not run so far.
        UnimplementedError: the version's trees are not in this workspace.
    """
    version = context.registry.resolve(reference)
    trained = load_trained(context.workspace.models / _part(context, version))
    dataset = load_dataset(context)
    answer: dict[str, Any] = {"model": str(version), "digest": version.digest}
    if not rows:
        values = test_rows(dataset, dataset.masks(context.project.model.split), trained.names)
        return answer | {"effects": effects(trained, values)}
    places = [dataset.matrix.names.index(name) for name in trained.names]
    told = []
    for row in rows:
        values = np.asarray(dataset.matrix.values[_place(dataset, row)])[places]
        told.append({"row": row, **explain_row(trained, np.ascontiguousarray(values), top=top)})
    return answer | {"rows": told}


def _part(context: RunContext, version: ModelVersion) -> str:
    """Which of the workspace's models a version was packaged from."""
    record = context.records.get("package")
    if record is None:
        raise NotFoundError("this workspace has packaged no model", hint="run the project first: headrace run PROJECT")
    parts = {record.facts["versions"]["first"]: FULL, record.facts["versions"]["second"]: REFIT}
    if version.version not in parts:
        known = ", ".join(f"{version.name}@{number}" for number in sorted(parts))
        raise UnimplementedError(
            f"the trees of {version} are not in this workspace: a package holds its graph alone",
            hint=f"explain one of the last run's versions: {known}",
        )
    return parts[version.version]


def _place(dataset: Dataset, row: str) -> int:
    found = np.flatnonzero(dataset.ids == row)
    if not found.size:
        raise NotFoundError(
            f"no row '{row}' in the spine of {len(dataset.ids):,} rows", hint=f"row ids look like '{dataset.ids[0]}'"
        )
    return int(found[0])
