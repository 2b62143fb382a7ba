"""A registry with two versions of a small real model, and predictions that were logged of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from headrace.core.database import open_database
from headrace.monitoring.prediction_log import PredictionBatch, PredictionLog
from headrace.packaging import PackageContents, Registry, Signature, build_package
from headrace.pipeline.workspace import Workspace
from headrace.serving.config import Device
from headrace.serving.runtime.session import Session

NAMES = ("a", "b", "c")


@dataclass
class Models:
    """Where they are, and what they are."""

    workspace: Workspace
    rows: np.ndarray

    def log(self, version: int, *, rows=None, change=lambda scores: scores) -> Path:
        """Log what a version answers to rows; `change` makes the log lie."""
        rows = self.rows if rows is None else rows
        engine = open_database(self.workspace.database)
        package = Registry(engine, self.workspace.home).load(f"late@{version}")
        engine.dispose()
        (scores,) = Session(package.model, device=Device.CPU, name="late").run((rows,))
        log = PredictionLog(self.workspace.predictions / "one")
        for start in range(0, len(rows), 1000):
            part = slice(start, start + 1000)
            ids = [f"{version}/{n}" for n in range(len(rows))[part]]
            log.append(PredictionBatch("late", version, ids, rows[part], change(scores)[part], datetime.now(UTC)))
        log.close()
        return self.workspace.predictions


@pytest.fixture
def models(tmp_path):
    """Version 2 has one feature more, another threshold and a better figure."""
    import lightgbm as lgb

    from headrace.packaging.export import export_lightgbm

    generator = np.random.default_rng(0)
    rows = generator.normal(size=(3_000, 3)).astype(np.float32)
    rows[::7, 1] = np.nan
    labels = np.nan_to_num(rows).sum(axis=1) > 0
    workspace = Workspace(tmp_path / "home")
    engine = open_database(workspace.database)
    registry = Registry(engine, workspace.home)
    for version in (1, 2):
        plan = [{"name": name, "role": "window", "over": version * (name == "b")} for name in NAMES]
        settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 7 * version}
        booster = lgb.train(settings, lgb.Dataset(rows, labels), 10 * version)
        auc = {"value": 0.7 + version / 100, "low": 0.6, "high": 0.8}
        contents = PackageContents(
            name="late",
            model=export_lightgbm(booster),
            plan={"name": "set", "features": plan},
            schema={},
            signature=Signature.of_matrix(NAMES if version == 1 else ("a", "b", "d")),
            baseline={},
            evaluation={
                "model": {"figures": {"auc": auc}, "decision": {"threshold": 0.5 + version / 10}},
                "gates": {"passed": True, "verdicts": [{"name": "auc", "passed": version == 2, "reason": "why"}]},
            },
            lineage={
                "snapshot": {"flights": {"version": version, "digest": "ab" * 32}},
                "libraries": {"lightgbm": f"4.{version}", "numpy": "2"},
                "definition": {"target": "delay > 15"},
                "code_commit": None,
            },
            sbom={"components": [1, 2]},
            model_card="",
        )  # fmt: skip
        registry.register("late", build_package(tmp_path / f"built{version}", contents).path)
    engine.dispose()
    return Models(workspace, rows)
