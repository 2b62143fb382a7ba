"""Every objective of LightGBM's goes through training, export, package and server with LightGBM's own predictions."""

from __future__ import annotations

import numpy as np
import pytest

from headrace.client import Client
from headrace.evaluation.task import Task
from headrace.packaging import PackageContents, Signature, build_package
from headrace.packaging.export import export_lightgbm
from headrace.training import OBJECTIVES, SplitMasks, TrainingData, TrainingSettings, train

pytestmark = pytest.mark.slow

ROWS, CLASSES = 3_000, 4


@pytest.fixture(scope="module")
def trained():
    """One model an objective, on the same features."""
    rng = np.random.default_rng(11)
    values = rng.normal(size=(ROWS, 4)).astype(np.float32)
    values[rng.random(values.shape) < 0.05] = np.nan
    signal = np.nan_to_num(values[:, 0]) + np.nan_to_num(values[:, 1] * values[:, 2]) + 0.3 * rng.normal(size=ROWS)
    part = np.arange(ROWS) * 3 // ROWS
    split = SplitMasks(part == 0, part == 1, part == 2)
    models = {}
    for name, goal in OBJECTIVES.items():
        several = goal.task is Task.MULTICLASS
        groups = np.arange(ROWS) // 10 if goal.task is Task.RANKING else None
        data = TrainingData(values, tuple("abcd"), labels_of(goal, signal), split, groups=groups)
        settings = TrainingSettings(
            objective=name, n_classes=CLASSES if several else 1, params={"num_leaves": 15}, rounds=25, threads=1
        )
        models[name] = train(data, settings)
    return models, values


def labels_of(goal, signal):
    if goal.task is Task.BINARY:
        return signal > 0
    if goal.task is not Task.REGRESSION:
        return np.digitize(signal, [-1.0, 0.0, 1.0]).astype(np.int64)
    return {"from 0 to 1": 1 / (1 + np.exp(-signal)), "any": 100 * signal}.get(goal.labels, np.exp(signal))


def test_served_predictions_are_lightgbm_s(trained, world, start_process, tmp_path):
    models, values = trained
    for name, model in models.items():
        contents = PackageContents(
            name=name,
            model=export_lightgbm(model.booster, num_iteration=model.best_iteration),
            plan={},
            schema={},
            signature=Signature.of_matrix(model.names, outputs=model.settings.n_classes),
            baseline={},
            evaluation={},
            lineage={},
            sbom={},
            model_card="# sample\n",
        )
        world.registry.register(name, build_package(tmp_path / name, contents).path)
    server = start_process(models=[f"{name}@1" for name in models])
    with Client(server.address) as client:
        client.wait_until_ready(timeout_s=20)
        for name, model in models.items():
            expected = model.predict(values)
            served = np.concatenate([client.infer(name, chunk).scores for chunk in np.array_split(values, 7)])
            assert served.shape == expected.shape, name
            # float32 holds 24 bits of what LightGBM gives in 53; half a unit is rounding, the rest its exponential
            np.testing.assert_allclose(served, expected, rtol=1.2e-7, atol=1e-12, err_msg=name)
