"""The data study of a run: a learning curve, and what each month of training rows is worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import Dataset
from headrace.pipeline.examining import ROBUST_METRICS
from headrace.pipeline.judging import Judgement, test_rows
from headrace.training import TrainedModel
from headrace.training.data_study import Study, learning_curve, leave_out


def study_data(context: RunContext, dataset: Dataset, trained: TrainedModel, judged: Judgement) -> dict[str, Any]:
    """Study the training rows where the model asks for it; empty where it does not.

    Costs about 1.4 trainings for the curve and one for each month of training rows.
    """
    model = context.project.model
    if not model.data_study or model.task not in ROBUST_METRICS:
        return {}
    masks = dataset.masks(model.split)
    study = Study(
        data=dataset.training_data(model.split),
        settings=trained.settings,
        whole=trained,
        sample=judged.sample,
        test=test_rows(dataset, masks, trained.names),
        metric=ROBUST_METRICS[model.task],
    )
    months = dataset.times.astype("datetime64[us]").astype("datetime64[M]").astype(np.str_)
    curve = learning_curve(study, dataset.days, progress=context.progress)
    value = leave_out(study, months, progress=context.progress)
    harmful = [point.name for point in value if point.shortfall.high < 0]
    return {
        "learning_curve": curve.to_json(),
        "months": [point.to_json() for point in value],
        "hints": [
            str(curve.more),
            f"the model is better without {', '.join(harmful)}" if harmful else "no month of training rows is harmful",
        ],
    }
