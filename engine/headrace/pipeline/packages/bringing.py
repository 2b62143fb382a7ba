"""Make a package of a model that was trained elsewhere: LightGBM text exactly, an ONNX graph as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import (
    CorruptedError,
    FailedCheckError,
    InvalidInputError,
    NotFoundError,
    UnimplementedError,
    did_you_mean,
)
from headrace.core.hashing import digest_bytes
from headrace.core.progress import Progress
from headrace.monitoring import Baseline, build_baseline
from headrace.packaging import ModelVersion, PackageContents, Registry, Signature, TensorSpec, bill_of_materials
from headrace.packaging.lineage import LIBRARIES
from headrace.packaging.manifest import Manifest
from headrace.packaging.model_card import without_cuda
from headrace.packaging.package import Package
from headrace.packaging.reference import check_name
from headrace.packaging.sbom import library_versions
from headrace.pipeline.packages.brought_schema import ASKED_AT, TABLE, BroughtSchema
from headrace.serving.config import Device
from headrace.serving.runtime.session import Session

if TYPE_CHECKING:
    from headrace.packaging.export import SecondGraph

PICKLES = (".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill")
VERIFIED_ROWS = 2_000
MAX_ABS_DIFF = 2e-6  # of a float32 prediction against LightGBM's float64, relative above 1
MAX_MODEL_BYTES = 2 * 2**30
SCORE = "score"
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class BroughtModel:
    """What a user brings.

    Attributes:
        name: what the model is called from now on.
        model: a LightGBM text model, or an ONNX file.
        schema: JSON file of a `BroughtSchema`.
        sample: rows with the schema's columns (Parquet, Arrow, CSV); None: no reference statistics.
    """

    name: str
    model: Path
    schema: Path
    sample: Path | None


@dataclass(frozen=True)
class _Taken:
    """What was made of a model file: `lightgbm` or `onnx`, its graph, and its graph for CUDA if there is one."""

    kind: str
    model: bytes
    second: SecondGraph


def bring_model(registry: Registry, brought: BroughtModel, *, progress: Progress) -> ModelVersion:
    """Make a package of a brought model and register it; the same files give the same package.

    Raises:
        NotFoundError: a file is not there.
        InvalidInputError: schema, sample and model do not fit together.
        CorruptedError: the model file is damaged.
        UnimplementedError: a kind of model, or a part of one, that is not taken.
        FailedCheckError: the exported graph does not predict what LightGBM predicts.
    """
    check_name("model name", brought.name)
    schema = BroughtSchema.read(brought.schema)
    content = _read_model(brought.model)
    sample = _read_sample(brought.sample, schema) if brought.sample is not None else None
    with progress.step(f"bring {brought.name}", total=3) as step:
        step.note("graph")
        taken = _graphs(content, schema, sample)
        step.advance()
        session = Session(taken.model, device=Device.CPU, name=brought.name)
        (scores,) = session.run((_rows(sample, schema),))
        step.note("reference statistics")
        baseline = _baseline(schema, sample, scores)
        step.advance()
        contents = _contents(brought.name, schema, taken, baseline, digest_bytes(content))
        files = contents.files()
        version = registry.register_package(Package(brought.model, Manifest.of(brought.name, files), files))
        step.advance()
    return version


def _read_model(file: Path) -> bytes:
    if file.suffix.lower() in PICKLES:
        raise UnimplementedError(
            f"{file.name} is a pickle: to read one is to run whatever code is in it, so none is read here",
            hint="convert it where you trust it, with skl2onnx (options={'zipmap': False} for classifiers), and bring "
            "the ONNX file",
        )
    if not file.is_file():
        raise NotFoundError(f"there is no model file {file}")
    if file.stat().st_size > MAX_MODEL_BYTES:
        raise InvalidInputError(f"{file} has {file.stat().st_size:,} bytes; allowed are {MAX_MODEL_BYTES:,}")
    return file.read_bytes()


def _graphs(content: bytes, schema: BroughtSchema, sample: Rows | None) -> _Taken:
    if content.startswith((b"tree\n", b"tree\r\n")):
        return _from_lightgbm(content, schema, sample)
    from headrace.packaging.export import SecondGraph
    from headrace.packaging.export.foreign import take_over

    try:
        model = take_over(content, list(schema.columns), output=schema.output).model
        return _Taken("onnx", model, SecondGraph(None, "it was brought as an ONNX graph, which is served as it is"))
    except CorruptedError as error:
        raise CorruptedError(f"the file is neither a LightGBM model text nor an ONNX model: {error.message}") from error


def _from_lightgbm(content: bytes, schema: BroughtSchema, sample: Rows | None) -> _Taken:
    from headrace.packaging.export import export_lightgbm, make_second_graph
    from headrace.packaging.export.model_text import parse_model

    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise CorruptedError(f"the LightGBM model text is not UTF-8: {error}") from error
    if "\nend of trees" not in text:
        raise CorruptedError("the LightGBM model text was cut short: it has no 'end of trees'")
    _check_names(parse_model(text).feature_names, list(schema.columns))
    if "pandas_categorical:[[" in text:
        raise UnimplementedError(
            "the model translates categories of a pandas frame, which is not in its trees",
            hint="train it on integer codes, and declare the columns int64",
        )
    graph = export_lightgbm(text)
    rows = _rows(sample, schema)[:VERIFIED_ROWS]
    sessions: dict[bytes, Session] = {}

    def run(model: bytes, chunk: Rows) -> npt.NDArray[Any]:
        if model not in sessions:
            sessions[model] = Session(model, device=Device.CPU, name="verification")
        return sessions[model].run((chunk,))[0]

    _verify(text, graph, rows, run)
    return _Taken("lightgbm", graph, make_second_graph(text, graph, rows, run=run))


def _check_names(trained: tuple[str, ...], declared: list[str]) -> None:
    if len(trained) != len(declared):
        raise InvalidInputError(f"the model has {len(trained)} features, the schema {len(declared)} columns")
    if trained == tuple(f"Column_{position}" for position in range(len(trained))):
        return  # it was trained on a matrix without names
    for position, (ours, theirs) in enumerate(zip(declared, trained, strict=True)):
        if ours.replace(" ", "_") != theirs:
            raise InvalidInputError(
                f"feature {position} of the model is '{theirs}', column {position} of the schema is '{ours}'",
                hint=did_you_mean(theirs, declared) or "the schema lists the columns in the model's order",
            )


def _verify(text: str, graph: bytes, rows: Rows, run: Callable[[bytes, Rows], npt.NDArray[Any]]) -> None:
    """Hold the export against LightGBM itself: the same leaf in every tree, the same prediction but for float32."""
    from headrace.packaging.export import verify_export
    from headrace.training.foreign import ForeignBooster

    report = verify_export(ForeignBooster(text, rows), graph, rows, run=run)
    scores = run(graph, rows)
    allowed = MAX_ABS_DIFF * max(1.0, float(np.nanmax(np.abs(scores), initial=0.0)))
    if report.leaf_mismatches or report.max_abs_diff > allowed:
        raise FailedCheckError(
            f"the exported graph is not the model: {report.leaf_mismatches} of {report.rows} rows in other leaves, "
            f"largest difference {report.max_abs_diff:.2e} (allowed {allowed:.0e})"
        )


def _rows(sample: Rows | None, schema: BroughtSchema) -> Rows:
    """Rows to try a graph on: the sample, else random values and missing ones, the same each time."""
    if sample is not None:
        return sample
    generator = np.random.default_rng(0)
    rows = generator.normal(scale=generator.choice([0.1, 1, 10, 1000], (VERIFIED_ROWS, len(schema.columns))))
    whole = [position for position, dtype in enumerate(schema.columns.values()) if not dtype.startswith("float")]
    rows[:, whole] = np.abs(np.rint(rows[:, whole]))
    floats = [position for position in range(len(schema.columns)) if position not in whole]
    rows[:, floats] = np.where(generator.random((len(rows), len(floats))) < 0.05, np.nan, rows[:, floats])
    return rows.astype(np.float32)


def _read_sample(file: Path, schema: BroughtSchema) -> Rows:
    import pyarrow as pa
    import pyarrow.compute as pc

    from headrace.pipeline.scoring import read_rows

    table = read_rows(file)
    if not table.num_rows:
        raise InvalidInputError(f"{file} has no rows")
    columns = []
    for name in schema.columns:
        if name not in table.column_names:
            raise InvalidInputError(f"{file} has no column '{name}'", hint=did_you_mean(name, table.column_names))
        try:
            filled = pc.cast(table[name], pa.float64(), safe=False)
        except pa.ArrowException as error:
            raise InvalidInputError(f"{file}: column '{name}' ({table[name].type}) holds no numbers") from error
        columns.append(filled.to_numpy(zero_copy_only=False).astype(np.float32))
    return np.stack(columns, axis=1)


def _baseline(schema: BroughtSchema, sample: Rows | None, scores: npt.NDArray[Any]) -> Baseline:
    """References of the sample's columns and of the score; of nothing where there is no sample."""
    if sample is None:
        return Baseline(())
    when = np.zeros(len(sample), np.int64)  # the sample says nothing of time, so natural variation is not measured
    names = list(schema.columns)
    features = build_baseline(sample, names=names, roles=["request"] * len(names), importances={}, times=when)
    if scores.shape[1] != 1:
        return features
    return Baseline(
        (
            *features.features,
            *build_baseline(
                scores.astype(np.float32), names=[SCORE], roles=[SCORE], importances={}, times=when
            ).features,
        )
    )


def _contents(name: str, schema: BroughtSchema, taken: _Taken, baseline: Baseline, digest: str) -> PackageContents:
    brought = {"kind": taken.kind, "digest": digest}
    plan = schema.plan(name)
    features = tuple(schema.columns)
    width = Session(taken.model, device=Device.CPU, name=name).outputs[0].shape[-1]
    signature = Signature(
        inputs=(TensorSpec("features", "FP32", (-1, len(features))),),
        outputs=(TensorSpec(SCORE, "FP32", (-1, width)),),
        features=features,
        columns={column: _offered(dtype) for column, dtype in schema.columns.items()},
    )
    lineage = {
        "snapshot": {},
        "plan_digest": plan.digest,
        "features_digest": None,
        "definition": {},
        "code_commit": None,
        "libraries": library_versions(LIBRARIES),
        "brought": brought,
    }
    return PackageContents(
        name=name,
        model=taken.model,
        plan=plan.to_json(),
        schema={TABLE: {"columns": {ASKED_AT: "timestamp", **schema.columns}}},
        signature=signature,
        baseline=baseline.to_json(),
        evaluation={},
        lineage=lineage,
        sbom=bill_of_materials(name, taken.model, cuda_model=taken.second.model),
        model_card=_card(name, schema, brought) + without_cuda(taken.second.reason),
        cuda_model=taken.second.model,
    )


def _offered(dtype: str) -> str:
    return "float32" if dtype.startswith("float") else "int64" if dtype.startswith("int") else dtype


def _card(name: str, schema: BroughtSchema, brought: dict[str, str]) -> str:
    description = schema.description.strip() or "A model that was trained elsewhere; whoever brought it said no more."
    lines = [
        f"# {name}", "", description, "", "## Origin", "",
        f"- brought as {brought['kind']}, file digest {brought['digest']}",
        "- not trained or evaluated by this project: there are no figures and no gates", "",
        f"## Inputs: {len(schema.columns)} columns", "",
        *(f"- {column} ({dtype})" for column, dtype in schema.columns.items()),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
