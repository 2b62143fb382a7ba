"""The registered champion on the rows a new model is judged on."""

from __future__ import annotations

import numpy as np

from headrace.core.errors import CorruptedError, NotFoundError
from headrace.evaluation.examined import Absence
from headrace.evaluation.known_gates import CHAMPION, need_champion
from headrace.packaging import Package
from headrace.packaging.package import MODEL_FILE
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import Dataset
from headrace.pipeline.examining import Rivals
from headrace.pipeline.judging import test_rows
from headrace.serving.config import Device
from headrace.serving.runtime.session import Session

CHUNK_ROWS = 8_192


def champion_digest(context: RunContext) -> str | None:
    """Digest of the champion's graph, where a gate compares with it: what the evaluation then depends on."""
    if not need_champion(context.project.model.gates):
        return None
    package = _champion(context)
    return package.manifest.files[MODEL_FILE].digest if isinstance(package, Package) else None


def champion_rival(context: RunContext, dataset: Dataset) -> Rivals:
    """The champion's scores of the test rows, by its own graph; or why there are none.

    Before the first version there is no champion, and nothing to lose against it. One that is there and cannot be
    scored (it reads features that the plan no longer has) fails the gates that name it.
    """
    model = context.project.model
    if not need_champion(model.gates):
        return Rivals()
    package = _champion(context)
    if not isinstance(package, Package):
        return Rivals(absent={CHAMPION: package})
    names = package.signature.features
    missing = [name for name in names if name not in dataset.matrix.names]
    if missing:
        reason = f"the champion reads '{missing[0]}', which the plan no longer computes: it cannot be compared with"
        return Rivals(absent={CHAMPION: Absence(reason)})
    rows = test_rows(dataset, dataset.masks(model.split), names)
    session = Session(package.model, device=Device.CPU, name=CHAMPION)
    parts = [session.run((rows[start : start + CHUNK_ROWS],))[0] for start in range(0, len(rows), CHUNK_ROWS)]
    scores = np.concatenate(parts).astype(np.float64)
    return Rivals({CHAMPION: scores[:, 0] if scores.shape[1] == 1 else scores})


def _champion(context: RunContext) -> Package | Absence:
    name = context.project.model.name
    try:
        return context.registry.load(f"{name}@{CHAMPION}")
    except NotFoundError:
        return Absence(f"no champion of '{name}' is registered yet: there is nothing to lose against", harmless=True)
    except CorruptedError as error:
        return Absence(f"the champion cannot be loaded: {error.message}")
