"""From a trained, judged model to a registered version: exact export, verified, packaged under one digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.code_version import code_commit
from headrace.core.errors import FailedCheckError
from headrace.core.files import staged_directory
from headrace.monitoring import Baseline, build_baseline
from headrace.packaging import ModelVersion, PackageContents, Signature, build_package
from headrace.packaging.export import (
    ExportReport,
    SecondGraph,
    export_lightgbm,
    make_second_graph,
    verify_export,
)
from headrace.packaging.lineage import Lineage, TableRead
from headrace.packaging.model_card import model_card, without_cuda
from headrace.packaging.sbom import bill_of_materials
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import Dataset
from headrace.pipeline.judging import test_rows
from headrace.serving.config import Device
from headrace.serving.runtime.session import Session
from headrace.training import TimeSplit, TrainedModel

MAX_ABS_DIFF = 2e-6  # of a float32 probability against LightGBM's float64; of numbers above 1 relative to them
SCORE = "score"


@dataclass(frozen=True)
class Packed:
    """A registered version and what its export was held against.

    Attributes:
        version: the registry's entry.
        export: leaves and predictions of the graph against LightGBM's.
        size_bytes: of all files together.
        files: JSON data: name, digest and size of each file.
        cuda_graph: JSON data: `size_bytes` of the second graph, or the `reason` why there is none.
    """

    version: ModelVersion
    export: ExportReport
    size_bytes: int
    files: list[dict[str, Any]]
    cuda_graph: dict[str, Any]


@dataclass(frozen=True)
class PackingJob:
    """What goes into a package.

    Attributes:
        dataset: rows and features.
        split: the parts the model was trained and judged on.
        trained: the model.
        evaluation: the package's evaluation document.
        reference: of the features, from `reference_features`; several models of one split share it.
    """

    dataset: Dataset
    split: TimeSplit
    trained: TrainedModel
    evaluation: Mapping[str, Any]
    reference: Baseline


def reference_features(dataset: Dataset, split: TimeSplit) -> Baseline:
    """Reference of every feature over all rows before the test part, labelled or not."""
    masks = split.masks(dataset.times)
    rows = np.flatnonzero(masks.train | masks.valid)
    return build_baseline(
        np.asarray(dataset.matrix.values)[rows],
        names=dataset.matrix.names,
        roles=[feature.role for feature in dataset.plan.features],
        importances={},
        times=dataset.matrix.query_time[rows],
    )


def pack_model(context: RunContext, job: PackingJob) -> Packed:
    """Export, verify on every test row, package, register. Nothing is registered where a row meets another leaf.

    Raises:
        FailedCheckError: the exported graph is not the model.
    """
    name = context.project.model.name
    with context.progress.step(f"package {name}", total=3) as step:
        step.note("exact export")
        graph, second, report = _export(job, cuda_graph=context.project.model.cuda_graph)
        step.advance()
        step.note("reference statistics")
        contents = _contents(context, job, graph, second)
        step.advance()
        step.note("register")
        with staged_directory(context.workspace.exchange / "package", replace=True) as staged:
            package = build_package(staged / name, contents)
            version = context.registry.register(name, staged / name)
        step.advance()
    files = [
        {"name": path, "digest": entry.digest, "size_bytes": len(package.files[path])}
        for path, entry in sorted(package.manifest.files.items())
    ]
    made = {"reason": second.reason} if second.model is None else {"size_bytes": len(second.model)}
    return Packed(version, report, sum(map(len, package.files.values())), files, made)


def _export(job: PackingJob, *, cuda_graph: bool) -> tuple[bytes, SecondGraph, ExportReport]:
    """Both graphs, the first held against LightGBM on every test row, the second against the first on some."""
    trained = job.trained
    used: dict[str, Any] = {"num_iteration": trained.best_iteration, "calibrator": trained.calibrator}
    graph = export_lightgbm(trained.booster, **used)
    rows, run = test_rows(job.dataset, job.split.masks(job.dataset.times), trained.names), _runner()
    report = verify_export(trained.booster, graph, rows, run=run, **used)
    if report.leaf_mismatches or report.max_scaled_diff > MAX_ABS_DIFF:
        raise FailedCheckError(
            f"the exported graph is not the model: {report.leaf_mismatches} rows in other leaves, largest "
            f"difference {report.max_scaled_diff:.2e} (allowed {MAX_ABS_DIFF:.0e})"
        )
    if not cuda_graph:
        return graph, SecondGraph(None, "the model's definition says cuda_graph=False"), report
    return graph, make_second_graph(trained.booster, graph, rows, run=run, **used), report


def _contents(context: RunContext, job: PackingJob, graph: bytes, second: SecondGraph) -> PackageContents:
    project = context.project
    signature = Signature.of_matrix(job.trained.names, outputs=job.trained.settings.n_classes)
    lineage = Lineage(
        snapshot={
            name: TableRead(used["version"], used["digest"], used["name"])
            for name, used in context.records["validate"].facts["tables"].items()
        },
        plan_digest=job.dataset.plan.digest,
        definition={**project.model.to_json(), "target": str(project.model.target), "split": job.split.to_json()},
        code_commit=code_commit(context.folder),
        features_digest=context.records["features"].facts["matrix_digest"],
    )
    schema = {name: {"columns": used["columns"]} for name, used in context.records["validate"].facts["tables"].items()}
    return PackageContents(
        name=project.model.name,
        model=graph,
        plan=job.dataset.plan.to_json(),
        schema=schema,
        signature=signature,
        baseline=_with_score(job, project.model.classes).to_json(),
        evaluation=job.evaluation,
        lineage=lineage.to_json(),
        sbom=bill_of_materials(project.model.name, graph, cuda_model=second.model),
        model_card=model_card(
            project.model.name,
            description=project.question or f"A model of project {project.name}.",
            evaluation=job.evaluation,
            lineage=lineage,
            signature=signature,
        )
        + without_cuda(second.reason),
        cuda_model=second.model,
    )


def _with_score(job: PackingJob, classes: Sequence[str | int]) -> Baseline:
    """The features' reference with this model's importances, and the score's over the validation part.

    The score is not taken from training rows: a model is surer of rows it has seen.
    """
    rows = np.flatnonzero(job.split.masks(job.dataset.times).valid)
    importance = job.trained.importance()
    scores = job.trained.predict(np.asarray(job.dataset.matrix.values)[rows]).astype(np.float32).reshape(len(rows), -1)
    names = [f"{SCORE} {name}" for name in classes] if classes else [SCORE]
    times = job.dataset.matrix.query_time[rows]
    score = build_baseline(scores, names=names, roles=[SCORE] * len(names), importances={}, times=times)
    features = (replace(found, importance=importance[found.name]) for found in job.reference.features)
    return Baseline((*features, *score.features))


def _runner() -> Any:
    """Runs graphs through the server's own runtime; a graph's session is kept from chunk to chunk."""
    sessions: dict[bytes, Session] = {}  # by content: an object's id may be another's once it is gone

    def run(model: bytes, rows: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        session = sessions.get(model)
        if session is None:
            session = sessions.setdefault(model, Session(model, device=Device.CPU, name="verification"))
        return session.run((rows,))[0]

    return run
